// The functions that need no page, read from the sources through the bundler.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createServer } from 'vite';

let vite;
const load = (path) => vite.ssrLoadModule(path);
before(async () => {
  vite = await createServer({ root: fileURLToPath(new URL('..', import.meta.url)), server: { middlewareMode: true, ws: false }, optimizeDeps: { noDiscovery: true }, appType: 'custom', logLevel: 'error' });
});
after(() => vite.close());

test('values keep their kind on the way to variables and back', async () => {
  const { toValues, toVariables } = await load('/src/form/values.ts');
  const values = { text: 'a', number: 3, long: 2 ** 40, part: 0.5, yes: true, nothing: null, list: [1, { a: 2 }] };
  const variables = toVariables({ ...values, absent: undefined });
  assert.deepEqual(Object.fromEntries(Object.entries(variables).map(([name, { type }]) => [name, type])), {
    text: 'String',
    number: 'Integer',
    long: 'Long',
    part: 'Double',
    yes: 'Boolean',
    nothing: 'Null',
    list: 'Json',
  });
  assert.deepEqual(toValues(variables), values);
  assert.deepEqual(toValues({ broken: { type: 'Json', value: '{' }, text: { type: 'String', value: '[1]' } }), { broken: '{', text: '[1]' });
});

test('submit buttons leave a form, at any depth, and the first gives its label', async () => {
  const { withoutSubmit } = await load('/src/form/schema.ts');
  const schema = { components: [{ type: 'group', components: [{ type: 'textfield', key: 'a' }, { type: 'button', label: 'Send', action: 'submit' }] }, { type: 'button', action: 'reset' }, { type: 'button', label: 'Go' }] };
  const stripped = withoutSubmit(schema);
  assert.equal(stripped.label, 'Send');
  assert.deepEqual(stripped.schema.components, [{ type: 'group', components: [{ type: 'textfield', key: 'a' }] }, { type: 'button', action: 'reset' }]);
});

test('tokens stand at the innermost activity, and bodies of multi-instances count as their activity', async () => {
  const { marksOf } = await load('/src/console/marks.ts');
  const leaf = (activityId) => ({ id: activityId, activityId, childActivityInstances: [], childTransitionInstances: [] });
  const tree = {
    ...leaf('process'),
    childActivityInstances: [{ ...leaf('replicate#multiInstanceBody'), childActivityInstances: [leaf('replicate'), leaf('replicate')] }, { ...leaf('sub'), childTransitionInstances: [{ id: 't', activityId: 'push' }] }],
  };
  const past = [{ activityId: 'start', endTime: 'x', canceled: false }, { activityId: 'replicate', endTime: 'x', canceled: false }, { activityId: 'gone', endTime: 'x', canceled: true }];
  const marks = marksOf(tree, past, [{ activityId: 'push', failedActivityId: null }]);
  assert.deepEqual(Object.fromEntries(marks), {
    replicate: { tokens: 2, incidents: 0, done: 1 },
    push: { tokens: 1, incidents: 1, done: 0 },
    start: { tokens: 0, incidents: 0, done: 1 },
  });
});

test('times of both bases are read, spans are written as in the tables of the paper', async () => {
  const { age, milliseconds, span } = await load('/src/ui/time.tsx');
  assert.equal(milliseconds('2026-11-22T08:00:00.000+0000'), milliseconds('2026-11-22T08:00:00Z'));
  assert.deepEqual([0, 59, 60, 300, 3600, 16.5 * 3600, 45 * 3600 + 15 * 60, 3599.6].map(span), ['0s', '59s', '1m', '5m', '1h00m', '16h30m', '45h15m', '1h00m']);
  assert.deepEqual([60, 71 * 3600, 72 * 3600, 318.6 * 3600].map(age), ['1m', '71h00m', '3d00h', '13d06h']);
});

test('tasks say how soon they are due', async () => {
  const { urgency } = await load('/src/portal/urgency.ts');
  const now = Date.parse('2026-11-22T08:00:00Z');
  const at = (due) => urgency({ due }, now);
  assert.deepEqual([at(null), at('2026-11-22T07:59:59.000+0000'), at('2026-11-23T08:00:00.000+0000'), at('2026-11-24T08:00:00.000+0000')], ['none', 'overdue', 'today', 'later']);
});
