/**
 * Sends batches under numbers, again and again until they are settled. Owns the
 * producer's name and the spool; knows nothing of how events are captured.
 */

import type { Batch, Buffer } from "./buffer.js";
import { Rejected, Retry, Unknown, ViaError } from "./errors.js";
import type { Numbered, Platform, Segment, Slot, Store } from "./platform.js";
import type { Settings } from "./settings.js";
import type { Loss, Refusal, Written } from "./types.js";
import { Patience, type Wire } from "./wire.js";

/** The answer to a batch. */
interface Counts extends Written {
  refusals?: Refusal[];
}

/** The client was closed while a batch was being sent. */
export class Stopped extends Error {}

/** The producer's name, and the numbers given under it. */
class Numbering {
  #identity: readonly [number, number] | undefined;
  #opening: Promise<void> | undefined;
  #sequence = 0;

  constructor(private readonly name: string, private readonly wire: Wire) {}

  /** Gives the next number, if the name is open. */
  next(): Numbered | undefined {
    return this.#identity && [...this.#identity, ++this.#sequence];
  }

  /** Says whether a number belongs to the identity that is open now. */
  holds(number: Numbered | undefined): boolean {
    return number !== undefined && this.#identity !== undefined
      && number[0] === this.#identity[0] && number[1] === this.#identity[1];
  }

  /** Opens the name, unless it is open under another identity than that number's. */
  open(unlike?: Numbered): Promise<void> {
    if (this.#identity !== undefined && !this.holds(unlike)) return Promise.resolve();
    this.#opening ??= this.#open().finally(() => { this.#opening = undefined; });
    return this.#opening;
  }

  async #open(): Promise<void> {
    const answer = await this.wire.call("POST", "/api/v1/producers", JSON.stringify({ name: this.name }),
      { "Content-Type": "application/json" });
    const opened = parse(answer) as { producer?: unknown; epoch?: unknown };
    if (typeof opened.producer !== "number" || typeof opened.epoch !== "number") throw unreadable();
    this.#identity = [opened.producer, opened.epoch];
    this.#sequence = 0;
  }
}

/** Loops between a buffer and the nodes. */
export class Sender {
  #slot: Slot | undefined;
  #store: Store | undefined;
  #numbering: Numbering | undefined;
  #recovered: Promise<void> = Promise.resolve();
  #hasRecovered = true;
  #isStopped = false;
  readonly #sleepers = new Set<() => void>();
  /** Batches of the spool that wait, oldest first, and those who wait for one. */
  readonly #spooled: Segment[] = [];
  readonly #takers: (() => void)[] = [];
  readonly #roomers: (() => void)[] = [];
  #spooledBytes = 0;

  constructor(private readonly settings: Settings, private readonly buffer: Buffer,
    private readonly wire: Wire, private readonly platform: Platform) {}

  /** Takes a name and begins to send. */
  start(): void {
    const { settings, platform } = this;
    if (settings.producer !== false) {
      this.#slot = platform.hold(settings.producer, settings);
      this.#numbering = new Numbering(this.#slot.name, this.wire);
      if (settings.spoolDir !== undefined) {
        this.#store = platform.store(this.#slot.folder);
        const left = this.#store.find((path) => this.#damaged(path));
        this.#found(left);
        this.#hasRecovered = false;
        this.#recovered = this.#recover(left);
        this.#recovered.catch(() => undefined);
        void this.#guard(this.#fillSpool());
      }
    }
    for (let nth = 0; nth < settings.inFlight; nth++) {
      void this.#guard(this.#store ? this.#sendSpooled() : this.#sendBuffered());
    }
  }

  /** Ends the loops. */
  stop(): void {
    this.#isStopped = true;
    for (const wake of [...this.#sleepers]) wake();
    for (const wake of [...this.#takers.splice(0), ...this.#roomers.splice(0)]) wake();
    this.#slot?.release();
  }

  /** Repeats a batch until it is answered; throws what gave it up, or `Stopped`. */
  async deliver(path: string, number: Numbered | undefined, body: string, until?: number): Promise<Counts> {
    const patience = new Patience(this.settings, this.wire);
    const headers: Record<string, string> = { "Content-Type": "application/x-ndjson" };
    if (number !== undefined) {
      headers["X-Via-Producer"] = String(number[0]);
      headers["X-Via-Epoch"] = String(number[1]);
      headers["X-Via-Sequence"] = String(number[2]);
    }
    const lost = Object.entries(this.buffer.lost);
    if (lost.length > 0) headers["X-Via-Lost"] = lost.map(([why, count]) => `${why}=${count}`).join(",");
    let inDoubt = false;
    for (;;) {
      try {
        return counts(await this.wire.call("POST", path, body, headers));
      } catch (error) {
        if (!(error instanceof ViaError)) throw error;
        this.tell(error);
        if (error.code === "sequence_too_old") throw error;
        inDoubt ||= error.isAfterLost;
        if (error instanceof Rejected) {
          if (!inDoubt) throw error;
          // A refusal tells nothing of the attempt before it.
          throw new Unknown(error.detail, error);
        }
        inDoubt ||= !(error instanceof Retry);
        await this.#pause(patience.after(error), until, error);
        this.buffer.repeats += 1;
      }
    }
  }

  /** Gives the next number, opening the name first where it is not open. */
  async numbered(until?: number): Promise<Numbered | undefined> {
    const numbering = this.#numbering;
    if (numbering === undefined) return undefined;
    await this.#recovered;
    return this.#next(numbering, until);
  }

  /** Remembers a failure and tells it to whoever asked. */
  tell(error: ViaError): void {
    this.buffer.lastError = error.message;
    try {
      this.settings.onError?.(error);
    } catch {
      // The caller's own failure ends nothing here.
    }
  }

  /** Waits, but no longer than the client lives; keeps the process alive if told so. */
  sleep(millis: number, isAwaited: boolean): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#sleepers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, millis);
      if (!isAwaited) this.platform.unref(timer);
      this.#sleepers.add(wake);
    });
  }

  async #next(numbering: Numbering, until?: number): Promise<Numbered> {
    for (;;) {
      const number = numbering.next();
      if (number !== undefined) return number;
      await this.#persist(() => numbering.open(), until);
    }
  }

  async #persist(attempt: () => Promise<void>, until?: number): Promise<void> {
    const patience = new Patience(this.settings, this.wire);
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof ViaError)) throw error;
        this.tell(error);
        await this.#pause(patience.after(error), until, error);
      }
    }
  }

  async #pause(millis: number, until: number | undefined, error: ViaError): Promise<void> {
    if (until !== undefined && Date.now() + millis > until) throw error;
    await this.sleep(millis, until !== undefined);
    if (this.#isStopped) throw new Stopped();
  }

  async #guard(loop: Promise<void>): Promise<void> {
    try {
      await loop;
    } catch (error) {
      if (error instanceof Stopped) return;
      this.tell(new ViaError(`the client failed: ${String(error)}`, { code: "local" }));
    }
  }

  async #sendBuffered(): Promise<void> {
    let batch: Batch | undefined;
    while ((batch = await this.buffer.take()) !== undefined) {
      const body = batch.body();
      const number = await this.numbered();
      const [answer, reason] = await this.#outcome(batch.stream, number, body);
      if (batch.isSettled) continue;
      this.#count(batch.events, answer, reason, body);
      this.buffer.settle(batch);
    }
  }

  async #outcome(stream: string, number: Numbered | undefined, body: string,
    keep?: (number: Numbered) => Promise<unknown>): Promise<[Counts | undefined, Loss]> {
    const path = `/api/v1/streams/${encodeURIComponent(stream)}/events`;
    for (;;) {
      try {
        return [await this.deliver(path, number, body), "rejected"];
      } catch (error) {
        if (!(error instanceof ViaError)) throw error;
        const numbering = this.#numbering;
        if (error.code === "never_opened" && numbering !== undefined && number !== undefined) {
          const forgotten = number;
          await this.#persist(() => numbering.open(forgotten));
          number = await this.#next(numbering);
          await keep?.(number);
          continue;
        }
        if (error.code === "fenced") {
          if (numbering === undefined || numbering.holds(number)) {
            this.buffer.stop("fenced");
            this.buffer.abandon("fenced", "waiting");
          }
          return [undefined, "fenced"];
        }
        return [undefined, error instanceof Rejected ? "rejected" : "unknown"];
      }
    }
  }

  #count(events: number, answer: Counts | undefined, reason: Loss, body: string): void {
    if (answer === undefined) {
      this.buffer.lose(reason, events);
      return;
    }
    this.buffer.batches += 1;
    this.buffer.accepted += answer.accepted;
    this.buffer.duplicates += answer.duplicates;
    this.buffer.refused += answer.refused;
    if (this.settings.onRefused === undefined || !answer.refusals?.length) return;
    const lines = body.split("\n");
    for (const refusal of answer.refusals) {
      try {
        this.settings.onRefused(refusal, lines[refusal.line - 1] ?? "");
      } catch {
        // The caller's own failure ends nothing here.
      }
    }
  }

  // The spool: sealed batches are files before they are sent.

  async #fillSpool(): Promise<void> {
    let batch: Batch | undefined;
    while ((batch = await this.buffer.take()) !== undefined) {
      const body = batch.body();
      if (!(await this.#makeRoom(batch.bytes + 256))) {
        this.buffer.lose("spool", batch.events);
        this.buffer.settle(batch);
        continue;
      }
      const number = this.#hasRecovered ? this.#numbering?.next() : undefined;
      try {
        const segment = await this.#store!.write(batch.stream, batch.events, number, body);
        this.buffer.move(batch);
        this.#spooledBytes += segment.size;
        this.#spooled.push(segment);
        this.#takers.shift()?.();
      } catch (error) {
        this.tell(new ViaError(`the spool cannot be written: ${String(error)}`, { code: "spool" }));
        this.buffer.lose("spool", batch.events);
        this.buffer.settle(batch);
      }
    }
  }

  async #makeRoom(size: number): Promise<boolean> {
    while (this.#spooledBytes + size > this.settings.spoolBytes) {
      if (this.settings.overflow === "drop_newest" || this.#isStopped) return false;
      if (this.settings.overflow === "drop_oldest") {
        const dropped = this.#spooled.shift();
        if (dropped === undefined) return false;
        this.buffer.elsewhere -= dropped.events;
        this.buffer.lose("spool", dropped.events);
        await this.#remove(this.#store!, dropped);
      } else {
        await new Promise<void>((resolve) => this.#roomers.push(resolve));
      }
    }
    return true;
  }

  async #sendSpooled(): Promise<void> {
    await this.#recovered;
    while (!this.#isStopped) {
      const segment = this.#spooled.shift();
      if (segment !== undefined) await this.#sendSegment(segment, this.#store!, this.#numbering!);
      else await new Promise<void>((resolve) => this.#takers.push(resolve));
    }
  }

  /** Sends what earlier processes left, before the name is opened. */
  async #recover(left: Segment[]): Promise<void> {
    const numbering = this.#numbering!;
    for (const segment of left) {
      if (segment.number !== undefined) await this.#sendSegment(segment, this.#store!, numbering);
    }
    for (const slot of this.platform.orphans(this.#slot!, this.settings)) {
      try {
        const store = this.platform.store(slot.folder);
        const found = store.find((path) => this.#damaged(path));
        this.#found(found);
        const names = new Numbering(slot.name, this.wire);
        const numbered = found.filter((segment) => segment.number !== undefined);
        const fresh = found.filter((segment) => segment.number === undefined);
        for (const segment of [...numbered, ...fresh]) await this.#sendSegment(segment, store, names);
      } finally {
        slot.release();
      }
    }
    this.#spooled.unshift(...left.filter((segment) => segment.number === undefined));
    this.#hasRecovered = true;
  }

  async #sendSegment(given: Segment, store: Store, numbering: Numbering): Promise<void> {
    let segment = given;
    if (segment.number === undefined) {
      segment = await store.renumber(segment, await this.#next(numbering));
    }
    const body = await store.read(segment);
    if (body === undefined) {
      this.#damaged(segment.path);
      this.buffer.elsewhere -= segment.events;
      this.buffer.lose("spool", segment.events);
      this.buffer.notify();
      return;
    }
    const [answer, reason] = await this.#outcome(segment.stream, segment.number, body,
      (number) => store.renumber(segment, number));
    this.buffer.elsewhere -= segment.events;
    this.#count(segment.events, answer, reason, body);
    await this.#remove(store, segment);
  }

  async #remove(store: Store, segment: Segment): Promise<void> {
    await store.remove(segment);
    this.#spooledBytes -= segment.size;
    for (const wake of this.#roomers.splice(0)) wake();
    this.buffer.notify();
  }

  #found(segments: Segment[]): void {
    for (const segment of segments) {
      this.buffer.recovered += segment.events;
      this.buffer.elsewhere += segment.events;
      this.#spooledBytes += segment.size;
    }
  }

  #damaged(path: string): void {
    const words = `${path} does not match its checksum and was set aside`;
    this.tell(new ViaError(words, { code: "damaged" }));
  }
}

/** Reads an answer's JSON; what cannot be read counts as no answer. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unreadable();
  }
}

function unreadable(): ViaError {
  return new ViaError("the answer cannot be read", { code: "no_answer" });
}

function counts(text: string): Counts {
  const answer = parse(text) as Partial<Counts> | null;
  if (typeof answer?.accepted !== "number" || typeof answer.duplicates !== "number"
    || typeof answer.refused !== "number") throw unreadable();
  return answer as Counts;
}
