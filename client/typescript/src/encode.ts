/** One event as one line of NDJSON. Called for every event, so it is short. */

import type { More } from "./types.js";

/** An event that can never be sent. */
export class Invalid extends Error {}

const SURROGATE = /(?:^|[^\\])(?:\\\\)*\\ud[89a-f]/;

/** Encodes an event, without a line end; throws `Invalid`. */
export function line(entity: string | number | undefined, value: number, more?: More): string {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new Invalid("value is not finite");
  const at = more?.timestamp === undefined ? String(Date.now() * 1_000) : stamp(more.timestamp);
  let text = entity === undefined
    ? `{"timestamp":${at},"value":${value}`
    : `{"entity":${JSON.stringify(String(entity))},"timestamp":${at},"value":${value}`;
  if (more !== undefined) {
    if (more.uniqueId !== undefined) text += `,"unique_id":${JSON.stringify(String(more.uniqueId))}`;
    if (more.attributes !== undefined) text += `,"attributes":${JSON.stringify(more.attributes)}`;
    if (more.values !== undefined) text += `,"values":${numbers(more.values)}`;
  }
  // A lone half of a surrogate pair is written as an escape, which no reader takes.
  if (text.includes("\\ud") && SURROGATE.test(text)) throw new Invalid("text is no Unicode");
  return text + "}";
}

/** Counts the bytes that a text has as UTF-8. */
export function bytes(text: string): number {
  let count = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit > 0x7f) {
      // Each half of a pair makes two of its four bytes.
      count += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
    }
  }
  return count;
}

/** Writes a time as JSON. */
export function stamp(timestamp: Date | string | number | bigint): string {
  if (typeof timestamp === "string") return JSON.stringify(timestamp);
  if (typeof timestamp === "bigint") return String(timestamp);
  const number = typeof timestamp === "number" ? timestamp : timestamp.getTime() * 1_000;
  if (!Number.isFinite(number)) throw new Invalid("timestamp is not finite");
  return String(number);
}

function numbers(values: Record<string, number>): string {
  for (const value of Object.values(values)) {
    if (!Number.isFinite(value)) throw new Invalid("a value is not finite");
  }
  return JSON.stringify(values);
}
