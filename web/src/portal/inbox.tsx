// Inbox: open tasks, mine, my groups', all; the ones that are late first.

import { useMutation, useQueryClient } from '@tanstack/preact-query';
import { post } from '../api/client';
import { useBusinessKeys, useDefinitions, useNow, useTasks, type Whose } from '../api/queries';
import { session } from '../api/session';
import type { Task } from '../api/types';
import { Choice } from '../ui/choice';
import { useParameters } from '../ui/location';
import { Page } from '../ui/page';
import { Pager } from '../ui/pager';
import { Search } from '../ui/search';
import { Answer, Empty } from '../ui/states';
import { Time } from '../ui/time';
import { say } from '../ui/toast';
import { urgency, type Urgency } from './urgency';
import './portal.css';

const WHOSE = [
  ['groups', 'My groups'],
  ['mine', 'Mine'],
  ['all', 'All'],
] as const satisfies readonly (readonly [Whose, string])[];

export function Inbox() {
  const [parameters, change] = useParameters({ whose: 'groups', search: '', page: '0' });
  const whose = (WHOSE.find(([each]) => each === parameters.whose)?.[0] ?? 'groups') as Whose;
  const page = Math.max(0, Number.parseInt(parameters.page, 10) || 0);
  const tasks = useTasks({ whose, search: parameters.search, page });
  return (
    <Page
      title="Tasks"
      actions={
        <a class="button" href="/portal/start">
          Start a process
        </a>
      }
    >
      <div class="filters">
        <Choice label="Whose tasks" name="whose" value={whose} options={WHOSE} set={(value) => change({ whose: value, page: '0' })} />
        <Search label="Search by task name" value={parameters.search} set={(value) => change({ search: value, page: '0' })} />
      </div>
      <Answer of={tasks} what="tasks">
        {({ rows, count }) =>
          rows.length === 0 ? (
            <div class="panel">
              <Nothing whose={whose} search={parameters.search} />
            </div>
          ) : (
            <>
              <TaskTable tasks={rows} />
              <Pager what="task" page={page} count={count} set={(next) => change({ page: String(next) })} />
            </>
          )
        }
      </Answer>
    </Page>
  );
}

function Nothing({ whose, search }: { whose: Whose; search: string }) {
  if (search) return <Empty title={`No task is called like “${search}”`}>Look at All, or search for another word.</Empty>;
  if (whose === 'mine') return <Empty title="Nothing is assigned to you">Claim a task from My groups.</Empty>;
  if (whose === 'groups' && session.value.groups.length === 0) {
    return <Empty title="You are in no group">Tasks are given to groups. Ask an administrator, or look at All.</Empty>;
  }
  if (whose === 'groups') return <Empty title="Nothing to do for your groups">New tasks appear here by themselves.</Empty>;
  return <Empty title="No open tasks">Tasks appear here when a running process needs a person.</Empty>;
}

const GROUPS: [Urgency, string][] = [
  ['overdue', 'Overdue'],
  ['today', 'Due within a day'],
  ['later', 'Later'],
  ['none', 'Without a due date'],
];

function TaskTable({ tasks }: { tasks: Task[] }) {
  const now = useNow();
  const keys = useBusinessKeys([...new Set(tasks.map((task) => task.processInstanceId))].sort());
  const definitions = useDefinitions();
  const processOf = (task: Task) => {
    const key = task.processDefinitionId.split(':')[0] ?? '';
    return definitions.data?.find((definition) => definition.key === key)?.name ?? key;
  };
  const groups = GROUPS.map(([kind, title]) => [kind, title, tasks.filter((task) => urgency(task, now) === kind)] as const).filter(([, , rows]) => rows.length > 0);
  return (
    <div class="panel scroll">
      <table class="cards">
        <caption class="visually-hidden">Open tasks</caption>
        <thead>
          <tr>
            <th scope="col">Task</th>
            <th scope="col">Process</th>
            <th scope="col">Business key</th>
            <th scope="col">Since</th>
            <th scope="col">Due</th>
            <th scope="col">Assignee</th>
          </tr>
        </thead>
        {groups.map(([kind, title, rows]) => (
          <tbody key={kind} data-urgency={kind}>
            {(groups.length > 1 || kind === 'overdue') && (
              <tr class="group-row">
                <th scope="rowgroup" colSpan={6}>
                  {title} <span class="count">{rows.length}</span>
                </th>
              </tr>
            )}
            {rows.map((task) => (
              <tr key={task.id}>
                <th scope="row">
                  <a href={`/portal/tasks/${encodeURIComponent(task.id)}`}>{task.name ?? task.taskDefinitionKey}</a>
                  {task.priority > 50 && <span class="priority"> high priority</span>}
                </th>
                <td data-label="Process">{processOf(task)}</td>
                <td data-label="Business key">{keys.data?.get(task.processInstanceId) ?? <span class="muted">–</span>}</td>
                <td data-label="Since" class="nowrap">
                  <Time at={task.created} />
                </td>
                <td data-label="Due" class="nowrap">
                  <span>
                    {kind === 'overdue' && <span aria-hidden="true">▲ </span>}
                    <Time at={task.due} />
                  </span>
                </td>
                <td data-label="Assignee">
                  <Assignee task={task} />
                </td>
              </tr>
            ))}
          </tbody>
        ))}
      </table>
    </div>
  );
}

function Assignee({ task }: { task: Task }) {
  const queries = useQueryClient();
  const name = task.name ?? task.taskDefinitionKey;
  const claim = useMutation({
    mutationFn: () => post(`/engine-rest/task/${encodeURIComponent(task.id)}/claim`, { userId: session.value.user }),
    onSuccess: () => say(`“${name}” is yours.`),
    onError: (error) => say(error.message),
    onSettled: () => Promise.all([queries.invalidateQueries({ queryKey: ['tasks'] }), queries.invalidateQueries({ queryKey: ['task', task.id] })]),
  });
  if (task.assignee) return <>{task.assignee === session.value.user ? 'You' : task.assignee}</>;
  return (
    <button type="button" class="small" disabled={claim.isPending} onClick={() => claim.mutate()}>
      Claim<span class="visually-hidden"> {name}</span>
    </button>
  );
}

