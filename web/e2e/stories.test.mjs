// What people do, from sign-in to a finished task, against the mock: there every state can be made.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { judge, openBrowser, openPage, shoot, signIn, skipReason } from './harness.mjs';
import { PASSWORD, startMock } from './mock/server.mjs';

const skip = skipReason();
const NETWORK = [/net::ERR_/, /Failed to load resource/];

describe('stories', { skip }, () => {
  let browser;
  before(async () => {
    browser = await openBrowser();
  });
  after(() => browser?.close());

  /** A mock and a page for one test, closed after it. */
  async function scene(t, { state, demo, user = 'ana', ...options } = {}) {
    const mock = await startMock({ state, demo });
    const page = await openPage(browser, options);
    t.after(async () => {
      await page.context().close();
      await mock.stop();
    });
    if (user) await signIn(page, mock.url, user, PASSWORD);
    return { mock, page, url: mock.url };
  }

  test('a wrong password is said, the right one opens the programme, sign-out closes it', async (t) => {
    const { page, url } = await scene(t, { user: null, expected: [/401/] });
    await page.goto(url);
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await judge(page, 'sign-in');
    await page.getByLabel('User').fill('ana');
    await page.getByLabel('Password').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('The name or the password is not right.').waitFor();
    await judge(page, 'sign-in refused');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'ACME data centre move' }).waitFor();
    await page.getByRole('button', { name: /Ana Ruiz/ }).click();
    await page.getByText('network-lead, migration-lead').waitFor();
    await judge(page, 'open menu');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  });

  test('the first administrator is made with the token the server printed', async (t) => {
    const { page, url } = await scene(t, { state: 'setup', user: null, demo: false, expected: [/401/] });
    await page.goto(url);
    await page.getByRole('heading', { name: 'Set up this server' }).waitFor();
    await judge(page, 'set-up');
    await page.getByLabel('Set-up token').fill('guess');
    await page.getByLabel("Administrator's user name").fill('root');
    await page.getByLabel('Password').fill('a long one');
    await page.getByRole('button', { name: 'Create administrator' }).click();
    await page.getByRole('alert').getByText('This token is not the one').waitFor();
    await page.getByLabel('Set-up token').fill('set-me-up');
    await page.getByRole('button', { name: 'Create administrator' }).click();
    await page.getByText('No migration programme yet').waitFor();
    await judge(page, 'after set-up');
  });

  test('a one-time token in the address signs in and leaves the address', async (t) => {
    const { page, url } = await scene(t, { user: null });
    await page.goto(`${url}/?token=one-time`);
    await page.getByRole('heading', { name: 'ACME data centre move' }).waitFor();
    assert.ok(!page.url().includes('token'));
    await judge(page, 'signed in by token');
  });

  test('a task is found, claimed, filled in and completed; what was typed survives a reload', async (t) => {
    const { page, mock } = await scene(t);
    await page.getByRole('link', { name: 'Tasks', exact: true }).click();
    await page.getByRole('link', { name: 'Enter network data' }).click();
    await page.getByText('Claim the task to work on it.').waitFor();
    await page.getByRole('button', { name: 'Claim', exact: true }).click();
    await page.getByRole('button', { name: 'Give back to the group' }).waitFor();
    await page.getByLabel('Peer address').fill('192.0.2.7');
    await page.getByLabel('Remarks').fill('Ring before you push');
    await judge(page, 'task half filled in');
    await page.waitForFunction(() => Object.values({ ...localStorage }).some((value) => value.includes('Ring before')));
    await page.reload();
    await page.getByText('did not send is here again').waitFor();
    assert.equal(await page.getByLabel('Remarks').inputValue(), 'Ring before you push');
    await page.getByRole('button', { name: 'Save network data' }).click();
    await page.getByText('One field needs your attention.').waitFor();
    assert.equal(mock.world.completed.length, 0);
    await judge(page, 'task with a wrong field');
    // The wrong field has the focus; its list opens and is chosen from by keys.
    await page.keyboard.press('Enter');
    await page.getByText('AES-256-GCM, group 19').click();
    await page.getByRole('button', { name: 'Save network data' }).click();
    await page.getByRole('status').getByText('“Enter network data” is completed.').waitFor();
    await page.getByRole('heading', { name: 'Tasks' }).waitFor();
    assert.equal(await page.getByRole('link', { name: 'Enter network data' }).count(), 0);
    const [{ variables, by }] = mock.world.completed;
    assert.equal(by, 'ana');
    assert.deepEqual(variables.peer, { type: 'String', value: '192.0.2.7' });
    assert.deepEqual(variables.mtu, { type: 'Integer', value: 1500 });
    assert.deepEqual(variables.proposal, { type: 'String', value: 'aes256gcm-19' });
    await page.waitForFunction(() => !Object.keys({ ...localStorage }).some((key) => key.startsWith('transhume.draft.')));
    await judge(page, 'inbox after completion');
  });

  test('the same by keyboard alone', async (t) => {
    const { page, mock, url } = await scene(t, { user: null });
    await page.goto(url);
    await page.getByLabel('User').waitFor();
    await page.keyboard.type('ana');
    await page.keyboard.press('Tab');
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'ACME data centre move' }).waitFor();
    const reach = async (name, role = 'link', key = 'Tab') => {
      const target = page.getByRole(role, { name, exact: true }).first();
      await target.waitFor();
      for (let steps = 0; steps < 60; steps++) {
        if (await target.evaluate((element) => element === document.activeElement)) return;
        await page.keyboard.press(key);
      }
      assert.fail(`${name} is not reached by ${key}`);
    };
    // The heading of the new screen has the focus; the way to the other places is back.
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'H1');
    await reach('Tasks', 'link', 'Shift+Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Tasks' }).waitFor();
    await reach('Confirm on-premise side');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Confirm on-premise side' }).waitFor();
    await reach('Claim', 'button');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Give back to the group' }).waitFor();
    await reach('Value of peerAnswers', 'combobox', 'Shift+Tab');
    await page.keyboard.press('y');
    await reach('Complete', 'button');
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('is completed').waitFor();
    assert.deepEqual(mock.world.completed[0].variables, { peerAnswers: { type: 'Boolean', value: true } });
    assert.deepEqual(page.wrongs, []);
  });

  test('somebody else completes the task meanwhile: the page says so and keeps what was typed', async (t) => {
    const { page, mock, url } = await scene(t, { expected: [/404/] });
    mock.world.tasks.find(({ id }) => id === 't-network').assignee = 'ana';
    await page.goto(`${url}/portal/tasks/t-network`);
    await page.getByLabel('Peer address').fill('192.0.2.9');
    mock.world.tasks = mock.world.tasks.filter(({ id }) => id !== 't-network');
    mock.emit('task', 'i-network');
    await page.getByText('This task is no longer open').waitFor();
    assert.equal(await page.getByLabel('Peer address').inputValue(), '192.0.2.9');
    assert.ok(await page.getByRole('button', { name: 'Save network data' }).isDisabled());
    await judge(page, 'task taken away');
  });

  test('a process is started with a business key and a variable', async (t) => {
    const { page, mock } = await scene(t);
    await page.getByRole('link', { name: 'Instances', exact: true }).click();
    await page.getByRole('link', { name: 'Start a process' }).click();
    await page.getByRole('link', { name: 'Network' }).click();
    await page.getByLabel('Business key').fill('initech-2026');
    await page.getByRole('button', { name: 'Add a variable' }).click();
    await page.getByLabel('Name of the variable').fill('sites');
    await page.getByLabel('Kind of sites').selectOption('JSON');
    await page.getByLabel('Value of sites').fill('[1,');
    await page.getByText('Not valid JSON.').waitFor();
    await judge(page, 'start form with a wrong value');
    await page.getByLabel('Value of sites').fill('[1,2]');
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await page.getByRole('heading', { name: 'Network · initech-2026' }).waitFor();
    await page.getByRole('group', { name: 'Diagram of Network' }).locator('svg').first().waitFor();
    assert.deepEqual(mock.world.variables[mock.world.instances[0].id], { sites: { type: 'Json', value: '[1,2]' } });
    await judge(page, 'started instance');
  });

  test('an instance shows tokens, an incident is tried again, and the mark of bpmn.io is in sight', async (t) => {
    const { page, url } = await scene(t);
    await page.goto(`${url}/console/instances/i-wave`);
    await page.getByTitle('14 tokens are here').waitFor();
    await page.getByTitle('completed 11 times').waitFor();
    const logo = page.locator('.bjs-powered-by');
    const covered = await logo.evaluate((element) => {
      const box = element.getBoundingClientRect();
      return !element.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2));
    });
    assert.ok(!covered, 'something lies over the mark of bpmn.io');
    await page.getByRole('button', { name: 'Preflight' }).click();
    await page.locator('.is-selected[data-element-id=preflight]').waitFor();
    assert.ok(page.url().includes('element=preflight'));
    await judge(page, 'instance');
    await page.getByRole('tab', { name: /Tree of calls/ }).click();
    await page.getByRole('tabpanel').getByRole('link', { name: 'Migrate one server · lin-03' }).click();
    await page.getByRole('heading', { name: 'Migrate one server · lin-03' }).waitFor();
    await page.getByTitle('1 incident').waitFor();
    await page.getByRole('tab', { name: /Incidents/ }).click();
    await page.getByText('the datastore ds-03 has 12 GB free').waitFor();
    await judge(page, 'incident');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText('No open incidents').waitFor();
    await page.getByTitle('1 incident').waitFor({ state: 'hidden' });
  });

  test('filters live in the address: a link, reload and Back restore them', async (t) => {
    const { page, url } = await scene(t);
    await page.goto(`${url}/console`);
    await page.getByRole('radio', { name: 'Ended' }).check();
    await page.getByRole('link', { name: 'Network' }).waitFor();
    await page.getByLabel('Search by business key').fill('globex-wave');
    await page.getByRole('link', { name: 'Wave' }).waitFor();
    await page.getByRole('link', { name: 'Network' }).waitFor({ state: 'detached' });
    await page.reload();
    assert.equal(await page.getByLabel('Search by business key').inputValue(), 'globex-wave');
    await page.getByRole('link', { name: 'Wave' }).click();
    await page.getByText('Customer postponed the wave').waitFor();
    await page.goBack();
    assert.ok(await page.getByRole('radio', { name: 'Ended' }).isChecked());
    await page.getByLabel('Search by business key').fill('nobody');
    await page.getByText('No instance fits').waitFor();
    await judge(page, 'nothing found');
  });

  test('a change on the server appears without a reload', async (t) => {
    const { page, mock } = await scene(t);
    await page.getByRole('heading', { name: 'ACME data centre move' }).waitFor();
    mock.world.programme.stages[4].done = 12;
    mock.world.programme.servers[11].cells[4].state = 'done';
    mock.emit('programme');
    await page.getByText('12 of 25').waitFor();
    await page.getByRole('link', { name: 'win-12, Migration: done' }).waitFor();
  });

  test('the demo is slowed down and paused', async (t) => {
    const { page, mock } = await scene(t);
    await page.getByLabel('Speed').selectOption('1 min per second');
    await page.waitForFunction(() => !document.querySelector('.demo select:disabled'));
    assert.equal(mock.world.demo.speed, 60);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Go on' }).waitFor();
    assert.equal(mock.world.demo.paused, true);
    await judge(page, 'paused demo');
  });

  test('the server goes away and comes back: a form half filled in stays', async (t) => {
    const { page, mock, url } = await scene(t, { expected: NETWORK });
    mock.world.tasks.find(({ id }) => id === 't-network').assignee = 'ana';
    await page.goto(`${url}/portal/tasks/t-network`);
    await page.getByLabel('Remarks').fill('half a sentence');
    const { port } = new URL(url);
    await mock.stop();
    await page.getByRole('alert').getByText('The server does not answer.').waitFor();
    await judge(page, 'server away');
    await shoot(page, 'server-away');
    const again = await startMock({ port: Number(port) });
    t.after(() => again.stop());
    again.world.sessions = mock.world.sessions;
    await page.getByRole('alert').getByText('The server does not answer.').waitFor({ state: 'detached' });
    assert.equal(await page.getByLabel('Remarks').inputValue(), 'half a sentence');
  });

  test('the session ends: sign-in comes over the page, and the action is repeated', async (t) => {
    const { page, mock, url } = await scene(t, { expected: [/401/, ...NETWORK] });
    await page.goto(`${url}/portal/tasks/t-confirm`);
    await page.getByRole('button', { name: 'Claim', exact: true }).waitFor();
    await page.getByLabel('Value of lossPercent').waitFor();
    mock.world.sessions.clear();
    await page.getByRole('button', { name: 'Claim', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'Your session has ended' });
    await dialog.waitFor();
    await judge(page, 'session ended');
    await shoot(page, 'session-ended');
    await dialog.getByLabel('Password').fill(PASSWORD);
    await dialog.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: 'Give back to the group' }).waitFor();
    assert.equal(mock.world.tasks.find(({ id }) => id === 't-confirm').assignee, 'ana');
  });
});
