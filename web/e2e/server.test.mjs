// The same screens against a running server: WEB_URL with WEB_USER and WEB_PASSWORD, or an address with a one-time token. A
// model is deployed, started, worked on and finished through the page; then every place is walked through as it is.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { judge, openBrowser, openPage, shoot, signIn, skipReason } from './harness.mjs';

const { WEB_URL, WEB_USER, WEB_PASSWORD } = process.env;
const skip = WEB_URL ? skipReason() : 'SKIPPED: WEB_URL names no running server';

const KEY = `e2e-${process.pid}`;
const MODEL = `<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:di="http://www.omg.org/spec/DD/20100524/DI" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="http://transhume.example/e2e">
  <bpmn:process id="${KEY}" name="Approve ${KEY}" isExecutable="true" camunda:historyTimeToLive="P1D">
    <bpmn:startEvent id="start" name="Asked"><bpmn:outgoing>f1</bpmn:outgoing></bpmn:startEvent>
    <bpmn:userTask id="approve" name="Approve the move" camunda:assignee="USER" camunda:formRef="${KEY}-form" camunda:formRefBinding="latest">
      <bpmn:documentation>Look at the plan, then decide.</bpmn:documentation>
      <bpmn:incoming>f1</bpmn:incoming><bpmn:outgoing>f2</bpmn:outgoing>
    </bpmn:userTask>
    <bpmn:endEvent id="end" name="Decided"><bpmn:incoming>f2</bpmn:incoming></bpmn:endEvent>
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="approve" />
    <bpmn:sequenceFlow id="f2" sourceRef="approve" targetRef="end" />
  </bpmn:process>
  <bpmndi:BPMNDiagram id="diagram"><bpmndi:BPMNPlane id="plane" bpmnElement="${KEY}">
    <bpmndi:BPMNShape id="s1" bpmnElement="start"><dc:Bounds x="160" y="102" width="36" height="36" /></bpmndi:BPMNShape>
    <bpmndi:BPMNShape id="s2" bpmnElement="approve"><dc:Bounds x="250" y="80" width="100" height="80" /></bpmndi:BPMNShape>
    <bpmndi:BPMNShape id="s3" bpmnElement="end"><dc:Bounds x="410" y="102" width="36" height="36" /></bpmndi:BPMNShape>
    <bpmndi:BPMNEdge id="e1" bpmnElement="f1"><di:waypoint x="196" y="120" /><di:waypoint x="250" y="120" /></bpmndi:BPMNEdge>
    <bpmndi:BPMNEdge id="e2" bpmnElement="f2"><di:waypoint x="350" y="120" /><di:waypoint x="410" y="120" /></bpmndi:BPMNEdge>
  </bpmndi:BPMNPlane></bpmndi:BPMNDiagram>
</bpmn:definitions>`;
const FORM = JSON.stringify({
  type: 'default',
  id: `${KEY}-form`,
  schemaVersion: 18,
  components: [
    { type: 'textfield', id: 'a', key: 'reason', label: 'Reason', validate: { required: true } },
    { type: 'number', id: 'b', key: 'servers', label: 'Servers' },
    { type: 'checkbox', id: 'c', key: 'approved', label: 'Approved' },
  ],
});

describe('a running server', { skip }, () => {
  let browser;
  let page;
  let base;
  before(async () => {
    browser = await openBrowser();
    page = await openPage(browser);
    base = new URL(WEB_URL).origin;
    if (WEB_USER) await signIn(page, base, WEB_USER, WEB_PASSWORD ?? '');
    else {
      await page.goto(WEB_URL);
      await page.getByRole('navigation', { name: 'Places' }).waitFor();
    }
  });
  after(() => browser?.close());

  test('a model is deployed, started, its task done, its end seen', async () => {
    const deployed = await page.evaluate(
      async ({ key, model, form }) => {
        const { user } = await (await fetch('/api/session')).json();
        const guard = /XSRF-TOKEN=([^;]+)/.exec(document.cookie)?.[1] ?? '';
        const body = new FormData();
        body.set('deployment-name', key);
        body.set(`${key}.bpmn`, new File([model.replace('USER', user)], `${key}.bpmn`));
        body.set(`${key}.form`, new File([form], `${key}.form`));
        const answer = await fetch('/engine-rest/deployment/create', { method: 'POST', body, headers: { 'x-xsrf-token': guard } });
        return { status: answer.status, text: await answer.text() };
      },
      { key: KEY, model: MODEL, form: FORM },
    );
    assert.equal(deployed.status, 200, deployed.text);
    await page.goto(`${base}/portal/start/${KEY}`);
    await page.getByLabel('Business key').fill('case-1');
    await judge(page, 'start form');
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await page.getByRole('heading', { name: `Approve ${KEY} · case-1` }).waitFor();
    await page.getByTitle('1 token is here').waitFor();
    await judge(page, 'started instance');
    await shoot(page, 'server-instance');
    await page.getByRole('link', { name: 'Open task' }).click();
    await page.getByText('Look at the plan, then decide.').waitFor();
    await page.getByRole('button', { name: 'Complete' }).click();
    await page.getByText('One field needs your attention.').waitFor();
    await page.getByLabel('Reason').fill('The plan holds');
    await page.getByLabel('Servers').fill('25');
    await page.getByLabel('Approved').check();
    await judge(page, 'task');
    await shoot(page, 'server-task');
    await page.getByRole('button', { name: 'Complete' }).click();
    await page.getByText('is completed').waitFor();
    await page.goto(`${base}/console?state=ended&search=case-1`);
    await page.getByRole('link', { name: `Approve ${KEY}` }).first().click();
    await page.getByText('This instance has ended.').waitFor();
    await page.getByText('The plan holds').waitFor();
    await page.locator('.badge', { hasText: 'Completed' }).waitFor();
    await judge(page, 'ended instance');
  });

  test('every place opens, without an error and clean for axe', async () => {
    const { items } = await page.evaluate(async () => (await fetch('/api/programmes')).json());
    await page.goto(base);
    await page.getByRole('heading', { level: 1 }).waitFor();
    if (items.length > 0) await page.getByRole('table', { name: /State of every server|Time of each segment/ }).first().waitFor();
    await judge(page, 'programme');
    await shoot(page, 'server-programme', { fullPage: true });
    await page.goto(`${base}/portal?whose=all`);
    await page.locator('.pager, .empty').first().waitFor();
    await judge(page, 'tasks');
    await shoot(page, 'server-tasks', { fullPage: true });
    await page.goto(`${base}/console?state=all&called=yes`);
    await page.locator('.pager, .empty').first().waitFor();
    await judge(page, 'instances');
    await shoot(page, 'server-instances', { fullPage: true });
    const seen = new Set();
    for (const row of await page.getByRole('rowheader').getByRole('link').all()) seen.add(`${await row.innerText()} ${await row.getAttribute('href')}`);
    const oneOfEach = [...new Map([...seen].map((each) => [each.replace(/ \/console.*/, ''), each.split(' ').pop()])).values()];
    for (const address of oneOfEach) {
      for (const tab of ['variables', 'incidents', 'calls']) {
        await page.goto(`${base}${address}?tab=${tab}`);
        await page.getByRole('button', { name: 'Full screen' }).waitFor();
        await page.getByRole('heading', { name: 'Before' }).waitFor();
        await judge(page, `${address}, ${tab}`);
      }
      await shoot(page, `server-instance-${oneOfEach.indexOf(address)}`, { fullPage: true });
    }
  });
});
