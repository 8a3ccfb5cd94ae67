// Every page in a real browser, over a real node: at two widths, dark and light;
// no errors in the console, nothing that axe-core finds, nothing too wide.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { browserPath, launch, logIn, node } from "./browser.mjs";

if (!browserPath()) {
  console.error("SKIPPED: Chromium is not there (apt-get install chromium, or name it in CHROMIUM). No page was looked at.");
  process.exit(process.env.VIA_E2E === "required" ? 1 : 0);
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SHOTS = new URL("../shots/", import.meta.url).pathname;
const SIZES = { desk: { width: 1360, height: 860 }, phone: { width: 390, height: 844 } };
const THEMES = ["dark", "light"];
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const problems = [];
const say = (where, what) => {
  problems.push(`${where}: ${what}`);
  console.error(`  ${where}: ${what}`);
};
mkdirSync(SHOTS, { recursive: true });

/** Asks the node as the page does, with its cookie. */
const ask = (page, path) => page.evaluate(async (to) => (await fetch(to)).json(), path);

async function pagesOf(page, isOperator) {
  if (isOperator) {
    const tabs = ["tenants", "users", "roles", "keys", "audit", "review"].map((tab) => [`admin-${tab}`, `#/admin/${tab}`]);
    return [["cluster", "#/cluster"], ...tabs, ["account", "#/account"]];
  }
  const { items } = await ask(page, "/api/v1/detections?limit=1&sort=score");
  const [worst] = items;
  if (!worst) throw new Error("the node has detected nothing");
  const tabs = ["users", "roles", "keys", "usage", "muted", "audit", "review"].map((tab) => [`admin-${tab}`, `#/admin/${tab}`]);
  const stream = `#/streams/${encodeURIComponent(worst.stream)}`;
  return [
    ["now", "#/"], ["detections", "#/detections"], ["detections-filtered", "#/detections?severity=critical&sort=score"], ["detection", `#/detections/${worst.id}`],
    ["streams", "#/streams"], ["stream", stream], ["stream-config", `${stream}/config`], ["stream-history", `${stream}/history`],
    ["entity", `${stream}/entities/${encodeURIComponent(worst.entity)}`], ["live", "#/live"], ...tabs, ["account", "#/account"], ["nowhere", "#/detections/d0-0-0"],
  ];
}

async function look(page, where, shot) {
  await page.waitForFunction(() => !document.querySelector("[aria-busy]") && document.querySelector("h1"), null, { timeout: 15_000 });
  // A chart paints in the frame after its data.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 1) say(where, `it is ${wide} px wider than its window`);
  const broken = await page.evaluate(() => [...document.querySelectorAll('[role="alert"] strong')].map((node) => node.textContent));
  if (broken.length > 0 && !where.includes("nowhere")) say(where, `it shows a failure: ${broken}`);
  await page.evaluate(AXE);
  const found = await page.evaluate((tags) => globalThis.axe.run(document, { runOnly: tags }), TAGS);
  for (const item of found.violations) say(where, `${item.id}: ${item.help} (${item.nodes.slice(0, 3).map((it) => `${it.target} ${it.any[0]?.message ?? ""}`).join("; ")})`);
  await page.screenshot({ path: `${SHOTS}${shot}.png`, fullPage: true });
}

async function tour(browser, target, isOperator) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of THEMES) {
      const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce" });
      const page = await context.newPage();
      let where = "login";
      page.on("console", (message) => {
        const isExpected = /status of (401|404|409)/.test(message.text());
        if (message.type() === "error" && !isExpected) say(where, message.text());
      });
      page.on("pageerror", (error) => say(where, error.message));
      const who = isOperator ? "operator" : "admin";
      if (!isOperator) {
        await page.goto(target.url);
        await look(page, `login ${size} ${colorScheme}`, `login-${size}-${colorScheme}`);
      }
      await logIn(page, target.url, isOperator ? target.operator : target.admin, isOperator);
      for (const [name, hash] of await pagesOf(page, isOperator)) {
        where = `${who} ${name} ${size} ${colorScheme}`;
        await page.goto(`${target.url}/${hash}`);
        await look(page, where, `${who}-${name}-${size}-${colorScheme}`);
      }
      await context.close();
      console.log(`${who}, ${size}, ${colorScheme}: looked at`);
    }
  }
}

/** What a page does, not only how it looks. */
async function deeds(browser, target) {
  const page = await (await browser.newContext({ viewport: SIZES.desk })).newPage();
  await logIn(page, target.url, target.admin);
  const times = [];
  for (let turn = 0; turn < 3; turn += 1) {
    await page.reload();
    await page.locator(".stories, .heat").first().waitFor();
    times.push(await page.evaluate(() => performance.now()));
  }
  const first = times.sort((a, b) => a - b)[1];
  console.log(`the first screen with data after ${Math.round(first)} ms`);
  if (first > 1000) say("deeds", `the first screen took ${Math.round(first)} ms`);

  // By keyboard alone: from the list to a detection.
  await page.goto(`${target.url}/#/detections`);
  await page.locator(".line a").first().focus();
  await page.keyboard.press("ArrowDown");
  await page.waitForFunction(() => document.activeElement?.closest('[data-row="1"]'));
  await page.keyboard.press("Enter");
  await page.waitForURL(/#\/detections\/d/);

  // What is said of a detection is kept, and can be taken back.
  const sure = page.getByRole("button", { name: "Acknowledge" });
  await sure.click();
  await page.waitForFunction(() => document.querySelector('button[aria-pressed="true"]')?.textContent === "Acknowledge");
  await sure.click();
  await page.waitForFunction(() => !document.querySelector('main button[aria-pressed="true"]'));

  // A change is tried before it is made, and a wrong one is named.
  const { items } = await ask(page, "/api/v1/streams");
  await page.goto(`${target.url}/#/streams/${items[0].name}/config`);
  const field = page.getByLabel(/^warmup events/);
  await field.fill((await field.inputValue()) === "25" ? "26" : "25");
  await field.press("Tab");
  await page.getByText("What would change").waitFor();
  await page.getByLabel("Why").fill("a test of the page");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText(/Saved as revision/).waitFor();
  await page.goto(`${target.url}/#/streams/${items[0].name}/history`);
  await page.getByText("a test of the page").first().waitFor();

  // A record of the audit log is proved in the browser.
  await page.goto(`${target.url}/#/admin/audit`);
  await page.getByRole("button", { name: "Check" }).first().click();
  await page.getByText(/^proved/).waitFor();

  await page.goto(`${target.url}/#/account`);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { name: "Log in to VIA" }).waitFor();
  console.log("deeds: done");
}

/** Users, keys, roles and muted entities are made, changed and taken away again. */
async function offices(browser, target) {
  const page = await (await browser.newContext({ viewport: SIZES.desk })).newPage();
  await logIn(page, target.url, target.admin);
  const name = `x${Date.now().toString(36)}`;
  const row = () => page.getByRole("row").filter({ hasText: name });
  const press = (title) => page.getByRole("button", { name: title, exact: true });
  const answer = (title) => page.locator("dialog[open]").getByRole("button", { name: title, exact: true }).click();
  const gone = () => row().waitFor({ state: "detached" });

  await page.goto(`${target.url}/#/admin/users`);
  await press("New user").click();
  await page.getByLabel("Login").fill(name);
  await page.locator("dialog[open]").getByLabel("viewer").check();
  await answer("Make");
  await row().getByRole("button", { name: "New password" }).click();
  await answer("Draw it");
  await page.getByText(`The new password of ${name}`).waitFor();
  await row().getByRole("button", { name: "Change" }).click();
  await page.getByLabel("may log in").uncheck();
  await answer("Save");
  await row().getByText("locked out").waitFor();
  await row().getByRole("button", { name: "Forget" }).click();
  await answer("Forget");
  await gone();

  await page.goto(`${target.url}/#/admin/keys`);
  await press("New key").click();
  await page.locator("dialog[open]").getByLabel("Name").fill(name);
  await answer("Make it");
  await row().getByRole("button", { name: "Replace" }).click();
  await answer("Replace");
  await page.getByText(`The new key ${name}`).waitFor();
  await row().getByRole("button", { name: "Revoke" }).click();
  await answer("Revoke");
  await gone();

  await page.goto(`${target.url}/#/admin/roles`);
  await press("viewer").click();
  await page.getByLabel("audit:read").check();
  await press("Save as a new role").click();
  await page.getByLabel("Name").fill(name);
  await answer("Save");
  await page.getByLabel("audit:read").uncheck();
  await press("Save").first().click();
  await answer("Save");
  await page.locator("dialog[open]").waitFor({ state: "detached" });
  await press(`Take away ${name}`).click();
  await answer("Take away");
  await press(`${name} *`).waitFor({ state: "detached" });

  await page.goto(`${target.url}/#/admin/muted`);
  await press("Mute an entity").click();
  await page.getByLabel("Entity", { exact: true }).fill(name);
  await page.getByLabel("Why", { exact: true }).fill("a test of the page");
  await answer("Mute");
  await row().getByRole("button", { name: "Take away" }).click();
  await answer("Take away");
  await gone();
  console.log("offices: done");
}

/** A tenant to whom nothing was sent: told how, and shown it by itself. */
async function beginnings(browser, target) {
  const page = await (await browser.newContext({ viewport: SIZES.desk })).newPage();
  await logIn(page, target.url, target.operator, true);
  await page.goto(`${target.url}/#/admin/tenants`);
  const name = `t${Date.now().toString(36)}`;
  await page.getByRole("button", { name: "New tenant" }).click();
  const dialog = page.getByRole("dialog", { name: "A new tenant" });
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByLabel(/login/).fill("admin");
  await dialog.getByRole("button", { name: "Make it" }).click();
  const password = await page.locator(".secret code").textContent();
  await page.goto(`${target.url}/#/account`);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Tenant", { exact: true }).fill(name);
  await logIn(page, target.url, password);
  await page.goto(`${target.url}/#/`);
  await page.getByRole("heading", { name: "Nothing has been sent yet" }).waitFor();
  await look(page, "empty tenant", "empty-desk");
  await page.getByRole("button", { name: "Make a key for it" }).click();
  await page.getByText("The key is shown this once").waitFor();
  const key = (await page.locator("pre").textContent()).match(/via_key_\w+/)[0];
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const sent = await fetch(`${target.url}/api/v1/streams/web/events`, { method: "POST", headers, body: '{"entity": "host-1", "value": 12.5}' });
  if (!sent.ok) say("empty tenant", `its first event is answered ${sent.status}: ${await sent.text()}`);
  await page.getByRole("heading", { name: "Nothing has been sent yet" }).waitFor({ state: "hidden" });
  await page.getByRole("heading", { name: "Nothing is wrong now" }).waitFor();
  console.log("beginnings: done");
}

const target = await node();
const browser = await launch();
try {
  await deeds(browser, target);
  await offices(browser, target);
  if (target.operator) await beginnings(browser, target);
  await tour(browser, target, false);
  if (target.operator) await tour(browser, target, true);
} finally {
  await browser.close();
  await target.stop();
}
if (problems.length > 0) {
  console.error(`${problems.length} problems:\n${problems.join("\n")}`);
  process.exit(1);
}
console.log("every page was looked at: no problem was found");
