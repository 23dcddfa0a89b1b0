// A stand-in for the server: enough of `/api` and `/engine-rest` for every screen, in memory, with the built application.
// `node e2e/mock/server.mjs [--port 8099] [--state full|empty|setup] [--demo]`; tests call `startMock`.

import { readFileSync, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { definitions, dialect, empty, full, NOW, rfc } from './data.mjs';
import { MODELS } from './models.mjs';

const POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));

export const PEOPLE = {
  ana: { user: 'ana', name: 'Ana Ruiz', groups: ['network-lead', 'migration-lead'], tenants: [] },
  ben: { user: 'ben', name: 'Ben Okafor', groups: ['security-officer'], tenants: [] },
  eve: { user: 'eve', name: 'Eve Lind', groups: [], tenants: [] },
};
export const PASSWORD = 'correct horse';

class Problem extends Error {
  constructor(status, type, message) {
    super(message);
    Object.assign(this, { status, type });
  }
}

export async function startMock({ port = 0, state = 'full', demo = true } = {}) {
  const world = {
    ...(state === 'full' ? full() : empty()),
    definitions: state === 'full' ? definitions() : [],
    setupNeeded: state === 'setup',
    demo: demo ? { clock: rfc(NOW), startedAt: rfc(NOW - 27 * 3600_000), speed: 1800, paused: false, ended: false, sequence: 'parallel' } : null,
    sessions: new Map(),
    tokens: new Set(['one-time']),
    streams: new Set(),
    /** Paths that fail with a status: set by tests. */
    failing: new Map(),
    completed: [],
  };
  const server = createServer((request, response) => {
    void handle(world, request, response);
  });
  await new Promise((ready) => server.listen(port, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    world,
    /** Tells every page that something changed. */
    emit: (topic, instance = null) => emit(world, topic, instance),
    endSessions: () => {
      world.sessions.clear();
      for (const stream of world.streams) stream.end();
    },
    stop: () =>
      new Promise((done) => {
        server.close(done);
        server.closeAllConnections();
      }),
  };
}

function emit(world, topic, instance) {
  for (const stream of world.streams) stream.write(topic === 'reset' ? 'event: reset\ndata:\n\n' : `event: ${topic}\ndata: ${JSON.stringify({ kind: 'changed', id: 'x', instance })}\n\n`);
}

async function handle(world, request, response) {
  const url = new URL(request.url, 'http://localhost');
  const send = (status, body, headers = {}) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    response.writeHead(status, { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers });
    response.end(text);
  };
  try {
    const failure = [...world.failing].find(([path]) => url.pathname.startsWith(path));
    if (failure) throw new Problem(failure[1], 'ProcessEngineException', 'The store is full. Free some space, then try again.');
    if (!url.pathname.startsWith('/api/') && !url.pathname.startsWith('/engine-rest/')) return asset(url.pathname, response, send);
    let text = '';
    for await (const chunk of request) text += chunk;
    const call = { method: request.method, path: url.pathname, query: url.searchParams, body: text ? JSON.parse(text) : {}, request, response, send, world };
    const cookies = Object.fromEntries((request.headers.cookie ?? '').split('; ').map((part) => part.split('=')));
    call.cookies = cookies;
    call.person = world.sessions.get(cookies.session) ?? null;
    if (publicRoute(call)) return;
    if (!call.person) throw new Problem(401, 'AuthenticationException', 'Sign in first.');
    if (request.method !== 'GET' && request.headers['x-xsrf-token'] !== cookies['XSRF-TOKEN']) throw new Problem(403, 'AuthorizationException', 'The token against forged requests is missing.');
    if (!route(call)) throw new Problem(404, 'NotFoundException', `No resource at ${url.pathname}`);
  } catch (error) {
    if (!(error instanceof Problem)) console.error(error);
    send(error.status ?? 500, { type: error.type ?? 'ProcessEngineException', message: error.message, code: null });
  }
}

function asset(path, response, send) {
  const file = join(DIST, path);
  const found = path !== '/' && existsSync(file) && !path.endsWith('/');
  if (!found && path.startsWith('/assets/')) return send(404, { type: 'NotFoundException', message: `No resource at ${path}`, code: null });
  const name = found ? file : join(DIST, 'index.html');
  response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream', 'content-security-policy': POLICY, 'referrer-policy': 'no-referrer' });
  response.end(readFileSync(name));
}

function signIn({ world, send }, person) {
  const id = `s${world.sessions.size + 1}-${Math.random()}`;
  world.sessions.set(id, person);
  send(200, person, { 'set-cookie': [`session=${id}; HttpOnly; SameSite=Strict; Path=/`, 'XSRF-TOKEN=x1; SameSite=Strict; Path=/'] });
}

function publicRoute(call) {
  const { method, path, body, send, world, person } = call;
  const route = `${method} ${path}`;
  if (route === 'GET /api/info') send(200, { version: '0.1.0', setupNeeded: world.setupNeeded, demo: world.demo !== null });
  else if (route === 'GET /api/session') send(200, person ?? { user: null, name: null, groups: [], tenants: [] });
  else if (route === 'POST /api/session') {
    if (body.token ? world.tokens.delete(body.token) : PEOPLE[body.user] && body.password === PASSWORD) signIn(call, PEOPLE[body.user ?? 'ana']);
    else throw new Problem(401, 'AuthenticationException', 'The name or the password is not right.');
  } else if (route === 'DELETE /api/session') {
    world.sessions.delete(call.cookies.session);
    send(204);
  } else if (route === 'POST /api/setup') {
    if (body.token !== 'set-me-up') throw new Problem(401, 'AuthenticationException', 'This is not the token that the server printed.');
    world.setupNeeded = false;
    signIn(call, { user: body.user, name: null, groups: ['platform-admin'], tenants: [] });
  } else return false;
  return true;
}

function route(call) {
  const { path } = call;
  return path.startsWith('/api/') ? product(call) : engine(call);
}

function product({ method, path, body, send, response, world }) {
  if (path === '/api/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(': hello\n\n');
    world.streams.add(response);
    response.on('close', () => world.streams.delete(response));
    return true;
  }
  if (path === '/api/demo' && world.demo) {
    if (method === 'PATCH') Object.assign(world.demo, body);
    send(200, world.demo);
    return true;
  }
  if (path === '/api/programmes') {
    send(200, { items: world.programme ? [world.programme.programme] : [], next: null });
    return true;
  }
  if (path.match(/^\/api\/programmes\/[^/]+\/stages$/)) {
    if (!world.programme || path !== `/api/programmes/${world.programme.programme.id}/stages`) throw new Problem(404, 'NotFoundException', 'No such programme.');
    send(200, world.programme);
    return true;
  }
  return false;
}

function engine(call) {
  const { method, send, world } = call;
  const parts = call.path.slice('/engine-rest/'.length).split('/').map(decodeURIComponent);
  const [first, id, last] = parts;
  if (first === 'process-definition') return definitionRoute(call, id, last);
  if (first === 'history') return historyRoute(call, parts[1], parts[2]);
  if (first === 'process-instance') return instanceRoute(call, id, last);
  if (first === 'task') return taskRoute(call, id, last);
  if (first === 'incident') {
    send(200, world.incidents.filter((incident) => !call.query.get('processInstanceId') || incident.processInstanceId === call.query.get('processInstanceId')));
    return true;
  }
  if (first === 'external-task' && last === 'retries' && method === 'PUT') {
    const incident = world.incidents.find(({ configuration }) => configuration === id);
    world.incidents = world.incidents.filter((each) => each !== incident);
    send(204);
    emit(world, 'incident', incident?.processInstanceId ?? null);
    return true;
  }
  return false;
}

function definitionRoute({ method, query, body, send, world, person }, id, last) {
  if (!id) {
    send(200, world.definitions);
    return true;
  }
  const definition = world.definitions.find((each) => each.id === id);
  if (!definition) throw new Problem(404, 'InvalidRequestException', `No matching definition with id ${id}`);
  if (!last) send(200, definition);
  else if (last === 'xml') send(200, { id, bpmn20Xml: MODELS.find(({ key }) => key === definition.key).xml });
  else if (last === 'startForm') send(200, { key: null });
  else if (last === 'form-variables') send(200, {});
  else if (last === 'start' && method === 'POST') {
    const instance = {
      ...world.instances[0],
      id: `i-new-${world.instances.length}`,
      businessKey: body.businessKey ?? null,
      processDefinitionId: id,
      processDefinitionKey: definition.key,
      processDefinitionName: definition.name,
      startTime: dialect(NOW),
      startUserId: person.user,
      superProcessInstanceId: null,
    };
    instance.rootProcessInstanceId = instance.id;
    world.instances.unshift(instance);
    world.variables[instance.id] = body.variables;
    send(200, { id: instance.id, definitionId: id, businessKey: instance.businessKey });
    emit(world, 'instance', instance.id);
  } else return false;
  void query;
  return true;
}

function page(query, rows) {
  const from = Number(query.get('firstResult') ?? 0);
  return rows.slice(from, from + Number(query.get('maxResults') ?? rows.length));
}

function like(pattern, text) {
  return !pattern || (text ?? '').includes(pattern.replaceAll('%', ''));
}

function historyRoute({ query, send, world }, kind, id) {
  if (kind === 'process-instance') {
    if (id && id !== 'count') {
      const instance = world.instances.find((each) => each.id === id);
      if (!instance) throw new Problem(404, 'InvalidRequestException', `Historic process instance with id ${id} does not exist`);
      send(200, instance);
      return true;
    }
    const rows = world.instances.filter(
      (each) =>
        (!query.get('unfinished') || !each.endTime) &&
        (!query.get('finished') || each.endTime) &&
        (!query.get('withIncidents') || world.incidents.some(({ processInstanceId }) => processInstanceId === each.id)) &&
        (!query.get('processDefinitionKey') || each.processDefinitionKey === query.get('processDefinitionKey')) &&
        (!query.get('rootProcessInstances') || !each.superProcessInstanceId) &&
        (!query.get('rootProcessInstanceId') || each.rootProcessInstanceId === query.get('rootProcessInstanceId')) &&
        like(query.get('processInstanceBusinessKeyLike'), each.businessKey),
    );
    send(200, id === 'count' ? { count: rows.length } : page(query, rows));
    return true;
  }
  const instance = query.get('processInstanceId');
  if (kind === 'activity-instance') send(200, world.history[instance] ?? []);
  else if (kind === 'variable-instance') send(200, Object.entries(world.variables[instance] ?? {}).map(([name, { type, value }]) => ({ name, type, value })));
  else return false;
  return true;
}

function instanceRoute({ query, send, world }, id, last) {
  if (!id) {
    const ids = query.get('processInstanceIds')?.split(',');
    send(200, world.instances.filter((each) => !each.endTime && (!ids || ids.includes(each.id))).map(({ id, businessKey }) => ({ id, businessKey })));
    return true;
  }
  if (last === 'variables') send(200, world.variables[id] ?? {});
  else if (last === 'activity-instances') {
    const open = (world.history[id] ?? []).filter(({ endTime, activityId }) => !endTime && !activityId.endsWith('Body'));
    const child = (row) => ({ id: row.id, activityId: row.activityId, activityName: row.activityName, activityType: row.activityType, childActivityInstances: [], childTransitionInstances: [] });
    send(200, { id, activityId: 'process', activityName: null, activityType: 'processDefinition', childActivityInstances: open.map(child), childTransitionInstances: [] });
  } else return false;
  return true;
}

const wire = ({ groups, ...task }) => task;

function taskRoute(call, id, last) {
  const { method, query, body, send, world, person } = call;
  if (!id || id === 'count') {
    const groups = query.get('candidateGroups')?.split(',');
    const rows = world.tasks.filter(
      (task) =>
        (!query.get('assignee') || task.assignee === query.get('assignee')) &&
        (!groups || (!task.assignee && task.groups.some((group) => groups.includes(group)))) &&
        (!query.get('processInstanceId') || task.processInstanceId === query.get('processInstanceId')) &&
        like(query.get('nameLike'), task.name),
    );
    send(200, id === 'count' ? { count: rows.length } : page(query, rows).map(wire));
    return true;
  }
  const task = world.tasks.find((each) => each.id === id);
  if (!task) throw new Problem(404, 'InvalidRequestException', `No matching task with id ${id}`);
  const changed = () => {
    send(204);
    emit(world, 'task', task.processInstanceId);
  };
  if (!last) send(200, wire(task));
  else if (last === 'identity-links') send(200, task.groups.map((groupId) => ({ userId: null, groupId, type: 'candidate' })));
  else if (last === 'form') send(200, { key: task.formKey, camundaFormRef: task.camundaFormRef, contextPath: null });
  else if (last === 'deployed-form') send(200, world.forms[task.camundaFormRef.key]);
  else if (last === 'form-variables') send(200, world.formVariables[id] ?? {});
  else if (method !== 'POST') return false;
  else if (last === 'claim') {
    if (task.assignee && task.assignee !== body.userId) throw new Problem(500, 'TaskAlreadyClaimedException', `Task '${id}' is already claimed by someone else.`);
    task.assignee = body.userId;
    changed();
  } else if (last === 'unclaim') {
    task.assignee = null;
    changed();
  } else if (last === 'complete') {
    world.tasks = world.tasks.filter((each) => each !== task);
    world.completed.push({ task: id, by: person.user, variables: body.variables });
    changed();
    emit(world, 'instance', task.processInstanceId);
  } else return false;
  return true;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, otherwise) => (process.argv.includes(`--${name}`) ? process.argv[process.argv.indexOf(`--${name}`) + 1] : otherwise);
  const mock = await startMock({ port: Number(option('port', '8099')), state: option('state', 'full'), demo: !process.argv.includes('--no-demo') });
  console.log(`listening on ${mock.url}, users ${Object.keys(PEOPLE).join(', ')}, password “${PASSWORD}”`);
}
