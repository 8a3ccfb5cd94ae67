/** Names that one process holds at a time, by files that say whose they are. */

import * as fs from "node:fs";
import { tmpdir, userInfo } from "node:os";
import * as path from "node:path";

import type { Slot } from "./platform.js";

/** Names tried before giving up. */
const MOST = 4_096;
/** When this process began, the same in all of its threads within a second. */
const BEGAN = Math.round(Date.now() / 1_000 - process.uptime());

/** Takes the first of NAME, NAME.1, NAME.2 … that is free. */
export function hold(name: string, spoolDir: string | undefined): Slot {
  for (let nth = 0; nth < MOST; nth++) {
    const slot = tryHold(nth === 0 ? name : `${name}.${nth}`, root(spoolDir));
    if (slot !== undefined) return slot;
  }
  throw new Error(`${MOST} processes hold names like ${name}`);
}

/** Takes every free name under which a Node.js process left batches. */
export function orphans(own: Slot, spoolDir: string | undefined): Slot[] {
  const under = root(spoolDir);
  const found: Slot[] = [];
  for (const name of fs.readdirSync(under).sort()) {
    const folder = path.join(under, name);
    if (folder === own.folder || !fs.existsSync(path.join(folder, "holder"))) continue;
    if (!fs.readdirSync(folder).some((file) => file.endsWith(".batch"))) continue;
    const slot = tryHold(name, under);
    if (slot !== undefined) found.push(slot);
  }
  return found;
}

function root(spoolDir: string | undefined): string {
  return spoolDir ?? path.join(tmpdir(), `via-sdk-${userInfo().uid}`);
}

function tryHold(name: string, under: string): Slot | undefined {
  const folder = path.join(under, name);
  const file = path.join(folder, "holder");
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const own = `${process.pid} ${BEGAN} ${Math.random()}`;
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      fs.writeFileSync(file, own, { flag: "wx", mode: 0o600 });
      return { name, folder, release: () => release(file, own) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    if (!isLeft(file)) return undefined;
    // Whoever renames it first may take it; the other finds it gone or anew.
    const aside = `${file}.${process.pid}.${Math.random()}`;
    try {
      fs.renameSync(file, aside);
      fs.unlinkSync(aside);
    } catch {
      return undefined;
    }
  }
  return undefined;
}

function release(file: string, own: string): void {
  try {
    // The file stays: it says that the folder is one of this language.
    if (fs.readFileSync(file, "utf8") === own) fs.writeFileSync(file, "free");
  } catch {
    // It is gone already.
  }
}

function isLeft(file: string): boolean {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch {
    return false;
  }
  const [pid, began] = text.split(" ").map(Number);
  if (pid === undefined || !(pid > 0)) return text !== "";
  if (pid === process.pid) return Math.abs((began ?? 0) - BEGAN) > 2;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
