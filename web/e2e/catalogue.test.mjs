// The catalogue as people see it: every model of `processes/` as a diagram, every form of `modeler-assets/forms` as a task.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { judge, openBrowser, openPage, shoot, signIn, skipReason } from './harness.mjs';
import { MODELS } from './mock/models.mjs';
import { PASSWORD, startMock } from './mock/server.mjs';

const skip = skipReason();
const folder = (name) => fileURLToPath(new URL(`../../${name}/`, import.meta.url));
const files = (name, ending) => readdirSync(folder(name)).filter((file) => file.endsWith(ending)).map((file) => [file, readFileSync(folder(name) + file, 'utf8')]);

describe('catalogue', { skip }, () => {
  let browser;
  let mock;
  before(async () => {
    browser = await openBrowser();
    mock = await startMock({ demo: false });
  });
  after(async () => {
    await browser?.close();
    await mock?.stop();
  });

  test('every model is drawn', async () => {
    const page = await openPage(browser);
    await signIn(page, mock.url, 'ana', PASSWORD);
    const shown = MODELS.find(({ key }) => key === 'cmo.network');
    for (const [file, xml] of files('processes', '.bpmn')) {
      shown.xml = xml;
      await page.goto(`${mock.url}/console/instances/i-old`);
      await page.getByRole('button', { name: 'Full screen' }).waitFor();
      const shapes = await page.locator('.canvas .djs-shape').count();
      const drawn = xml.match(/<bpmndi:BPMNShape/g)?.length ?? 0;
      assert.ok(shapes >= drawn && drawn > 0, `${file}: ${shapes} of ${drawn} shapes are drawn`);
      await judge(page, file);
    }
    await page.context().close();
  });

  for (const scheme of ['light', 'dark']) {
    test(`every form opens, ${scheme}`, async () => {
      const page = await openPage(browser, { scheme });
      await signIn(page, mock.url, 'ana', PASSWORD);
      const task = mock.world.tasks.find(({ id }) => id === 't-go');
      task.assignee = 'ana';
      mock.world.formVariables['t-go'] = {};
      for (const [file, text] of files('modeler-assets/forms', '.form')) {
        mock.world.forms['go-no-go'] = JSON.parse(text);
        await page.goto(`${mock.url}/portal/tasks/t-go`);
        await page.locator('.send button').waitFor();
        await shoot(page, `form-${file.replace('.form', '')}-${scheme}`, { fullPage: true });
        await judge(page, file);
      }
      await page.context().close();
    });
  }
});
