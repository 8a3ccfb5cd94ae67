/**
 * Events that were captured and are not settled: bounded, batched by stream.
 * Owns the counters, so that what was captured is always accounted for.
 */

import { bytes } from "./encode.js";
import type { Platform } from "./platform.js";
import type { Settings } from "./settings.js";
import type { Loss, State } from "./types.js";

/** Events of one stream; frozen once it is sealed. */
export class Batch {
  lines: string[] = [];
  /** How many of the first lines were dropped. */
  head = 0;
  bytes = 0;
  isTaken = false;
  isSettled = false;

  constructor(readonly stream: string, readonly since: number) {}

  get events(): number {
    return this.lines.length - this.head;
  }

  body(): string {
    return (this.head === 0 ? this.lines : this.lines.slice(this.head)).join("\n");
  }
}

interface Waiting {
  stream: string;
  line: string;
  size: number;
  resolve: () => void;
  timer: ReturnType<typeof setTimeout>;
}

/** Hands batches from those who capture to those who send. */
export class Buffer {
  captured = 0;
  recovered = 0;
  accepted = 0;
  duplicates = 0;
  refused = 0;
  repeats = 0;
  batches = 0;
  readonly lost: Partial<Record<Loss, number>> = {};
  lastError = "";
  /** Events that are in the spool. */
  elsewhere = 0;
  closedAs: Loss | undefined;

  readonly #open = new Map<string, Batch>();
  readonly #ready: Batch[] = [];
  readonly #live = new Set<Batch>();
  readonly #takers: (() => void)[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #settled = new Set<() => void>();
  #events = 0;
  #bytes = 0;
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly settings: Settings, private readonly platform: Platform) {}

  /** Takes an event, or counts it as lost; a promise only under `block`. */
  add(stream: string, line: string): Promise<void> | undefined {
    const size = bytes(line) + 1;
    this.captured += 1;
    if (this.closedAs !== undefined) return this.lose(this.closedAs, 1);
    if (size > this.settings.batchBytes) return this.lose("invalid", 1);
    if (this.#isFull(size) || this.#waiting.length > 0) {
      if (typeof this.settings.overflow === "object") return this.#wait(stream, line, size);
      if (!this.#makeRoom(size)) return this.lose("overflow", 1);
    }
    this.#push(stream, line, size);
    return undefined;
  }

  /** Counts an event that cannot be encoded. */
  invalid(): undefined {
    this.captured += 1;
    return this.lose("invalid", 1);
  }

  /** Counts a loss. */
  lose(reason: Loss, events: number): undefined {
    this.lost[reason] = (this.lost[reason] ?? 0) + events;
    return undefined;
  }

  /** Waits for a batch that is due; none once the buffer has ended. */
  async take(): Promise<Batch | undefined> {
    for (;;) {
      const batch = this.#ready.shift();
      if (batch !== undefined) {
        batch.isTaken = true;
        return batch;
      }
      if (this.closedAs !== undefined && this.#open.size === 0) return undefined;
      await new Promise<void>((resolve) => this.#takers.push(resolve));
    }
  }

  /** Forgets a batch; its outcome has been counted. */
  settle(batch: Batch): void {
    if (batch.isSettled) return;
    batch.isSettled = true;
    this.#live.delete(batch);
    this.#events -= batch.events;
    this.#bytes -= batch.bytes;
    this.#admit();
    this.notify();
  }

  /** Forgets a batch that is in the spool now. */
  move(batch: Batch): void {
    this.elsewhere += batch.events;
    this.settle(batch);
  }

  /** Seals what is open and returns every batch that is not settled. */
  sealAll(): Batch[] {
    for (const batch of [...this.#open.values()]) this.#seal(batch);
    return [...this.#live];
  }

  /** Waits until something holds, asking whenever something was settled. */
  async waitUntil(holds: () => boolean, until: number): Promise<boolean> {
    while (!holds()) {
      const left = until - Date.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          this.#settled.delete(done);
          resolve();
        };
        // This timer keeps the process alive: somebody waits.
        const timer = setTimeout(done, left);
        this.#settled.add(done);
      });
    }
    return true;
  }

  /** Lets those who wait for a settlement ask again. */
  notify(): void {
    for (const done of [...this.#settled]) done();
  }

  /** Takes nothing more. */
  stop(reason: Loss): void {
    this.closedAs ??= reason;
    for (const waiting of this.#waiting.splice(0)) this.#refuse(waiting, this.closedAs);
    this.#wake();
  }

  /** Counts what is held as lost: all of it, or what nobody is sending. */
  abandon(reason: Loss, which: "all" | "waiting"): void {
    for (const batch of [...this.#live]) {
      if (which === "waiting" && batch.isTaken) continue;
      this.lose(reason, batch.events);
      this.settle(batch);
    }
    this.#open.clear();
    this.#ready.length = 0;
    clearTimeout(this.#linger);
    this.#wake();
  }

  /** Copies the counters. */
  state(): State {
    const { captured, recovered, accepted, duplicates, refused, repeats, batches, lastError } = this;
    const pending = this.#events + this.elsewhere + this.#waiting.length;
    return { captured, recovered, pending, accepted, duplicates, refused, repeats, batches,
      lost: { ...this.lost }, lastError };
  }

  #isFull(size: number): boolean {
    return this.#events >= this.settings.queueEvents || this.#bytes + size > this.settings.queueBytes;
  }

  #push(stream: string, line: string, size: number): void {
    let batch = this.#open.get(stream);
    if (batch !== undefined && batch.bytes + size > this.settings.batchBytes) {
      this.#seal(batch);
      batch = undefined;
    }
    if (batch === undefined) {
      batch = new Batch(stream, Date.now());
      this.#open.set(stream, batch);
      this.#live.add(batch);
      if (this.#open.size === 1) this.#schedule(this.settings.linger);
    }
    batch.lines.push(line);
    batch.bytes += size;
    this.#events += 1;
    this.#bytes += size;
    if (batch.events >= this.settings.batchEvents) this.#seal(batch);
  }

  #seal(batch: Batch): void {
    if (this.#open.get(batch.stream) === batch) this.#open.delete(batch.stream);
    this.#ready.push(batch);
    this.#takers.shift()?.();
  }

  #schedule(wait: number): void {
    clearTimeout(this.#linger);
    this.#linger = setTimeout(() => this.#sealDue(), wait);
    this.platform.unref(this.#linger);
  }

  #sealDue(): void {
    const now = Date.now();
    let next = Infinity;
    for (const batch of [...this.#open.values()]) {
      const left = batch.since + this.settings.linger - now;
      if (left <= 0) this.#seal(batch);
      else next = Math.min(next, left);
    }
    if (next !== Infinity) this.#schedule(next);
  }

  #wake(): void {
    for (const taker of this.#takers.splice(0)) taker();
  }

  #makeRoom(size: number): boolean {
    if (this.settings.overflow === "drop_newest" || size > this.settings.queueBytes) return false;
    while (this.#isFull(size)) {
      if (!this.#dropOldest()) return false;
    }
    return true;
  }

  #dropOldest(): boolean {
    for (const batch of this.#live) {
      if (batch.isTaken) continue;
      const dropped = bytes(batch.lines[batch.head]!) + 1;
      batch.lines[batch.head] = "";
      batch.head += 1;
      batch.bytes -= dropped;
      this.#events -= 1;
      this.#bytes -= dropped;
      this.lose("overflow", 1);
      if (batch.events === 0) {
        if (this.#open.get(batch.stream) === batch) this.#open.delete(batch.stream);
        else this.#ready.splice(this.#ready.indexOf(batch), 1);
        this.settle(batch);
      }
      return true;
    }
    return false;
  }

  #wait(stream: string, line: string, size: number): Promise<void> | undefined {
    const { overflow, queueEvents } = this.settings;
    // Whoever does not await the promise must not grow this without bound.
    if (typeof overflow !== "object" || this.#waiting.length >= queueEvents) return this.lose("overflow", 1);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        const at = this.#waiting.findIndex((other) => other.resolve === resolve);
        if (at >= 0) this.#refuse(this.#waiting.splice(at, 1)[0]!, "overflow");
      }, overflow.block);
      this.#waiting.push({ stream, line, size, resolve, timer });
    });
  }

  #refuse(waiting: Waiting, reason: Loss): void {
    clearTimeout(waiting.timer);
    this.lose(reason, 1);
    waiting.resolve();
  }

  #admit(): void {
    while (this.#waiting.length > 0 && !this.#isFull(this.#waiting[0]!.size)) {
      const { stream, line, size, resolve, timer } = this.#waiting.shift()!;
      clearTimeout(timer);
      this.#push(stream, line, size);
      resolve();
    }
  }
}
