// Beside the diagram, for eyes and for screen readers: where tokens stand now and why, then what happened, newest first.

import { useNow } from '../api/queries';
import type { HistoricActivity, Task } from '../api/types';
import type { Mark } from '../diagram/viewer';
import { Empty } from '../ui/states';
import { milliseconds, age, Time } from '../ui/time';
import { elementOf } from './marks';

interface StoryProps {
  rows: HistoricActivity[];
  tasks: Task[];
  /** Business keys of called instances. */
  keys: ReadonlyMap<string, string | null>;
  marks: ReadonlyMap<string, Mark>;
  running: boolean;
  selected: string | null;
  select: (element: string) => void;
}

/** Rows shown of what is past. */
const PAST_MAX = 100;

export function Story({ rows, tasks, keys, marks, running, selected, select }: StoryProps) {
  const now = useNow();
  const inner = rows.filter((row) => !row.activityId.endsWith('#multiInstanceBody'));
  const present = running ? inner.filter((row) => !row.endTime) : [];
  const past = inner.filter((row) => row.endTime).reverse();
  return (
    <>
      <h2 class="story-head">Now</h2>
      {present.length === 0 ? (
        <p class="story-none">{running ? 'Between two elements.' : 'This instance has ended.'}</p>
      ) : (
        <ol class="story">
          {present.map((row) => {
            const element = elementOf(row.activityId);
            const failed = (marks.get(element)?.incidents ?? 0) > 0;
            const task = tasks.find(({ id }) => id === row.taskId) ?? (row.activityType === 'userTask' ? tasks.find((each) => each.taskDefinitionKey === element) : undefined);
            return (
              <Row key={row.id} row={row} state={failed ? 'failed' : 'running'} selected={selected === element} select={select}>
                <span>
                  {failed ? 'Failed, needs a person' : waitsFor(row)}, for {age((now - milliseconds(row.startTime)) / 1000)}
                </span>
                {task && <a href={`/portal/tasks/${encodeURIComponent(task.id)}`}>Open task</a>}
                <Called id={row.calledProcessInstanceId} keys={keys} />
              </Row>
            );
          })}
        </ol>
      )}
      <h2 class="story-head">Before</h2>
      {past.length === 0 ? (
        <Empty title="Nothing has ended here yet" />
      ) : (
        <ol class="story">
          {past.slice(0, PAST_MAX).map((row) => (
            <Row key={row.id} row={row} state={row.canceled ? 'skipped' : 'done'} selected={selected === elementOf(row.activityId)} select={select}>
              <span>
                {row.canceled ? 'cancelled ' : ''}
                <Time at={row.endTime} />
                {row.endTime && lasted(row.startTime, row.endTime)}
              </span>
              <Called id={row.calledProcessInstanceId} keys={keys} />
            </Row>
          ))}
          {past.length > PAST_MAX && <li class="story-none">{past.length - PAST_MAX} earlier ones are not listed.</li>}
        </ol>
      )}
    </>
  );
}

function Called({ id, keys }: { id: string | null; keys: ReadonlyMap<string, string | null> }) {
  if (!id) return null;
  const key = keys.get(id);
  return <a href={`/console/instances/${encodeURIComponent(id)}`}>{key ? `Open ${key}` : 'Open called instance'}</a>;
}

function lasted(from: string, to: string): string {
  const seconds = (milliseconds(to) - milliseconds(from)) / 1000;
  return seconds < 1 ? '' : `, took ${age(seconds)}`;
}

interface RowProps {
  row: HistoricActivity;
  state: 'running' | 'failed' | 'done' | 'skipped';
  selected: boolean;
  select: (element: string) => void;
  children: preact.ComponentChildren;
}

function Row({ row, state, selected, select, children }: RowProps) {
  return (
    <li data-state={state} class={selected ? 'chosen' : undefined}>
      <button type="button" class="story-name" aria-pressed={selected} onClick={() => select(elementOf(row.activityId))}>
        {row.activityName ?? row.activityId}
      </button>
      <div class="story-facts">{children}</div>
    </li>
  );
}

function waitsFor(row: HistoricActivity): string {
  switch (row.activityType) {
    case 'userTask':
      return row.assignee ? `with ${row.assignee}` : 'waits for a person';
    case 'intermediateTimer':
    case 'timerStartEvent':
      return 'waits for its time';
    case 'intermediateMessageCatch':
    case 'receiveTask':
      return 'waits for a message';
    case 'eventBasedGateway':
      return 'waits for an event';
    case 'callActivity':
      return 'called instance runs';
    case 'parallelGateway':
    case 'inclusiveGateway':
      return 'waits for the other branches';
    case 'subProcess':
      return 'open';
    default:
      return 'being worked on';
  }
}
