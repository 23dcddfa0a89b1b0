// Small models with diagrams for the mock: a line of elements, drawn left to right; a list inside the line is a fork and join.

const SIZES = { task: [110, 80], event: [36, 36], gateway: [50, 50] };
const KINDS = {
  start: ['startEvent', 'event'],
  end: ['endEvent', 'event'],
  timer: ['intermediateCatchEvent', 'event', '<bpmn:timerEventDefinition><bpmn:timeDuration>PT30M</bpmn:timeDuration></bpmn:timerEventDefinition>'],
  message: ['intermediateCatchEvent', 'event', '<bpmn:messageEventDefinition />'],
  user: ['userTask', 'task'],
  service: ['serviceTask', 'task'],
  script: ['scriptTask', 'task'],
  rule: ['businessRuleTask', 'task'],
  call: ['callActivity', 'task'],
  calls: ['callActivity', 'task', '<bpmn:multiInstanceLoopCharacteristics />'],
  parallel: ['parallelGateway', 'gateway'],
  exclusive: ['exclusiveGateway', 'gateway'],
};

const escape = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');

/** `line`: `[kind, id, name]`, or a list of such lines between a fork and a join. */
export function model(key, name, line) {
  const nodes = [];
  const flows = [];
  let x = 160;
  const place = ([kind, id, label], row) => {
    const [element, size, inner = ''] = KINDS[kind];
    const [width, height] = SIZES[size];
    nodes.push({ id, element, inner, name: label ?? '', x: x + (110 - width) / 2, y: 160 + row * 130 - height / 2, width, height, small: size !== 'task' });
  };
  const connect = (from, to) => flows.push({ id: `${from}-to-${to}`, from, to });
  let last = null;
  for (const step of line) {
    if (typeof step[0] === 'string') {
      place(step, 0);
      if (last) connect(last, step[1]);
      last = step[1];
      x += 170;
      continue;
    }
    const [open, close] = [`fork-${nodes.length}`, `join-${nodes.length}`];
    place(['parallel', open], 0);
    if (last) connect(last, open);
    x += 150;
    const begin = x;
    let end = x;
    step.forEach((branch, row) => {
      x = begin;
      let before = open;
      for (const node of branch) {
        place(node, row);
        connect(before, node[1]);
        before = node[1];
        x += 170;
      }
      connect(before, close);
      end = Math.max(end, x);
    });
    x = end;
    place(['parallel', close], 0);
    last = close;
    x += 150;
  }
  return { key, name, nodes, xml: document(key, name, nodes, flows) };
}

function document(key, name, nodes, flows) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const elements = nodes.map(({ id, element, inner, name }) => `    <bpmn:${element} id="${id}"${name ? ` name="${escape(name)}"` : ''}>${inner}</bpmn:${element}>`);
  const edges = flows.map(({ id, from, to }) => `    <bpmn:sequenceFlow id="${id}" sourceRef="${from}" targetRef="${to}" />`);
  const shapes = nodes.map(({ id, x, y, width, height, small, name }) => {
    const label = small && name ? `<bpmndi:BPMNLabel><dc:Bounds x="${x + width / 2 - 45}" y="${y + height + 6}" width="90" height="27" /></bpmndi:BPMNLabel>` : '';
    return `      <bpmndi:BPMNShape id="${id}_di" bpmnElement="${id}"><dc:Bounds x="${x}" y="${y}" width="${width}" height="${height}" />${label}</bpmndi:BPMNShape>`;
  });
  const lines = flows.map(({ id, from, to }) => {
    const [a, b] = [byId.get(from), byId.get(to)];
    const [ax, ay, bx, by] = [a.x + a.width, a.y + a.height / 2, b.x, b.y + b.height / 2];
    let points = [[ax, ay], [bx, by]];
    if (ay < by) points = [[a.x + a.width / 2, a.y + a.height], [a.x + a.width / 2, by], [bx, by]];
    if (ay > by) points = [[ax, ay], [b.x + b.width / 2, ay], [b.x + b.width / 2, b.y + b.height]];
    return `      <bpmndi:BPMNEdge id="${id}_di" bpmnElement="${id}">${points.map(([px, py]) => `<di:waypoint x="${px}" y="${py}" />`).join('')}</bpmndi:BPMNEdge>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:di="http://www.omg.org/spec/DD/20100524/DI" id="${key}-definitions" targetNamespace="http://transhume.example/mock">
  <bpmn:process id="${key}" name="${escape(name)}" isExecutable="true">
${[...elements, ...edges].join('\n')}
  </bpmn:process>
  <bpmndi:BPMNDiagram id="diagram"><bpmndi:BPMNPlane id="plane" bpmnElement="${key}">
${[...shapes, ...lines].join('\n')}
  </bpmndi:BPMNPlane></bpmndi:BPMNDiagram>
</bpmn:definitions>
`;
}

export const MODELS = [
  model('cmo.end-to-end', 'End to end', [
    ['start', 'start', 'Programme ordered'],
    ['call', 'onboarding', 'On-boarding'],
    ['call', 'discovery', 'Discovery'],
    ['call', 'planning', 'Analytics and scheduling'],
    [[['call', 'provision', 'Provision']], [['call', 'network', 'Network']]],
    ['calls', 'waves', 'Migrate in waves'],
    ['call', 'steady-state', 'Steady state'],
    ['end', 'end', 'Programme closed'],
  ]),
  model('cmo.network', 'Network', [
    ['start', 'start', 'Provision begins'],
    ['user', 'enter-network-data', 'Enter network data'],
    ['rule', 'check-policy', 'Check crypto policy'],
    ['script', 'render', 'Render configuration'],
    ['service', 'push', 'Push to the gateway'],
    [[['message', 'tunnel-up', 'Tunnel up']], [['user', 'confirm-on-premise', 'Confirm on-premise side']]],
    ['user', 'sign', 'Sign the tunnel test'],
    ['end', 'end', 'Network ready'],
  ]),
  model('cmo.wave', 'Wave', [
    ['start', 'start', 'Wave planned'],
    ['service', 'preflight', 'Preflight'],
    ['calls', 'replicate', 'Replicate servers'],
    ['user', 'go', 'Go or no-go'],
    ['timer', 'window', 'Window opens'],
    ['calls', 'cutover', 'Cut over'],
    ['user', 'test', 'Test and sign off'],
    ['end', 'end', 'Wave done'],
  ]),
  model('cmo.migrate-vr', 'Migrate one server', [
    ['start', 'start', 'Server in wave'],
    ['service', 'configure', 'Configure replication'],
    ['service', 'first-sync', 'Await first sync'],
    ['service', 'last-sync', 'Last sync'],
    ['end', 'end', 'In sync'],
  ]),
];
