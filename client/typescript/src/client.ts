/** The client: capture, ends, and the calls that wait for an answer. */

import { Buffer } from "./buffer.js";
import { parts } from "./columns.js";
import { line } from "./encode.js";
import { Rejected, Retry, ViaError } from "./errors.js";
import { Feed } from "./feed.js";
import type { Platform } from "./platform.js";
import { Sender, Stopped, parse } from "./sender.js";
import { settle, type Settings } from "./settings.js";
import type { Columns, Detection, Filter, Label, Labelled, Refusal, Score, State, Wanted, Written } from "./types.js";
import { Patience, Wire } from "./wire.js";

/** Sends events in the background and asks questions. */
export class BaseClient {
  readonly #settings: Settings;
  readonly #wire: Wire;
  readonly #buffer: Buffer;
  readonly #sender: Sender;
  readonly #forget: () => void;
  #isStarted = false;

  /** @internal */
  constructor(given: Partial<Settings>, platform: Platform) {
    this.#settings = settle(given, platform.defaults());
    this.#wire = new Wire(this.#settings, platform);
    this.#buffer = new Buffer(this.#settings, platform);
    this.#sender = new Sender(this.#settings, this.#buffer, this.#wire, platform);
    this.#forget = platform.atExit(() => this.close(this.#settings.exitTimeout));
  }

  /**
   * Captures an event. Never throws, never waits for the network. Under
   * `overflow: {block}` returns a promise while there is no room: await it.
   */
  event(stream: string, entity: string | number | undefined, value = 1, more?: Parameters<typeof line>[2]):
    Promise<void> | undefined {
    let text: string;
    try {
      text = line(entity, value, this.#identified(more));
    } catch {
      return this.#buffer.invalid();
    }
    if (!this.#isStarted) this.#start();
    return this.#buffer.add(stream, text);
  }

  /** Waits until everything captured before is settled; says whether it was. */
  async flush(timeout = 30_000): Promise<boolean> {
    const until = Date.now() + timeout;
    const batches = this.#buffer.sealAll();
    const isSettled = () => batches.every((batch) => batch.isSettled);
    return await this.#buffer.waitUntil(isSettled, until)
      && await this.#buffer.waitUntil(() => this.#buffer.elsewhere === 0, until);
  }

  /** Stops capturing, flushes and ends; says whether everything was settled. */
  async close(timeout = 30_000): Promise<boolean> {
    this.#buffer.stop("closed");
    const isSettled = await this.flush(timeout);
    this.#sender.stop();
    this.#buffer.abandon("closed", "all");
    this.#wire.close();
    this.#forget();
    return isSettled;
  }

  /** Returns the counters. */
  state(): State {
    return this.#buffer.state();
  }

  /** Sends columns in numbered parts and waits until they are settled. */
  async events(stream: string, columns: Columns, options: { timeout?: number; inFlight?: number } = {}):
    Promise<Written> {
    if (!this.#isStarted) this.#start();
    const until = Date.now() + (options.timeout ?? 60_000);
    const sums: Written = { accepted: 0, duplicates: 0, refused: 0 };
    const path = `/api/v1/streams/${encodeURIComponent(stream)}/events`;
    const bodies = parts(columns, this.#settings.producer === false);
    let failure: ViaError | undefined;
    const lane = async () => {
      for (const body of bodies) {
        try {
          const answer = await this.#sender.deliver(path, await this.#sender.numbered(until), body, until);
          sums.accepted += answer.accepted;
          sums.duplicates += answer.duplicates;
          sums.refused += answer.refused;
        } catch (error) {
          if (error instanceof Stopped) failure ??= new Retry("the client is closed", { code: "closed" });
          else if (error instanceof ViaError) failure ??= error;
          else throw error;
        }
        if (failure !== undefined) return;
      }
    };
    await Promise.all(Array.from({ length: options.inFlight ?? 4 }, lane));
    if (failure !== undefined) {
      failure.accepted = sums.accepted;
      throw failure;
    }
    return sums;
  }

  /** Applies one event and returns its verdict. */
  async score(stream: string, entity: string | number | undefined, value = 1,
    more?: Parameters<typeof line>[2]): Promise<Score> {
    const path = `/api/v1/streams/${encodeURIComponent(stream)}/score`;
    const answer = await this.#call<{ scores: Score[]; refusals: Refusal[] }>(
      "POST", path, line(entity, value, more), false);
    const verdict = answer.scores[0];
    if (verdict !== undefined) return verdict;
    const why = answer.refusals[0] ?? { reason: "it was seen before", code: "duplicate" };
    throw new Rejected(why.reason, { code: why.code, status: 200 });
  }

  /** Iterates over recorded detections, fetching page after page. */
  async *detections(wanted: Wanted = {}): AsyncGenerator<Detection, void, undefined> {
    const { minScore, since, page, ...rest } = wanted;
    const words: Record<string, string | number | undefined> = {
      ...rest, min_score: minScore, from: since, limit: page ?? 100,
    };
    for (;;) {
      const answer = await this.#call<{ items: Detection[]; next?: string }>(
        "GET", `/api/v1/detections${query(words)}`);
      yield* answer.items;
      if (answer.next === undefined) return;
      words["cursor"] = answer.next;
    }
  }

  /** Returns one detection. */
  detection(id: string): Promise<Detection> {
    return this.#call("GET", `/api/v1/detections/${encodeURIComponent(id)}`);
  }

  /** Returns what is normal for an entity. */
  entity(stream: string, entity: string): Promise<Record<string, unknown>> {
    return this.#call("GET",
      `/api/v1/streams/${encodeURIComponent(stream)}/entities/${encodeURIComponent(entity)}`);
  }

  /** Returns the node's counts. */
  stats(): Promise<Record<string, unknown>> {
    return this.#call("GET", "/api/v1/stats");
  }

  /** Says something of a detection; said again it changes nothing. */
  feedback(id: string, label: Label, said: { note?: string; author?: string } = {}): Promise<Labelled> {
    const body = JSON.stringify({ label, note: said.note ?? "", author: said.author ?? "" });
    return this.#call("PUT", `/api/v1/detections/${encodeURIComponent(id)}/feedback`, body);
  }

  /** Takes back what was said of a detection. */
  takeBack(id: string): Promise<Labelled> {
    return this.#call("DELETE", `/api/v1/detections/${encodeURIComponent(id)}/feedback`);
  }

  /** Follows detections live, from a cursor or from now. */
  subscribe(from?: string, filter: Filter = {}): Feed {
    return new Feed(this.#settings, this.#wire, from, query({ ...filter }));
  }

  #identified(more: Parameters<typeof line>[2]): Parameters<typeof line>[2] {
    if (this.#settings.producer !== false || more?.uniqueId !== undefined) return more;
    return { ...more, uniqueId: globalThis.crypto.randomUUID() };
  }

  #start(): void {
    if (this.#buffer.closedAs !== undefined) return;
    try {
      this.#isStarted = true;
      this.#sender.start();
    } catch (error) {
      this.#isStarted = false;
      this.#sender.tell(new ViaError(String(error), { code: "local" }));
    }
  }

  async #call<T>(method: string, path: string, body?: string,
    mayApplyTwice = true): Promise<T> {
    const until = Date.now() + this.#settings.timeout;
    const patience = new Patience(this.#settings, this.#wire);
    const headers: Record<string, string> = body === undefined ? {} : { "Content-Type": "application/json" };
    for (;;) {
      try {
        const left = Math.max(1, until - Date.now());
        return parse(await this.#wire.call(method, path, body, headers, left, mayApplyTwice)) as T;
      } catch (error) {
        if (!(error instanceof ViaError)) throw error;
        const wait = patience.after(error);
        const isSure = error instanceof Retry;
        if (error instanceof Rejected || !(isSure || mayApplyTwice) || Date.now() + wait > until) throw error;
        await this.#sender.sleep(wait, true);
      }
    }
  }
}

function query(words: Record<string, string | number | undefined>): string {
  const given = Object.entries(words).filter(([, value]) => value !== undefined);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text === "" ? "" : `?${text}`;
}
