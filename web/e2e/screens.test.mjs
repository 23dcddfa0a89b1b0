// Every screen, full, empty and failing, in both schemes and three widths: axe, no error, no sideways scrolling. Pictures are
// kept in e2e/out for review. And what each route loads, against its budget.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { judge, openBrowser, openPage, shoot, signIn, skipReason } from './harness.mjs';
import { PASSWORD, startMock } from './mock/server.mjs';

const skip = skipReason();
const DIST = fileURLToPath(new URL('../dist', import.meta.url));

/** Screen, address, the text that says it is there. */
const SCREENS = [
  ['programme', '/', 'Segments beside Table IV'],
  ['inbox', '/portal?whose=all', 'Sign the tunnel test'],
  ['task', '/portal/tasks/t-network', 'IKE and ESP proposal'],
  ['task-plain', '/portal/tasks/t-confirm', 'Add a variable'],
  ['start', '/portal/start', 'Migrate one server'],
  ['start-one', '/portal/start/cmo.network', 'Add a variable'],
  ['console', '/console?called=yes', 'lin-03'],
  ['instance', '/console/instances/i-network', 'secret://acme-psk'],
  ['calls', '/console/instances/i-wave?tab=calls', 'End to end · acme-2026'],
  ['incident', '/console/instances/i-vr-17?tab=incidents', 'datastore ds-03'],
  ['ended', '/console/instances/i-old', 'This instance has ended.'],
  ['not-found', '/nowhere', 'No such page'],
];
const EMPTY = [
  ['empty-programme', '/', 'No migration programme yet'],
  ['empty-inbox', '/portal', 'Nothing to do for your groups'],
  ['empty-start', '/portal/start', 'No process is deployed yet'],
  ['empty-console', '/console', 'Nothing is running'],
];
const FAILING = [
  ['error-programme', '/programme/acme-2026', 'No programme to show'],
  ['error-inbox', '/portal', 'No tasks to show'],
  ['error-console', '/console', 'No instances to show'],
  ['error-instance', '/console/instances/i-network', 'No instance to show'],
];
const LOOKS = [
  ['light', 1440],
  ['dark', 1440],
  ['light', 768],
  ['light', 320],
  ['dark', 320],
];

describe('screens', { skip }, () => {
  let browser;
  before(async () => {
    browser = await openBrowser();
  });
  after(() => browser?.close());

  for (const [scheme, width] of LOOKS) {
    for (const [state, screens, failing] of [
      ['full', SCREENS, false],
      ['empty', EMPTY, false],
      ['full', FAILING, true],
    ]) {
      test(`${failing ? 'failing' : state}, ${scheme}, ${width} px`, async (t) => {
        const mock = await startMock({ state });
        const page = await openPage(browser, { scheme, width, expected: failing ? [/500/] : [] });
        t.after(async () => {
          await page.context().close();
          await mock.stop();
        });
        await signIn(page, mock.url, 'ana', PASSWORD);
        if (failing) for (const path of ['/engine-rest/', '/api/programmes']) mock.world.failing.set(path, 500);
        for (const [name, address, text] of screens) {
          await page.goto(mock.url + address);
          await page.getByText(text).first().waitFor();
          if (address.includes('/instances/') && !failing) await page.getByRole('button', { name: 'Full screen' }).waitFor();
          await shoot(page, `${name}-${scheme}-${width}`, { fullPage: true });
          const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          assert.equal(sideways, 0, `${name} scrolls sideways at ${width} px`);
          await judge(page, `${name}, ${scheme}, ${width} px`);
        }
      });
    }
  }

  test('each route loads no more than its budget', async (t) => {
    const mock = await startMock({ demo: false });
    const page = await openPage(browser);
    t.after(async () => {
      await page.context().close();
      await mock.stop();
    });
    await signIn(page, mock.url, 'ana', PASSWORD);
    for (const [name, address, text, budget] of [
      ['shell and inbox', '/portal?whose=all', 'Sign the tunnel test', 40],
      ['route with viewer', '/console/instances/i-network', 'Full screen', 90],
      // The form viewer 2.0 alone weighs 142 kB (luxon, flatpickr, marked, FEEL).
      ['route with form', '/portal/tasks/t-network', 'IKE and ESP proposal', 185],
    ]) {
      await page.goto(mock.url + address);
      await page.getByText(text).first().waitFor();
      const scripts = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname).filter((path) => path.endsWith('.js')));
      const bytes = [...new Set(scripts)].reduce((sum, path) => sum + gzipSync(readFileSync(DIST + path), { level: 9 }).length, 0);
      const paint = await page.evaluate(() => Math.round(performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0));
      t.diagnostic(`${name}: ${(bytes / 1024).toFixed(1)} kB of ${budget} kB gzip, first paint ${paint} ms of 800`);
      assert.ok(bytes <= budget * 1024, `${name} loads ${bytes} bytes of JavaScript`);
    }
  });
});
