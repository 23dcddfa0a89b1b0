// What the screens ask, each with the topics that make its answer stale.

import { keepPreviousData, useQuery } from '@tanstack/preact-query';
import { signal } from '@preact/signals';
import { get, withQuery } from './client';
import type { Follows } from './live';
import { info, session } from './session';
import type {
  ActivityInstance,
  Demo,
  FormKey,
  HistoricActivity,
  HistoricInstance,
  IdentityLink,
  Incident,
  Page,
  ProcessDefinition,
  Programme,
  Stages,
  Task,
  Variables,
} from './types';
import { milliseconds } from '../ui/time';

/** At most this many rows stand in the page at once. */
export const ROWS = 50;
/** More incidents than this are counted, not listed. */
const INCIDENTS_MAX = 1000;

const follows = (...topics: Follows['topics']): Follows => ({ topics });
const followsInstance = (instance: string, ...topics: Follows['topics']): Follows => ({ topics, instance });

// ------------------------------------------------------------------------------------------------------ programmes

export const useProgrammes = () =>
  useQuery({ queryKey: ['programmes'], queryFn: () => get<Page<Programme>>('/api/programmes'), meta: follows('programme') });

export const useStages = (programme: string) =>
  useQuery({
    queryKey: ['programme', programme, 'stages'],
    queryFn: () => get<Stages>(`/api/programmes/${encodeURIComponent(programme)}/stages`),
    meta: follows('programme'),
  });

const CLOCK_MS = 1000;

/** The clock of the demo moves without events, so it is asked for. */
export const useDemo = (enabled: boolean) =>
  useQuery({
    queryKey: ['demo'],
    queryFn: () => get<Demo>('/api/demo'),
    enabled,
    refetchInterval: (query) => (query.state.data?.ended || query.state.data?.paused ? false : CLOCK_MS),
    meta: follows('programme'),
  });

/** Now, in milliseconds, by the clock that due dates are measured with: the demo's own, else this machine's. */
export function useNow(): number {
  const demo = useDemo(info.value?.demo ?? false).data;
  return demo ? milliseconds(demo.clock) : Date.now();
}

// ----------------------------------------------------------------------------------------------------- definitions

export const useDefinitions = () =>
  useQuery({
    queryKey: ['definitions'],
    queryFn: () => get<ProcessDefinition[]>(withQuery('/engine-rest/process-definition', { latestVersion: true, sortBy: 'name', sortOrder: 'asc' })),
    // A deployment has no topic of its own here; instances of a new definition bring the list up to date.
    meta: follows('instance'),
  });

export const useDefinition = (id: string | undefined) =>
  useQuery({
    queryKey: ['definition', id],
    queryFn: () => get<ProcessDefinition>(`/engine-rest/process-definition/${encodeURIComponent(id ?? '')}`),
    enabled: Boolean(id),
  });

/** Never stale: a version does not change. */
export const useDiagram = (definition: string | undefined) =>
  useQuery({
    queryKey: ['diagram', definition],
    queryFn: () => get<{ bpmn20Xml: string }>(`/engine-rest/process-definition/${encodeURIComponent(definition ?? '')}/xml`),
    enabled: Boolean(definition),
  });

// ------------------------------------------------------------------------------------------------------- instances

export type InstanceState = 'running' | 'incident' | 'ended' | 'all';

export interface InstanceFilter {
  state: InstanceState;
  process: string;
  search: string;
  /** Also those started by a call activity. */
  called: boolean;
  page: number;
}

function instanceParameters({ state, process, search, called }: InstanceFilter) {
  return {
    unfinished: state === 'running' || state === 'incident' ? true : null,
    finished: state === 'ended' ? true : null,
    withIncidents: state === 'incident' ? true : null,
    incidentStatus: state === 'incident' ? 'open' : null,
    processDefinitionKey: process,
    processInstanceBusinessKeyLike: search ? `%${search}%` : null,
    rootProcessInstances: called ? null : true,
  };
}

export const useInstances = (filter: InstanceFilter) =>
  useQuery({
    queryKey: ['instances', filter],
    queryFn: async () => {
      const parameters = instanceParameters(filter);
      const path = '/engine-rest/history/process-instance';
      const [rows, { count }] = await Promise.all([
        get<HistoricInstance[]>(withQuery(path, { ...parameters, sortBy: 'startTime', sortOrder: 'desc', firstResult: filter.page * ROWS, maxResults: ROWS })),
        get<{ count: number }>(withQuery(`${path}/count`, parameters)),
      ]);
      return { rows, count };
    },
    placeholderData: keepPreviousData,
    meta: follows('instance', 'incident'),
  });

export const useInstance = (id: string) =>
  useQuery({
    queryKey: ['instance', id],
    queryFn: () => get<HistoricInstance>(`/engine-rest/history/process-instance/${encodeURIComponent(id)}`),
    meta: followsInstance(id, 'instance', 'incident'),
  });

/** The tree of running elements; null when the instance has ended. */
export const useActivities = (id: string, running: boolean) =>
  useQuery({
    queryKey: ['instance', id, 'activities'],
    queryFn: () => get<ActivityInstance>(`/engine-rest/process-instance/${encodeURIComponent(id)}/activity-instances`),
    enabled: running,
    meta: followsInstance(id, 'instance', 'task', 'incident'),
  });

export const useHistory = (id: string) =>
  useQuery({
    queryKey: ['instance', id, 'history'],
    queryFn: () =>
      get<HistoricActivity[]>(withQuery('/engine-rest/history/activity-instance', { processInstanceId: id, sortBy: 'startTime', sortOrder: 'asc', maxResults: 2000 })),
    meta: followsInstance(id, 'instance', 'task', 'incident'),
  });

export interface NamedVariable {
  name: string;
  type: string;
  value: unknown;
}

/** Running: the variables as they are. Ended: the last values from the history. */
export const useVariables = (id: string, running: boolean | undefined) =>
  useQuery({
    queryKey: ['instance', id, 'variables', running],
    queryFn: async (): Promise<NamedVariable[]> => {
      if (!running) return get<NamedVariable[]>(withQuery('/engine-rest/history/variable-instance', { processInstanceId: id, sortBy: 'variableName', sortOrder: 'asc', deserializeValues: false }));
      const variables = await get<Variables>(withQuery(`/engine-rest/process-instance/${encodeURIComponent(id)}/variables`, { deserializeValues: false }));
      return Object.entries(variables).map(([name, { type, value }]) => ({ name, type, value }));
    },
    enabled: running !== undefined,
    meta: followsInstance(id, 'instance', 'task'),
  });

export const useIncidents = (instance?: string) =>
  useQuery({
    queryKey: ['incidents', instance],
    queryFn: () => get<Incident[]>(withQuery('/engine-rest/incident', { processInstanceId: instance, sortBy: 'incidentTimestamp', sortOrder: 'desc', maxResults: INCIDENTS_MAX })),
    meta: instance ? followsInstance(instance, 'incident', 'instance') : follows('incident'),
  });

/** All instances that hang on one root, for the tree of calls. */
export const useFamily = (root: string | undefined) =>
  useQuery({
    queryKey: ['family', root],
    queryFn: () => get<HistoricInstance[]>(withQuery('/engine-rest/history/process-instance', { rootProcessInstanceId: root, sortBy: 'startTime', sortOrder: 'asc', maxResults: INCIDENTS_MAX })),
    enabled: Boolean(root),
    meta: follows('instance'),
  });

// ----------------------------------------------------------------------------------------------------------- tasks

export type Whose = 'mine' | 'groups' | 'all';

export interface TaskFilter {
  whose: Whose;
  search: string;
  page: number;
}

function taskParameters({ whose, search }: TaskFilter) {
  const { user, groups } = session.value;
  return {
    assignee: whose === 'mine' ? user : null,
    candidateGroups: whose === 'groups' ? groups.join(',') : null,
    nameLike: search ? `%${search}%` : null,
  };
}

export const useTasks = (filter: TaskFilter) =>
  useQuery({
    queryKey: ['tasks', session.value.user, filter],
    queryFn: async () => {
      // Without a group there is no task for one's groups; the server would answer with all.
      if (filter.whose === 'groups' && session.value.groups.length === 0) return { rows: [], count: 0 };
      const parameters = taskParameters(filter);
      const [rows, { count }] = await Promise.all([
        get<Task[]>(withQuery('/engine-rest/task', { ...parameters, sortBy: 'dueDate', sortOrder: 'asc', firstResult: filter.page * ROWS, maxResults: ROWS })),
        get<{ count: number }>(withQuery('/engine-rest/task/count', parameters)),
      ]);
      return { rows, count };
    },
    placeholderData: keepPreviousData,
    meta: follows('task'),
  });

/** Business keys of the instances that tasks belong to: ten tasks of one name differ only by them. */
export const useBusinessKeys = (instances: string[]) =>
  useQuery({
    queryKey: ['business-keys', instances],
    queryFn: async () => {
      const rows = await get<{ id: string; businessKey: string | null }[]>(withQuery('/engine-rest/process-instance', { processInstanceIds: instances.join(',') }));
      return new Map(rows.map((row) => [row.id, row.businessKey]));
    },
    enabled: instances.length > 0,
    placeholderData: keepPreviousData,
  });

/** Tasks completed here: the server knows them no more, and the page that shows one is about to go. */
const closed = signal<ReadonlySet<string>>(new Set());

export function closeTask(id: string) {
  closed.value = new Set([...closed.value, id]);
}

export const useTask = (id: string) =>
  useQuery({
    enabled: !closed.value.has(id),
    queryKey: ['task', id],
    queryFn: () => get<Task>(`/engine-rest/task/${encodeURIComponent(id)}`),
    meta: follows('task'),
  });

export const useInstanceTasks = (instance: string) =>
  useQuery({
    queryKey: ['instance', instance, 'tasks'],
    queryFn: () => get<Task[]>(withQuery('/engine-rest/task', { processInstanceId: instance, sortBy: 'created', sortOrder: 'asc' })),
    meta: followsInstance(instance, 'task', 'instance'),
  });

export const useIdentityLinks = (task: string) =>
  useQuery({
    enabled: !closed.value.has(task),
    queryKey: ['task', task, 'links'],
    queryFn: () => get<IdentityLink[]>(`/engine-rest/task/${encodeURIComponent(task)}/identity-links`),
    meta: follows('task'),
  });

/** What a form is made of; `schema` is null where the model names none, or one that is not made here. */
export interface FormSource {
  schema: FormSchema | null;
  /** A form that lives elsewhere, by its address or name. */
  elsewhere: string | null;
  variables: Variables;
}

export interface FormSchema {
  type?: string;
  components?: unknown[];
  [key: string]: unknown;
}

/**
 * The form of a task or of a start. Asked once and never refreshed below the hands of who fills it. `at` is
 * `/engine-rest/task/{id}` or `/engine-rest/process-definition/{id}`.
 */
export const useForm = (at: string | null, kind: 'task' | 'start') =>
  useQuery({
    queryKey: ['form', at],
    queryFn: async (): Promise<FormSource> => {
      const [form, variables] = await Promise.all([
        get<FormKey>(`${at}/${kind === 'task' ? 'form' : 'startForm'}`),
        get<Variables>(withQuery(`${at}/form-variables`, { deserializeValues: false })),
      ]);
      const ours = Boolean(form?.camundaFormRef?.key) || /^(camunda-forms|operaton-forms|embedded):deployment:/.test(form?.key ?? '');
      if (!ours) return { schema: null, elsewhere: form?.key ?? null, variables };
      const schema = await get<FormSchema>(`${at}/${kind === 'task' ? 'deployed-form' : 'deployed-start-form'}`);
      return { schema, elsewhere: null, variables };
    },
    enabled: at !== null,
    gcTime: 0,
  });
