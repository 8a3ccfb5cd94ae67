/** Sealed batches as files, so that they survive the process. Owns their form. */

import * as fs from "node:fs";
import * as path from "node:path";

import type { Numbered, Segment, Store } from "./platform.js";

/** The batches of one name. */
export class Files implements Store {
  #next = 1;

  constructor(private readonly folder: string) {}

  find(damaged: (path: string) => void): Segment[] {
    const found: Segment[] = [];
    for (const name of fs.readdirSync(this.folder).filter((file) => file.endsWith(".batch")).sort()) {
      const file = path.join(this.folder, name);
      this.#next = Math.max(this.#next, Number.parseInt(name, 10) + 1);
      const read = decode(file, fs.readFileSync(file));
      if (read === undefined) {
        fs.renameSync(file, file.replace(/\.batch$/, ".damaged"));
        damaged(file);
      } else {
        found.push(read[0]);
      }
    }
    return found;
  }

  async write(stream: string, events: number, number: Numbered | undefined, body: string): Promise<Segment> {
    const file = path.join(this.folder, `${String(this.#next++).padStart(20, "0")}.batch`);
    return put(file, stream, events, number, Buffer.from(body));
  }

  async renumber(segment: Segment, number: Numbered): Promise<Segment> {
    const read = decode(segment.path, await fs.promises.readFile(segment.path));
    if (read === undefined) throw new Error(`${segment.path} changed on disk`);
    return put(segment.path, segment.stream, segment.events, number, read[1]);
  }

  async read(segment: Segment): Promise<string | undefined> {
    const read = decode(segment.path, await fs.promises.readFile(segment.path));
    if (read !== undefined) return read[1].toString();
    await fs.promises.rename(segment.path, segment.path.replace(/\.batch$/, ".damaged"));
    return undefined;
  }

  async remove(segment: Segment): Promise<void> {
    await fs.promises.rm(segment.path, { force: true });
  }
}

async function put(file: string, stream: string, events: number, number: Numbered | undefined,
  body: Uint8Array): Promise<Segment> {
  const [producer, epoch, sequence] = number ?? [0, 0, 0];
  const head = Buffer.from(`${body.length} ${producer} ${epoch} ${sequence} ${events} ${stream}\n`);
  const rest = Buffer.concat([head, body]);
  const crc = crc32(rest).toString(16).padStart(8, "0");
  const data = Buffer.concat([Buffer.from(`via-spool 1 ${crc} `), rest]);
  const beside = file.replace(/\.batch$/, ".new");
  await fs.promises.writeFile(beside, data);
  await fs.promises.rename(beside, file);
  return { path: file, stream, events, size: data.length, number };
}

function decode(file: string, data: Buffer): [Segment, Buffer] | undefined {
  const end = data.indexOf("\n");
  const words = data.subarray(0, Math.max(end, 0)).toString().split(" ");
  const [magic, form, crc, length, producer, epoch, sequence, events, stream] = words;
  const body = data.subarray(end + 1);
  if (magic !== "via-spool" || form !== "1" || words.length !== 9 || stream === undefined) return undefined;
  if (Number(length) !== body.length || Number.parseInt(crc!, 16) !== crc32(data.subarray(21))) return undefined;
  const number = Number(sequence) === 0 ? undefined : [Number(producer), Number(epoch), Number(sequence)] as const;
  return [{ path: file, stream, events: Number(events), size: data.length, number }, body];
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let word = byte;
  for (let bit = 0; bit < 8; bit++) word = word & 1 ? (word >>> 1) ^ 0xedb88320 : word >>> 1;
  return word >>> 0;
});

/** The CRC-32 of IEEE 802.3. */
export function crc32(bytes: Uint8Array): number {
  let word = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) word = TABLE[(word ^ bytes[at]!) & 0xff]! ^ (word >>> 8);
  return (word ^ 0xffffffff) >>> 0;
}
