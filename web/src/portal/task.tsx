// One task: what to do, the form, who has it, and the process it belongs to.

import { useMutation, useQueryClient } from '@tanstack/preact-query';
import { useLocation } from 'preact-iso';
import { useState } from 'preact/hooks';
import { get, post, Refused, withQuery } from '../api/client';
import { closeTask, useForm, useIdentityLinks, useInstance, useNow, useTask } from '../api/queries';
import { session } from '../api/session';
import type { Task } from '../api/types';
import { closeDraft } from '../form/draft';
import { Fill } from '../form/form';
import { toVariables, type Values } from '../form/values';
import { Badge } from '../ui/badge';
import { Page } from '../ui/page';
import { Answer, Loading } from '../ui/states';
import { milliseconds, age, Time } from '../ui/time';
import { say } from '../ui/toast';
import { urgency } from './urgency';
import './portal.css';

export function TaskPage({ id }: { id: string }) {
  const task = useTask(id);
  const name = task.data?.name ?? task.data?.taskDefinitionKey ?? 'Task';
  // An answer that was there and is refused now: somebody else was faster.
  const gone = task.data !== undefined && task.error instanceof Refused && task.error.status === 404;
  return (
    <Page title={name} trail={<a href="/portal">Tasks</a>} badge={task.data && <Due task={task.data} />}>
      <Answer of={task} what="task">
        {(found) => <Work key={id} task={found} gone={gone} />}
      </Answer>
    </Page>
  );
}

function Due({ task }: { task: Task }) {
  const now = useNow();
  if (!task.due) return null;
  const left = (milliseconds(task.due) - now) / 1000;
  return urgency(task, now) === 'overdue' ? <Badge state="failed">{`overdue by ${age(left)}`}</Badge> : <Badge state="person">{`due in ${age(left)}`}</Badge>;
}

function Work({ task, gone }: { task: Task; gone: boolean }) {
  const at = `/engine-rest/task/${encodeURIComponent(task.id)}`;
  const draft = `${session.value.user}.${task.id}`;
  const { route } = useLocation();
  const queries = useQueryClient();
  const form = useForm(at, 'task');
  const [sent, setSent] = useState(false);
  const complete = useMutation({
    mutationFn: (values: Values) => post(`${at}/complete`, { variables: toVariables(values) }),
    onSuccess: async () => {
      setSent(true);
      closeTask(task.id);
      closeDraft(draft);
      const next = await nextTask(task);
      route(next ? `/portal/tasks/${encodeURIComponent(next.id)}` : '/portal');
      say(next ? `“${task.name ?? task.taskDefinitionKey}” is completed. This is your next task.` : `“${task.name ?? task.taskDefinitionKey}” is completed.`);
      await queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] === 'tasks' || queryKey.includes(task.processInstanceId) });
    },
  });
  return (
    <div class="task">
      <section class="panel task-form" aria-label="Form">
        {gone && !sent && !complete.isPending && (
          <p class="trouble" role="alert">
            This task is no longer open: somebody completed it, or the process went on without it. What you typed stays in this browser.
          </p>
        )}
        {task.description && <p class="instructions">{task.description}</p>}
        <Answer of={form} what="form">
          {(source) => (
            <Fill
              source={source}
              draft={draft}
              action="Complete"
              locked={lock(task, gone || sent)}
              busy={complete.isPending}
              trouble={complete.error?.message ?? null}
              submit={(values) => complete.mutate(values)}
            />
          )}
        </Answer>
      </section>
      <Side task={task} gone={gone} />
    </div>
  );
}

function lock(task: Task, gone: boolean): string | null {
  if (gone) return 'The task is closed.';
  if (task.suspended) return 'The process is suspended.';
  if (!task.assignee) return 'Claim the task to work on it.';
  if (task.assignee !== session.value.user) return `${task.assignee} is working on it.`;
  return null;
}

/** One's own next task, of the same instance if it has one. */
async function nextTask(done: Task): Promise<Task | null> {
  const mine = await get<Task[]>(withQuery('/engine-rest/task', { assignee: session.value.user, sortBy: 'dueDate', sortOrder: 'asc', maxResults: 20 }));
  const left = mine.filter(({ id }) => id !== done.id);
  return left.find(({ processInstanceId }) => processInstanceId === done.processInstanceId) ?? left[0] ?? null;
}

function Side({ task, gone }: { task: Task; gone: boolean }) {
  const instance = useInstance(task.processInstanceId);
  const links = useIdentityLinks(task.id);
  const candidates = (links.data ?? []).filter(({ type }) => type === 'candidate').map(({ groupId, userId }) => groupId ?? userId);
  return (
    <section class="panel task-side" aria-label="About this task">
      <Hands task={task} gone={gone} />
      <dl>
        <div>
          <dt>Assignee</dt>
          <dd>{task.assignee ?? <span class="muted">nobody yet</span>}</dd>
        </div>
        {candidates.length > 0 && (
          <div>
            <dt>For</dt>
            <dd>{candidates.join(', ')}</dd>
          </div>
        )}
        <div>
          <dt>Process</dt>
          <dd>
            {instance.data ? (
              <a href={`/console/instances/${encodeURIComponent(task.processInstanceId)}?element=${encodeURIComponent(task.taskDefinitionKey)}`}>
                {instance.data.processDefinitionName ?? instance.data.processDefinitionKey}
              </a>
            ) : (
              <Loading what="process" />
            )}
          </dd>
        </div>
        {instance.data?.businessKey && (
          <div>
            <dt>Business key</dt>
            <dd>{instance.data.businessKey}</dd>
          </div>
        )}
        <div>
          <dt>Since</dt>
          <dd>
            <Time at={task.created} />
          </dd>
        </div>
        {task.due && (
          <div>
            <dt>Due</dt>
            <dd>
              <Time at={task.due} />
            </dd>
          </div>
        )}
      </dl>
    </section>
  );
}

/** Claim, or give back. */
function Hands({ task, gone }: { task: Task; gone: boolean }) {
  const queries = useQueryClient();
  const mine = task.assignee === session.value.user;
  const change = useMutation({
    mutationFn: () => {
      const at = `/engine-rest/task/${encodeURIComponent(task.id)}`;
      return mine ? post(`${at}/unclaim`) : post(`${at}/claim`, { userId: session.value.user });
    },
    onSuccess: () => say(mine ? 'The task is back with its group.' : 'The task is yours.'),
    onSettled: () => Promise.all([queries.invalidateQueries({ queryKey: ['task', task.id] }), queries.invalidateQueries({ queryKey: ['tasks'] })]),
  });
  if (gone || (task.assignee && !mine)) return null;
  return (
    <>
      <button type="button" class={mine ? undefined : 'primary'} disabled={change.isPending} onClick={() => change.mutate()}>
        {mine ? 'Give back to the group' : 'Claim'}
      </button>
      {change.error && (
        <p class="trouble" role="alert">
          {change.error.message}
        </p>
      )}
    </>
  );
}
