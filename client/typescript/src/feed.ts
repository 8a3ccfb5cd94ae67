/** The live feed: typed messages from a cursor on, across lost connections. */

import { Rejected, Unknown, ViaError } from "./errors.js";
import type { Following } from "./platform.js";
import type { Settings } from "./settings.js";
import type { Message } from "./types.js";
import { Patience, type Wire } from "./wire.js";

/** An async iterable of messages; ends when it is closed or its loop is left. */
export class Feed implements AsyncIterable<Message> {
  /** Resume here: everything before it has been yielded. */
  cursor: string | undefined;
  #isEnded = false;
  #following: Following | undefined;
  #wake: (() => void) | undefined;

  /** @internal */
  constructor(private readonly settings: Settings, private readonly wire: Wire,
    from: string | undefined, private readonly query: string) {
    this.cursor = from;
  }

  /** Ends the feed. */
  close(): void {
    this.#isEnded = true;
    this.#following?.close();
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void, undefined> {
    let patience = new Patience(this.settings, this.wire);
    let isGreeted = false;
    try {
      while (!this.#isEnded) {
        let failure: ViaError = new Unknown("the feed ended", { code: "no_answer" });
        try {
          for await (const message of this.#once()) {
            patience = new Patience(this.settings, this.wire);
            this.cursor = message.cursor;
            if (message.type === "hello") {
              if (isGreeted) continue;
              isGreeted = true;
            }
            yield message;
          }
        } catch (error) {
          if (error instanceof Rejected) throw error;
          const words = error instanceof Error ? error.message : String(error);
          failure = error instanceof ViaError ? error : new Unknown(words, { code: "no_answer" });
        }
        if (!this.#isEnded) await this.#sleep(patience.after(failure));
      }
    } finally {
      this.close();
    }
  }

  async *#once(): AsyncGenerator<Message, void, undefined> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (this.cursor !== undefined) headers["Last-Event-ID"] = this.cursor;
    const following = await this.wire.follow(`/api/v1/live${this.query}`, headers);
    this.#following = following;
    try {
      let rest = "";
      for await (const piece of following.pieces) {
        const blocks = (rest + piece).split(/\r?\n\r?\n/);
        rest = blocks.pop() ?? "";
        for (const block of blocks) {
          const data = block.split(/\r?\n/).filter((line) => line.startsWith("data:"));
          if (data.length === 0) continue;
          yield JSON.parse(data.map((line) => line.slice(5).replace(/^ /, "")).join("\n")) as Message;
        }
      }
    } finally {
      following.close();
    }
  }

  #sleep(millis: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, millis);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
