// One instance: its diagram with tokens and incidents, what happens now and happened so far, variables, incidents, and the
// tree of instances it called or was called by.

import { useQueryClient } from '@tanstack/preact-query';
import { useMemo, useState } from 'preact/hooks';
import { put } from '../api/client';
import {
  useActivities,
  useDefinition,
  useDiagram,
  useFamily,
  useHistory,
  useIncidents,
  useInstance,
  useInstanceTasks,
  useNow,
  useVariables,
} from '../api/queries';
import type { HistoricInstance, Incident } from '../api/types';
import { DiagramView } from '../diagram/diagram';
import { useParameters } from '../ui/location';
import { Page } from '../ui/page';
import { Answer, Empty } from '../ui/states';
import { Tabs } from '../ui/tabs';
import { Time } from '../ui/time';
import { say } from '../ui/toast';
import { InstanceBadge } from './instance-badge';
import { elementOf, marksOf } from './marks';
import { Story } from './story';
import { VariableTable } from './variables';
import './console.css';

const TABS = ['variables', 'incidents', 'calls'] as const;
type Tab = (typeof TABS)[number];

export function InstancePage({ id }: { id: string }) {
  const instance = useInstance(id);
  const incidents = useIncidents(id);
  const definition = useDefinition(instance.data?.processDefinitionId);
  const name = instance.data?.processDefinitionName ?? instance.data?.processDefinitionKey ?? 'Instance';
  const key = instance.data?.businessKey;
  return (
    <Page
      title={key ? `${name} · ${key}` : name}
      trail={<Trail instance={instance.data} />}
      badge={instance.data && <InstanceBadge instance={instance.data} incidents={incidents.data?.length ?? 0} />}
    >
      {definition.data?.description && <p class="muted">{definition.data.description}</p>}
      <Answer of={instance} what="instance">
        {(found) => <Details key={id} instance={found} incidents={incidents.data ?? []} />}
      </Answer>
    </Page>
  );
}

function Trail({ instance }: { instance: HistoricInstance | undefined }) {
  const family = useFamily(instance?.superProcessInstanceId ? (instance.rootProcessInstanceId ?? undefined) : undefined);
  const callers: HistoricInstance[] = [];
  let next = instance?.superProcessInstanceId;
  // The depth of calls is bounded by the number of instances known here.
  while (next && callers.length < (family.data?.length ?? 0)) {
    const caller = family.data?.find(({ id }) => id === next);
    if (!caller) break;
    callers.unshift(caller);
    next = caller.superProcessInstanceId;
  }
  return (
    <>
      <a href="/console">Instances</a>
      {callers.map((caller) => (
        <span key={caller.id}>
          <span aria-hidden="true">› </span>
          <a href={`/console/instances/${encodeURIComponent(caller.id)}`}>{caller.processDefinitionName ?? caller.processDefinitionKey}</a>
        </span>
      ))}
    </>
  );
}

function Details({ instance, incidents }: { instance: HistoricInstance; incidents: Incident[] }) {
  const running = instance.state === 'ACTIVE' || instance.state === 'SUSPENDED';
  const [parameters, change] = useParameters({ element: '', tab: 'variables' });
  const diagram = useDiagram(instance.processDefinitionId);
  const activities = useActivities(instance.id, running);
  const history = useHistory(instance.id);
  const tasks = useInstanceTasks(instance.id);
  const family = useFamily(instance.rootProcessInstanceId ?? instance.id);
  const keys = useMemo(() => new Map(family.data?.map(({ id, businessKey }) => [id, businessKey])), [family.data]);
  const marks = useMemo(
    () => marksOf(running ? activities.data : undefined, history.data ?? [], incidents),
    [running, activities.data, history.data, incidents],
  );
  const names = useMemo(() => new Map(history.data?.map(({ activityId, activityName }) => [elementOf(activityId), activityName])), [history.data]);
  const selected = parameters.element || null;
  const select = (element: string | null) => change({ element: element === selected ? '' : (element ?? '') });
  return (
    <>
      <div class="instance">
        <section class="panel instance-diagram" aria-label="Diagram">
          <Answer of={diagram} what="diagram">
            {({ bpmn20Xml }) => (
              <DiagramView name={instance.processDefinitionName ?? instance.processDefinitionKey} xml={bpmn20Xml} marks={marks} selected={selected} select={select} />
            )}
          </Answer>
        </section>
        <section class="panel instance-story" aria-label="Elements">
          <Answer of={history} what="history">
            {(rows) => <Story rows={rows} tasks={tasks.data ?? []} keys={keys} marks={marks} running={running} selected={selected} select={select} />}
          </Answer>
        </section>
      </div>
      <dl class="facts">
        <Fact name="Started">
          <Time at={instance.startTime} />
          {instance.startUserId && ` by ${instance.startUserId}`}
        </Fact>
        {instance.endTime && (
          <Fact name="Ended">
            <Time at={instance.endTime} />
          </Fact>
        )}
        {instance.deleteReason && <Fact name="Reason">{instance.deleteReason}</Fact>}
        <Fact name="Version">{String(instance.processDefinitionVersion)}</Fact>
        <Fact name="Id">
          <code>{instance.id}</code>
        </Fact>
      </dl>
      <Lower instance={instance} incidents={incidents} names={names} running={running} tab={parameters.tab} set={(tab) => change({ tab })} select={select} />
    </>
  );
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

interface LowerProps {
  instance: HistoricInstance;
  incidents: Incident[];
  /** Names of elements that were entered. */
  names: ReadonlyMap<string, string | null>;
  running: boolean;
  tab: string;
  set: (tab: Tab) => void;
  select: (element: string) => void;
}

function Lower({ instance, incidents, names, running, tab, set, select }: LowerProps) {
  const variables = useVariables(instance.id, running);
  const family = useFamily(instance.rootProcessInstanceId ?? instance.id);
  const shown = TABS.find((each) => each === tab) ?? 'variables';
  return (
    <section class="panel">
      <Tabs
        label="Details of the instance"
        value={shown}
        set={set}
        tabs={[
          { id: 'variables', name: 'Variables', count: variables.data?.length },
          { id: 'incidents', name: 'Incidents', count: incidents.length, state: incidents.length > 0 ? 'failed' : undefined },
          { id: 'calls', name: 'Tree of calls', count: family.data?.length },
        ]}
      >
        {shown === 'variables' && (
          <Answer of={variables} what="variables">
            {(rows) => <VariableTable rows={rows} />}
          </Answer>
        )}
        {shown === 'incidents' && <IncidentList incidents={incidents} names={names} select={select} />}
        {shown === 'calls' && (
          <Answer of={family} what="tree of calls">
            {(rows) => <CallTree rows={rows} current={instance.id} />}
          </Answer>
        )}
      </Tabs>
    </section>
  );
}

interface IncidentListProps {
  incidents: Incident[];
  names: ReadonlyMap<string, string | null>;
  select: (element: string) => void;
}

/** A kind that is not in the list is shown by its own name. */
const INCIDENT_WORDS: Record<string, string> = {
  failedExternalTask: 'work failed',
  failedJob: 'a step failed',
  failedExpression: 'an expression failed',
  uncaughtError: 'an error that nothing catches',
  noFlowToTake: 'no way to go on',
  failedCall: 'what it calls is not there',
  limitExceeded: 'a limit was reached',
  unknownOutcome: 'it is not known whether the work was done',
  bug: 'a defect of the engine',
};

function IncidentList({ incidents, names, select }: IncidentListProps) {
  const now = useNow();
  if (incidents.length === 0) return <Empty title="No open incidents">Work that fails and needs a person appears here.</Empty>;
  return (
    <ul class="incidents">
      {incidents.map((incident) => (
        <li key={incident.id}>
          <div class="row">
            <button type="button" class="quiet small" onClick={() => select(incident.failedActivityId ?? incident.activityId)}>
              {names.get(elementOf(incident.failedActivityId ?? incident.activityId)) ?? incident.failedActivityId ?? incident.activityId}
            </button>
            <span class="muted">
              {INCIDENT_WORDS[incident.incidentType] ?? incident.incidentType}, <Time at={incident.incidentTimestamp} />
            </span>
            <Retry incident={incident} now={now} />
          </div>
          <p class="incident-message">{incident.incidentMessage ?? 'No message was given.'}</p>
        </li>
      ))}
    </ul>
  );
}

/** Where the repeat of a failed piece of work is asked for; kinds that are not in the list are resolved otherwise. */
const RETRY_PATHS: Record<string, string> = { failedExternalTask: 'external-task', failedJob: 'job' };

function Retry({ incident, now }: { incident: Incident; now: number }) {
  const queries = useQueryClient();
  const kind = RETRY_PATHS[incident.incidentType];
  const [busy, setBusy] = useState(false);
  const retry = async () => {
    setBusy(true);
    try {
      const body = kind === 'job' ? { retries: 1, dueDate: new Date(now).toISOString().replace('Z', '+0000') } : { retries: 1 };
      await put(`/engine-rest/${kind}/${encodeURIComponent(incident.configuration ?? '')}/retries`, body);
      say('It is tried once more.');
    } catch (error) {
      say((error as Error).message);
    }
    setBusy(false);
    await queries.invalidateQueries({ predicate: (query) => query.queryKey.includes(incident.processInstanceId) || query.queryKey[0] === 'incidents' });
  };
  if (!kind || !incident.configuration) return null;
  return (
    <button type="button" class="small" disabled={busy} onClick={() => void retry()}>
      Try again
    </button>
  );
}

/** Rows of a tree shown at once; a larger family is searched in the list of instances. */
const TREE_MAX = 200;

function CallTree({ rows, current }: { rows: HistoricInstance[]; current: string }) {
  const incidents = useIncidents();
  const ids = new Set(rows.map(({ id }) => id));
  const lines: { instance: HistoricInstance; depth: number }[] = [];
  const open = rows.filter((row) => !row.superProcessInstanceId || !ids.has(row.superProcessInstanceId)).map((instance) => ({ instance, depth: 0 }));
  open.reverse();
  for (let line = open.pop(); line && lines.length < TREE_MAX; line = open.pop()) {
    lines.push(line);
    const { instance, depth } = line;
    const called = rows.filter((row) => row.superProcessInstanceId === instance.id).map((child) => ({ instance: child, depth: depth + 1 }));
    open.push(...called.reverse());
  }
  const rootKey = lines[0]?.instance.businessKey ?? null;
  if (rows.length <= 1) return <Empty title="This instance has called no other">Instances that a call activity starts appear here.</Empty>;
  return (
    <>
      <ul class="tree">
        {lines.map(({ instance, depth }) => (
          <li key={instance.id} style={{ '--depth': depth }} aria-current={instance.id === current ? 'true' : undefined}>
            {instance.id === current ? (
              <strong>{label(instance, depth > 0 ? rootKey : null)}</strong>
            ) : (
              <a href={`/console/instances/${encodeURIComponent(instance.id)}?tab=calls`}>{label(instance, depth > 0 ? rootKey : null)}</a>
            )}
            <InstanceBadge instance={instance} incidents={incidents.data?.filter(({ processInstanceId }) => processInstanceId === instance.id).length ?? 0} />
            <span class="muted">
              <Time at={instance.startTime} />
            </span>
            {depth > 0 && <span class="visually-hidden">, level {depth}</span>}
          </li>
        ))}
      </ul>
      {rows.length > lines.length && <p class="muted panel-body">{rows.length - lines.length} more. Search for them in the list of instances.</p>}
    </>
  );
}

/** A key that all have alike tells nothing. */
function label(instance: HistoricInstance, known: string | null): string {
  const name = instance.processDefinitionName ?? instance.processDefinitionKey;
  return instance.businessKey && instance.businessKey !== known ? `${name} · ${instance.businessKey}` : name;
}
