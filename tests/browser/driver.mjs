// A browser that a test drives: each line of standard input is a command, each line of standard output its answer.
//
// Enters: {"do": NAME, ...} as JSON, one a line. Leaves: {"is": VALUE} or {"fault": WORDS}. Promises: each command waits for what
// it needs, by the page's own state, and no longer than TEST_PATIENCE milliseconds; whatever the browser complains of (an error in
// a script, a breach of the Content-Security-Policy, a file that is not there) is kept for `complaints`.
// CHROMIUM names the browser. Chromium's own sandbox needs a user who is not root, so it is off: all pages are ours.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PATIENCE = Number(process.env.TEST_PATIENCE ?? 10_000);
const SERIOUS = ['serious', 'critical'];

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
const complaints = [];
const asked = new Set(); // what the test asked for itself: a page that is refused is a page
let context;
let page;

// The cookies go with it: a link lets in once.
async function begin(script) {
  const storageState = await context?.storageState();
  await context?.close();
  context = await browser.newContext({ javaScriptEnabled: script, storageState, reducedMotion: 'reduce' });
  context.setDefaultTimeout(PATIENCE);
  page = await context.newPage();
  page.on('console', (message) => {
    const url = message.text().startsWith('Failed to load resource') ? message.location().url : undefined;
    if (['error', 'warning'].includes(message.type())) complaints.push({ words: message.text(), url });
  });
  page.on('request', (request) => {
    if (request.isNavigationRequest()) asked.add(request.url());
  });
  page.on('pageerror', (error) => complaints.push({ words: `${error}` }));
  page.on('dialog', (dialog) => {
    complaints.push({ words: `a dialog opened: ${dialog.message()}` });
    return dialog.dismiss();
  });
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText ?? '';
    if (why !== 'net::ERR_ABORTED') complaints.push({ words: `${request.url()}: ${why}` });
  });
}

function named(name, like) {
  const options = like ? { name: new RegExp(`^${name}`) } : { name, exact: true };
  return page.getByRole('button', options).or(page.getByRole('link', options)).first();
}

const commands = {
  script: async ({ on }) => {
    const at = page.url();
    await begin(on);
    if (at.startsWith('http')) await page.goto(at);
  },
  open: async ({ url }) => (await page.goto(url)).status(),
  look: async ({ width, scheme }) => {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: scheme });
  },
  click: ({ name, like }) => named(name, like).click(),
  confirm: ({ name }) => page.locator('dialog').getByRole('button', { name, exact: true }).click(),
  follow: ({ of }) => page.locator(of).first().getByRole('link').first().click(),
  send: ({ path, fields }) => {
    const url = new URL(path, page.url()).href;
    asked.add(url);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const post = async ([to, init]) => (await fetch(to, { method: 'POST', ...init })).status;
    return page.evaluate(post, [url, { headers, body: fields }]);
  },
  fill: ({ label, text }) => page.getByLabel(label).fill(text),
  choose: ({ label, option }) => page.getByLabel(label).selectOption(option),
  tick: ({ label }) => page.getByLabel(label).check(),
  press: ({ key }) => page.keyboard.press(key),
  sees: ({ text }) => page.getByText(text).filter({ visible: true }).first().waitFor(),
  shows: ({ of, text }) => page.locator(of).filter({ hasText: new RegExp(`^\\s*${text}\\s*$`), visible: true }).first().waitFor(),
  misses: ({ text }) => page.getByText(text).filter({ visible: true }).first().waitFor({ state: 'hidden' }),
  text: ({ of }) => page.locator(of ?? 'main').first().innerText(),
  value: ({ label }) => page.getByLabel(label).inputValue(),
  count: ({ of }) => page.locator(of).count(),
  url: () => page.url(),
  // What has the focus, and whether it can be seen that it has.
  focus: () => page.evaluate(() => {
    const { activeElement: at } = document;
    return { name: at.textContent.trim(), outlined: getComputedStyle(at).outlineStyle !== 'none' };
  }),
  // How far the page reaches beyond the window's right edge.
  overhang: () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
  axe: async () => {
    await page.evaluate(`${AXE};0`);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { preload: false, resultTypes: ['violations'] }));
    const told = ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' ')}`;
    return violations.filter(({ impact }) => SERIOUS.includes(impact)).map(told);
  },
  shot: ({ path }) => page.screenshot({ path, fullPage: true }).then(() => undefined),
  complaints: () => complaints.splice(0).filter(({ url }) => !asked.has(url)).map(({ words }) => words),
};

await begin(true);
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const { do: name, ...told } = JSON.parse(line);
    answer = { is: (await commands[name](told)) ?? null };
  } catch (problem) {
    const seen = await page.locator('body').innerText({ timeout: 1000 }).catch(() => 'no page');
    answer = { fault: `${problem.message}\nat ${page.url()}:\n${seen.slice(0, 4000)}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
