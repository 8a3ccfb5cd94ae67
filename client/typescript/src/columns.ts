/** Many events at once, from columns to NDJSON. */

import { stamp } from "./encode.js";
import type { Columns } from "./types.js";

/** Most events of one part; the node commits that many at a time. */
export const PART = 16_384;

/** Yields the NDJSON of each part; `mustIdentify`: with a random id for what has none. */
export function* parts(columns: Columns, mustIdentify = false): Generator<string, void, undefined> {
  const { entity, value, timestamp, uniqueId } = columns;
  const values = Object.entries(columns.values ?? {});
  const attributes = Object.entries(columns.attributes ?? {});
  const all = [entity, value, timestamp, uniqueId, ...values.map(([, column]) => column),
    ...attributes.map(([, column]) => column)].filter((column) => column !== undefined);
  const length = all[0]?.length ?? 0;
  if (entity === undefined && attributes.length === 0) {
    throw new TypeError("entity is needed, or attributes to derive it from");
  }
  if (all.some((column) => column.length !== length)) throw new TypeError("columns differ in length");
  // Random once for all of them: a part that is repeated is recognised.
  const ofAll = mustIdentify && uniqueId === undefined ? globalThis.crypto.randomUUID() : undefined;
  for (let start = 0; start < length; start += PART) {
    let body = "";
    const end = Math.min(start + PART, length);
    for (let row = start; row < end; row++) {
      let text = "";
      if (entity !== undefined) text += `,"entity":${JSON.stringify(String(entity[row]))}`;
      if (timestamp !== undefined) text += `,"timestamp":${stamp(timestamp[row]!)}`;
      if (value !== undefined) text += `,"value":${finite(value[row]!)}`;
      if (uniqueId !== undefined) text += `,"unique_id":${JSON.stringify(uniqueId[row])}`;
      else if (ofAll !== undefined) text += `,"unique_id":"${ofAll}-${row}"`;
      if (values.length > 0) text += `,"values":{${members(values, row)}}`;
      if (attributes.length > 0) text += `,"attributes":{${members(attributes, row)}}`;
      body += `{${text.slice(1)}}\n`;
    }
    yield body;
  }
}

function members(columns: [string, ArrayLike<string | number | boolean>][], row: number): string {
  return columns.map(([name, column]) => {
    const item = column[row];
    return `${JSON.stringify(name)}:${typeof item === "number" ? finite(item) : JSON.stringify(item)}`;
  }).join(",");
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new TypeError("a value is not finite");
  return value;
}
