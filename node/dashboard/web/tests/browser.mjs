// A browser and a node to look at: what the tests of pages share.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Returns where Chromium is; nothing when it is not there. */
export function browserPath() {
  return [process.env.CHROMIUM, ...PLACES].find((place) => place && existsSync(place));
}

export function launch() {
  return chromium.launch({ executablePath: browserPath(), args: ["--no-sandbox"] });
}

/** Starts a node with made-up traffic, or takes the one that is named. */
export async function node() {
  const { VIA_URL, VIA_PASSWORD, VIA_OPERATOR_PASSWORD, VIA_NODE_BIN } = process.env;
  if (VIA_URL) return { url: VIA_URL, admin: VIA_PASSWORD, operator: VIA_OPERATOR_PASSWORD, stop: async () => {} };
  const program = VIA_NODE_BIN ?? new URL("../../../../target/debug/via-node", import.meta.url).pathname;
  if (!existsSync(program)) throw new Error(`${program} is not there: build it, or name one in VIA_NODE_BIN`);
  const folder = mkdtempSync(join(tmpdir(), "via-pages-"));
  const child = spawn(program, ["demo", "--port", "0", "--data-dir", join(folder, "data")], { env: { ...process.env, NO_COLOR: "1" } });
  let said = "";
  const told = new Promise((resolve, reject) => {
    const hear = (bytes) => {
      said += bytes;
      if (said.includes("live from now on")) resolve();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("exit", (code) => reject(new Error(`the node ended (${code}):\n${said}`)));
  });
  await told;
  const find = (pattern) => said.match(pattern)?.[1];
  return {
    url: find(/running at (http:\S+)/),
    admin: find(/administrator of the tenant "default":\s+admin\s+(\S+)/),
    operator: find(/operator of the platform:\s+admin\s+(\S+)/),
    stop: async () => {
      const ended = new Promise((resolve) => child.on("close", resolve));
      child.removeAllListeners("exit");
      child.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function logIn(page, url, password, isOperator = false) {
  // Where the form is already, it may be filled in.
  if (!(await page.getByLabel("Password").isVisible())) await page.goto(url);
  if (isOperator) await page.getByRole("button", { name: "Operator of the platform" }).click();
  await page.getByLabel("User").fill("admin");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("navigation", { name: "Pages" }).waitFor();
}
