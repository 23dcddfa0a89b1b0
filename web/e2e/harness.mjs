// The browser for the stories: every page is watched for errors, policy violations and foreign requests, and judged by axe.
//
// `WEB_URL` names a running server (with `WEB_USER` and `WEB_PASSWORD`, or `WEB_TOKEN`); without it the mock is started.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const PLACES = [process.env.CHROME, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/usr/bin/google-chrome-stable'];
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const AXE = fileURLToPath(new URL('../node_modules/axe-core/axe.min.js', import.meta.url));
const SHOTS = fileURLToPath(new URL('./out/', import.meta.url));
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

export const chrome = PLACES.find((path) => path && existsSync(path)) ?? null;

/** Why the stories cannot run here, or false. `REQUIRE_ALL=1` makes that a failure. */
export function skipReason() {
  if (chrome) return false;
  assert.notEqual(process.env.REQUIRE_ALL, '1', 'no Chromium found, and REQUIRE_ALL=1');
  return 'SKIPPED: no Chromium found; set CHROME to its path';
}

export async function openBrowser() {
  mkdirSync(SHOTS, { recursive: true });
  return chromium.launch({ executablePath: chrome, args: FLAGS });
}

/** A page whose wrongs are collected in `page.wrongs`; `expected` are patterns of console lines that belong to the story. */
export async function openPage(browser, { width = 1440, height = 900, scheme = 'light', expected = [] } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, locale: 'en-GB', timezoneId: 'UTC' });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.wrongs = [];
  const wrong = (text) => {
    if (!expected.some((pattern) => pattern.test(text))) page.wrongs.push(text);
  };
  page.on('console', (message) => message.type() === 'error' && wrong(`console: ${message.text()}`));
  page.on('pageerror', (error) => wrong(`page: ${error}`));
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol.startsWith('http') && page.url().startsWith('http') && origin !== new URL(page.url()).origin) wrong(`foreign request: ${request.url()}`);
  });
  await page.addInitScript(() => document.addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`)));
  return page;
}

/** No wrong so far, and axe finds nothing. */
export async function judge(page, where) {
  await page.evaluate(readFileSync(AXE, 'utf8'));
  const violations = await page.evaluate(async (rules) => {
    const result = await globalThis.axe.run(document, { runOnly: rules });
    return result.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join(' | ')}`);
  }, RULES);
  assert.deepEqual(violations, [], `axe at ${where}`);
  assert.deepEqual(page.wrongs, [], `errors at ${where}`);
}

/** Kept for review, never compared. */
export async function shoot(page, name, options = {}) {
  await page.screenshot({ path: `${SHOTS}${name}.png`, ...options });
}

export async function signIn(page, url, user, password) {
  await page.goto(url);
  await page.getByLabel('User').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation', { name: 'Places' }).waitFor();
}
