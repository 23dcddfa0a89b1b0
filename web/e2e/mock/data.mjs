// What the mock holds at its start: a programme in the middle of its first wave, seen at one moment of its clock.

import { MODELS } from './models.mjs';

export const NOW = Date.parse('2026-11-23T11:40:00Z');
const HOUR = 3600_000;

/** As `/engine-rest` writes instants. */
export const dialect = (ms) => new Date(ms).toISOString().replace('Z', '+0000');
/** As `/api` writes them. */
export const rfc = (ms) => new Date(ms).toISOString();

export const definitions = () =>
  MODELS.map(({ key, name }, index) => ({
    id: `${key}:2:d${index}`,
    key,
    name,
    version: 2,
    versionTag: index === 0 ? '1.0' : null,
    description:
      {
        'cmo.end-to-end': 'The whole programme: on-boarding, discovery, planning, provision beside network data entry, waves, steady state.',
        'cmo.network': 'Data of the customer, configuration of the cloud side, instructions for the on-premise side, tunnel test.',
      }[key] ?? null,
    suspended: false,
    resource: `${key}.bpmn`,
  }));

const FORMS = {
  'network-data': {
    type: 'default',
    id: 'network-data',
    schemaVersion: 18,
    components: [
      { type: 'text', id: 'intro', text: 'Data of the **on-premise** side. The cloud side is configured from it.' },
      { type: 'textfield', id: 'f1', key: 'peer', label: 'Peer address', description: 'Public address of your VPN gateway', validate: { required: true }, layout: { row: 'r1' } },
      { type: 'textfield', id: 'f2', key: 'prefix', label: 'On-premise prefix', validate: { required: true, pattern: '^[0-9./]+$' }, layout: { row: 'r1' } },
      {
        type: 'select',
        id: 'f3',
        key: 'proposal',
        label: 'IKE and ESP proposal',
        values: [
          { label: 'AES-256-GCM, group 19', value: 'aes256gcm-19' },
          { label: 'AES-256, SHA-256, group 14', value: 'aes256-sha256-14' },
        ],
        validate: { required: true },
      },
      { type: 'number', id: 'f4', key: 'mtu', label: 'MTU of the WAN link', validate: { min: 1280, max: 9000 } },
      { type: 'datetime', id: 'f5', key: 'maintenance', subtype: 'date', dateLabel: 'Next maintenance window' },
      { type: 'checkbox', id: 'f6', key: 'stretch', label: 'Servers keep their addresses (layer 2 bridge)' },
      { type: 'textarea', id: 'f7', key: 'remarks', label: 'Remarks' },
      { type: 'button', id: 'f8', label: 'Save network data', action: 'submit' },
    ],
  },
  'go-no-go': {
    type: 'default',
    id: 'go-no-go',
    schemaVersion: 18,
    components: [
      { type: 'text', id: 't', text: 'Forecast of the cutover: **{{forecast}}** of a window of **{{window}}**.' },
      {
        type: 'radio',
        id: 'd',
        key: 'decision',
        label: 'Decision',
        values: [
          { label: 'Go', value: 'go' },
          { label: 'No-go', value: 'no-go' },
        ],
        validate: { required: true },
      },
      { type: 'textarea', id: 'r', key: 'reason', label: 'Reason', conditional: { hide: '=decision != "no-go"' }, validate: { required: true } },
    ],
  },
};

const instance = (id, key, startTime, extra = {}) => ({
  id,
  businessKey: 'acme-2026',
  processDefinitionId: definitions().find((definition) => definition.key === key).id,
  processDefinitionKey: key,
  processDefinitionName: MODELS.find((each) => each.key === key).name,
  processDefinitionVersion: 2,
  startTime: dialect(startTime),
  endTime: null,
  startUserId: null,
  deleteReason: null,
  rootProcessInstanceId: 'i-root',
  superProcessInstanceId: null,
  state: 'ACTIVE',
  tenantId: null,
  ...extra,
});

const SERVERS = Array.from({ length: 25 }, (_, index) => ({
  name: `${index < 15 ? 'win' : 'lin'}-${String(index < 15 ? index + 1 : index - 14).padStart(2, '0')}`,
  os: index < 15 ? 'Windows Server 2019' : 'Debian 12',
}));

/** `[element, type, from, to | null, extra]` in hours before now. */
const activities = (instanceId, key, rows) =>
  rows.map(([activityId, activityType, from, to, extra = {}], index) => ({
    id: `${instanceId}-a${index}`,
    activityId,
    activityName: MODELS.find((each) => each.key === key).nodes.find(({ id }) => id === activityId)?.name || null,
    activityType,
    processInstanceId: instanceId,
    taskId: null,
    assignee: null,
    calledProcessInstanceId: null,
    startTime: dialect(NOW - from * HOUR),
    endTime: to === null ? null : dialect(NOW - to * HOUR),
    canceled: false,
    ...extra,
  }));

export function full() {
  const replications = SERVERS.map(({ name }, index) => {
    const ended = index < 11;
    return instance(`i-vr-${index}`, 'cmo.migrate-vr', NOW - 3.2 * HOUR, {
      businessKey: name,
      superProcessInstanceId: 'i-wave',
      state: ended ? 'COMPLETED' : 'ACTIVE',
      endTime: ended ? dialect(NOW - 0.3 * HOUR) : null,
    });
  });
  const instances = [
    instance('i-root', 'cmo.end-to-end', NOW - 27 * HOUR, { startUserId: 'lead' }),
    instance('i-network', 'cmo.network', NOW - 24 * HOUR, { superProcessInstanceId: 'i-root' }),
    instance('i-wave', 'cmo.wave', NOW - 4 * HOUR, { superProcessInstanceId: 'i-root', businessKey: 'wave-1' }),
    ...replications,
    instance('i-old', 'cmo.network', NOW - 700 * HOUR, { rootProcessInstanceId: 'i-old', businessKey: 'globex-2026', state: 'COMPLETED', endTime: dialect(NOW - 650 * HOUR), startUserId: 'lead' }),
    instance('i-cancelled', 'cmo.wave', NOW - 300 * HOUR, {
      rootProcessInstanceId: 'i-cancelled',
      businessKey: 'globex-wave-3',
      state: 'EXTERNALLY_TERMINATED',
      endTime: dialect(NOW - 290 * HOUR),
      deleteReason: 'Customer postponed the wave',
    }),
  ];
  const definitionOf = (id) => instances.find((each) => each.id === id).processDefinitionId;
  const task = (id, name, key, instanceId, extra) => ({
    id,
    name,
    assignee: null,
    created: dialect(NOW - 2 * HOUR),
    due: null,
    followUp: null,
    description: null,
    priority: 50,
    processDefinitionId: definitionOf(instanceId),
    processInstanceId: instanceId,
    taskDefinitionKey: key,
    suspended: false,
    formKey: null,
    camundaFormRef: null,
    groups: ['network-lead'],
    ...extra,
  });
  return {
    instances,
    tasks: [
      task('t-network', 'Enter network data', 'enter-network-data', 'i-network', {
        created: dialect(NOW - 25 * HOUR),
        due: dialect(NOW - 1 * HOUR),
        priority: 80,
        description: 'Enter the data of your side of the tunnel.\nThe pre-shared key is kept in your secret store; enter only its name.',
        camundaFormRef: { key: 'network-data', binding: 'latest', version: null },
      }),
      task('t-go', 'Go or no-go', 'go', 'i-wave', {
        groups: ['migration-lead'],
        due: dialect(NOW + 5 * HOUR),
        camundaFormRef: { key: 'go-no-go', binding: 'latest', version: null },
      }),
      task('t-confirm', 'Confirm on-premise side', 'confirm-on-premise', 'i-network', { due: dialect(NOW + 70 * HOUR), description: 'Load the generated lines into your gateway, then say whether the peer answers.' }),
      task('t-sign', 'Sign the tunnel test', 'sign', 'i-network', { assignee: 'ben', groups: ['security-officer'] }),
    ],
    forms: FORMS,
    formVariables: {
      't-network': { prefix: { type: 'String', value: '10.10.0.0/16' }, mtu: { type: 'Integer', value: 1500 } },
      't-go': { forecast: { type: 'String', value: '37 min' }, window: { type: 'String', value: '8 h' } },
      't-confirm': {
        peerAnswers: { type: 'Boolean', value: false },
        lossPercent: { type: 'Double', value: 0.5 },
        lines: { type: 'Json', value: '["set vpn ipsec interface eth0","set vpn ipsec site-to-site peer acme"]' },
      },
    },
    incidents: [
      {
        id: 'inc-1',
        processInstanceId: 'i-vr-17',
        activityId: 'configure',
        failedActivityId: 'configure',
        incidentType: 'failedExternalTask',
        incidentMessage: 'vr: 409 from https://vr.source.example/api/rest/vr/v2/pairings/p1/replications: the datastore ds-03 has 12 GB free, 40 GB are needed. Third attempt.',
        incidentTimestamp: dialect(NOW - 0.7 * HOUR),
        configuration: 'ext-1',
      },
    ],
    history: {
      'i-root': activities('i-root', 'cmo.end-to-end', [
        ['start', 'noneStartEvent', 27, 27],
        ['onboarding', 'callActivity', 27, 26.4],
        ['discovery', 'callActivity', 26.4, 25.6],
        ['planning', 'callActivity', 25.6, 24.2],
        ['fork-4', 'parallelGateway', 24.2, 24.2],
        ['provision', 'callActivity', 24.2, 4.3],
        ['network', 'callActivity', 24.2, null, { calledProcessInstanceId: 'i-network' }],
        ['waves', 'callActivity', 4, null, { calledProcessInstanceId: 'i-wave' }],
      ]),
      'i-network': activities('i-network', 'cmo.network', [
        ['start', 'noneStartEvent', 25, 25],
        ['enter-network-data', 'userTask', 25, null, { taskId: 't-network' }],
      ]),
      'i-wave': activities('i-wave', 'cmo.wave', [
        ['start', 'noneStartEvent', 4, 4],
        ['preflight', 'serviceTask', 4, 3.3],
        ['replicate#multiInstanceBody', 'multiInstanceBody', 3.3, null],
        ...SERVERS.map((_, index) => ['replicate', 'callActivity', 3.2, index < 11 ? 0.3 : null, { calledProcessInstanceId: `i-vr-${index}` }]),
      ]),
      'i-vr-17': activities('i-vr-17', 'cmo.migrate-vr', [
        ['start', 'noneStartEvent', 3.2, 3.2],
        ['configure', 'serviceTask', 3.2, null],
      ]),
      'i-old': activities('i-old', 'cmo.network', [
        ['start', 'noneStartEvent', 700, 700],
        ['enter-network-data', 'userTask', 700, 680, { assignee: 'ana' }],
        ['check-policy', 'businessRuleTask', 680, 680],
        ['push', 'serviceTask', 680, 679],
        ['sign', 'userTask', 679, 650, { assignee: 'ben' }],
        ['end', 'noneEndEvent', 650, 650],
      ]),
    },
    variables: {
      'i-network': {
        customer: { type: 'String', value: 'ACME' },
        wave: { type: 'Integer', value: 1 },
        vlans: { type: 'Json', value: '[{"onPremise":101,"cloud":1042},{"onPremise":102,"cloud":1043}]' },
        settings: {
          type: 'Json',
          value: JSON.stringify({ gateway: { dialect: 'vyos-1.4', confirmWithin: 'PT5M' }, reminders: ['PT4H', 'PT8H', 'PT20H'], deadline: 'PT24H', groups: { lead: 'network-lead', deputy: 'deputy-lead' } }),
        },
        psk: { type: 'String', value: 'secret://acme-psk' },
        approved: { type: 'Boolean', value: true },
        rate: { type: 'Double', value: 25.4 },
        remark: { type: 'Null', value: null },
      },
    },
    programme: programme(replications),
  };
}

function programme(replications) {
  const stages = [
    ['discovery', 'Discovery', 'done'],
    ['planning', 'Planning', 'done'],
    ['provision', 'Provision', 'done'],
    ['network', 'Network', 'person'],
    ['migration', 'Migration', 'running'],
    ['remediation', 'Remediation', 'pending'],
  ];
  const servers = SERVERS.map(({ name, os }, index) => ({
    name,
    os,
    wave: 'wave 1',
    cells: stages.map(([stage, , state]) => {
      if (stage !== 'migration') return { stage, state, since: state === 'pending' ? null : rfc(NOW - 25 * HOUR), instance: stage === 'network' ? 'i-network' : state === 'done' ? 'i-root' : null };
      const now = index === 17 ? 'failed' : index < 11 ? 'done' : index < 20 ? 'running' : 'waiting';
      return { stage, state: now, since: rfc(NOW - (now === 'failed' ? 0.7 : 1 + index / 10) * HOUR), instance: replications[index].id };
    }),
  }));
  return {
    programme: { id: 'acme-2026', name: 'ACME data centre move', state: 'running', startedAt: rfc(NOW - 27 * HOUR), endedAt: null },
    clock: rfc(NOW),
    stages: stages.map(([id, name, state]) => {
      const cells = servers.map((server) => server.cells.find((cell) => cell.stage === id));
      return { id, name, state, done: cells.filter((cell) => cell.state === 'done').length, failed: cells.filter((cell) => cell.state === 'failed').length, total: 25 };
    }),
    servers,
    waiting: [
      { what: 'Enter network data', kind: 'person', who: 'network-lead', since: rfc(NOW - 25 * HOUR), until: rfc(NOW - HOUR), instance: 'i-network', element: 'enter-network-data', task: 't-network', count: 1 },
      { what: 'Await first sync', kind: 'timer', who: null, since: rfc(NOW - 3 * HOUR), until: rfc(NOW + 0.8 * HOUR), instance: 'i-vr-12', element: 'first-sync', task: null, count: 13 },
      { what: 'Configure replication', kind: 'incident', who: 'vr.configure', since: rfc(NOW - 0.7 * HOUR), until: null, instance: 'i-vr-17', element: 'configure', task: null, count: 1 },
      { what: 'Tunnel up', kind: 'message', who: 'tunnel.up', since: rfc(NOW - 0.2 * HOUR), until: rfc(NOW + 0.3 * HOUR), instance: 'i-network', element: 'tunnel-up', task: null, count: 1 },
    ],
    segments: [
      { id: 'input', name: 'User input', occurrence: 'once', measured: 24 * 3600, final: true, paper: 24 * 3600 },
      { id: 'provision', name: 'Provision', occurrence: 'once', measured: 16.5 * 3600, final: true, paper: 16.5 * 3600 },
      { id: 'transfer', name: 'Transfer', occurrence: 'repeat', measured: 11520, final: false, paper: 4 * 3600 },
      { id: 'cutover', name: 'Cutover', occurrence: 'repeat', measured: null, final: false, paper: 300 },
      { id: 'steady', name: 'Steady state', occurrence: 'once', measured: null, final: false, paper: 1800 },
      { id: 'total', name: 'Total', occurrence: null, measured: 27 * 3600 + 1200, final: false, paper: 44 * 3600 + 300 },
    ],
    notes: ['The columns of Table IV add to 45h05m; 44h05m is what a transfer of 3 h gives. With row 2 of Table III (4h10m) it is 45h15m.'],
  };
}

export const empty = () => ({ instances: [], tasks: [], forms: {}, formVariables: {}, incidents: [], history: {}, variables: {}, programme: null });
