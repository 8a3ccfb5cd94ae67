/** What differs between Node.js and browsers: connections, names, files. */

import type { Answer } from "./errors.js";
import type { Settings } from "./settings.js";

/** One attempt. */
export interface Request {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string | undefined;
  timeout: number;
  /** Whether it may be sent again when a kept connection turns out to be closed. */
  mayReopen: boolean;
}

/** An answer that does not end. */
export interface Following {
  answer: Answer;
  /** Pieces of the body as they come; only of a 200. */
  pieces: AsyncIterable<string>;
  close(): void;
}

/** Nothing was answered; `isSent` tells whether anything may have arrived. */
export class NoAnswer extends Error {
  constructor(words: string, readonly isSent: boolean) {
    super(words);
  }
}

/** A name that one process holds at a time. */
export interface Slot {
  name: string;
  folder: string;
  release(): void;
}

/** A batch that is kept in a file. */
export interface Segment {
  path: string;
  stream: string;
  events: number;
  size: number;
  number: Numbered | undefined;
}

/** Producer, epoch and sequence. */
export type Numbered = readonly [number, number, number];

/** Files of sealed batches under one name. */
export interface Store {
  find(damaged: (path: string) => void): Segment[];
  write(stream: string, events: number, number: Numbered | undefined, body: string): Promise<Segment>;
  renumber(segment: Segment, number: Numbered): Promise<Segment>;
  read(segment: Segment): Promise<string | undefined>;
  remove(segment: Segment): Promise<void>;
}

/** What a platform offers. */
export interface Platform {
  defaults(): Pick<Settings, "urls" | "key" | "producer">;
  userAgent: string | undefined;
  connect(settings: Settings): Connections;
  hold(name: string, settings: Settings): Slot;
  /** Names under which something was left and that nobody holds. */
  orphans(slot: Slot, settings: Settings): Slot[];
  store(folder: string): Store;
  atExit(close: () => Promise<unknown>): () => void;
  /** Lets the process end while this timer waits. */
  unref(timer: ReturnType<typeof setTimeout>): void;
}

/** A platform's connections. */
export interface Connections {
  ask(request: Request): Promise<Answer>;
  follow(request: Request): Promise<Following>;
  close(): void;
}
