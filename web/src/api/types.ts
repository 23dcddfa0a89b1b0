// Shapes of what the server answers, as far as the screens use them.
//
// `/engine-rest` follows the Camunda 7.24 REST API. `/api` is the product's own; where a shape is written out below in
// full, it is the agreement between the screens and the server.

/** RFC 3339 in UTC under `/api`; `2026-11-22T08:00:00.000+0000` under `/engine-rest`. `Date` reads both. */
export type Instant = string;

// ---------------------------------------------------------------------------------------------------------- /api

/** `GET /api/info`, without sign-in. */
export interface Info {
  version: string;
  /** No administrator exists yet: the page asks for the set-up token. */
  setupNeeded: boolean;
  /** This server runs the demo: `/api/demo` is there. */
  demo: boolean;
}

/** `POST /api/setup`: 204, and the session cookie of the new administrator. */
export interface Setup {
  token: string;
  user: string;
  password: string;
}

/**
 * `GET /api/session`: always 200; `user` is null for a caller who is not signed in (a 401 would be an error line in every
 * browser's console). `POST` takes `{user, password}` or `{token}` and answers the same object; a wrong password is 401.
 * `DELETE` signs out, 204.
 */
export interface Session {
  user: string | null;
  name: string | null;
  groups: string[];
  tenants: string[];
}

/** A page of a list under `/api`. */
export interface Page<Item> {
  items: Item[];
  next: string | null;
}

export type ProgrammeState = 'running' | 'done' | 'failed' | 'aborted';

/** `GET /api/programmes`: an entry of the list. */
export interface Programme {
  id: string;
  name: string;
  state: ProgrammeState;
  startedAt: Instant;
  endedAt: Instant | null;
}

/** `GET /api/programmes/{id}/stages`: servers × stages, what is waited for, and the segments of Table IV. */
export interface Stages {
  programme: Programme;
  /** Now, by the clock of the engine: virtual in the demo. */
  clock: Instant;
  /** In the order of work. The six of the paper: discovery, planning, provision, network, migration, remediation. */
  stages: Stage[];
  servers: Server[];
  /** What each token that stands still waits for, the longest first. */
  waiting: Waiting[];
  segments: Segment[];
  /** Sentences to print below the segments, such as why Table IV states 44h05m. */
  notes: string[];
}

export interface Stage {
  id: string;
  name: string;
  state: CellState;
  /** Servers that left the stage, that failed in it, of all. */
  done: number;
  failed: number;
  total: number;
}

/**
 * `pending`: not reached. `running`: work is going on. `waiting`: for a resource, a message or a time. `person`: for
 * somebody's task. `failed`: an open incident, or ended in the modelled exception path. `skipped`: not needed here.
 */
export type CellState = 'pending' | 'running' | 'waiting' | 'person' | 'done' | 'failed' | 'skipped';

export interface Server {
  name: string;
  os: string | null;
  wave: string | null;
  cells: Cell[];
}

export interface Cell {
  /** `Stage.id`. */
  stage: string;
  state: CellState;
  /** When the cell took this state; null while pending. */
  since: Instant | null;
  /** The instance that does this stage for this server; null while there is none. */
  instance: string | null;
}

export interface Waiting {
  /** Name of the element, else its id. */
  what: string;
  kind: 'person' | 'timer' | 'message' | 'job' | 'incident';
  /** A person, a group, a topic, a message's name. */
  who: string | null;
  since: Instant;
  /** Due date, timer, or the time the outside system expects to be ready; null when nobody knows. */
  until: Instant | null;
  instance: string;
  element: string;
  /** The task to open when `kind` is `person`. */
  task: string | null;
  /** How many tokens wait for the very same thing. */
  count: number;
}

/** A row of Table IV. */
export interface Segment {
  /** `total` for the last row. */
  id: string;
  name: string;
  occurrence: 'once' | 'repeat' | null;
  /** Seconds of the engine's clock so far; null when the segment has not begun. */
  measured: number | null;
  /** The segment has ended. */
  final: boolean;
  /** What the paper states, in seconds; null when it states nothing. */
  paper: number | null;
}

/** `GET /api/demo`; `PATCH` takes `{speed?, paused?}` and answers the same object. */
export interface Demo {
  clock: Instant;
  startedAt: Instant;
  /** Virtual seconds per real second, or `max`: no waiting at all. */
  speed: number | 'max';
  paused: boolean;
  ended: boolean;
  sequence: 'paper' | 'parallel';
}

/**
 * `GET /api/events?topics=task,instance,incident,programme`: server-sent events. The name of the event is the topic, its
 * data this object. The event `reset` has no data: everything may have changed.
 */
export interface Change {
  /** `created`, `changed`, `ended`: a hint, the object itself is asked for again. */
  kind: string;
  id: string;
  instance: string | null;
}

/** Every error, of both bases. `reason` only under `/api`. */
export interface Problem {
  type: string;
  message: string;
  code: number | null;
  reason?: string;
  details?: Record<string, { errors: Finding[]; warnings: Finding[] }>;
}

export interface Finding {
  message: string;
  line: number;
  column: number;
  mainElementId: string | null;
}

// --------------------------------------------------------------------------------------------------- /engine-rest

export interface ProcessDefinition {
  id: string;
  key: string;
  name: string | null;
  version: number;
  versionTag: string | null;
  description: string | null;
  suspended: boolean;
  /** False for a process that only others call. */
  startableInTasklist?: boolean;
}

export interface HistoricInstance {
  id: string;
  businessKey: string | null;
  processDefinitionId: string;
  processDefinitionKey: string;
  processDefinitionName: string | null;
  processDefinitionVersion: number;
  startTime: Instant;
  endTime: Instant | null;
  startUserId: string | null;
  deleteReason: string | null;
  rootProcessInstanceId: string | null;
  superProcessInstanceId: string | null;
  state: 'ACTIVE' | 'SUSPENDED' | 'COMPLETED' | 'EXTERNALLY_TERMINATED' | 'INTERNALLY_TERMINATED';
}

export interface ActivityInstance {
  id: string;
  activityId: string;
  activityName: string | null;
  activityType: string;
  childActivityInstances: ActivityInstance[];
  childTransitionInstances: TransitionInstance[];
}

export interface TransitionInstance {
  id: string;
  activityId: string;
  activityName: string | null;
}

export interface HistoricActivity {
  id: string;
  activityId: string;
  activityName: string | null;
  activityType: string;
  taskId: string | null;
  assignee: string | null;
  calledProcessInstanceId: string | null;
  startTime: Instant;
  endTime: Instant | null;
  canceled: boolean;
}

export interface Incident {
  id: string;
  processInstanceId: string;
  activityId: string;
  failedActivityId: string | null;
  incidentType: string;
  incidentMessage: string | null;
  incidentTimestamp: Instant;
  /** Id of the job or external task that has failed. */
  configuration: string | null;
}

export interface Task {
  id: string;
  name: string | null;
  assignee: string | null;
  created: Instant;
  due: Instant | null;
  followUp: Instant | null;
  description: string | null;
  priority: number;
  processDefinitionId: string;
  processInstanceId: string;
  taskDefinitionKey: string;
  suspended: boolean;
  formKey: string | null;
  camundaFormRef: FormRef | null;
}

export interface FormRef {
  key: string;
  binding: string;
  version: number | null;
}

/** `GET /task/{id}/form`, `GET /process-definition/{id}/startForm`. */
export interface FormKey {
  key: string | null;
  camundaFormRef?: FormRef | null;
}

export interface IdentityLink {
  userId: string | null;
  groupId: string | null;
  type: string;
}

export interface Variable {
  type: string;
  value: unknown;
  valueInfo?: Record<string, unknown>;
}

export type Variables = Record<string, Variable>;
