/** Addresses, the key and typed failures around a platform's connections. */

import { NoAnswer, type Connections, type Following, type Platform } from "./platform.js";
import { LONGEST_WAIT, Retry, Unknown, ofAnswer, type ViaError } from "./errors.js";
import type { Settings } from "./settings.js";

/** One attempt at a time, to the current address. */
export class Wire {
  readonly addresses: number;
  current = 0;
  readonly #urls: string[];
  readonly #connections: Connections;
  readonly #headers: Record<string, string> = {};
  readonly #timeout: number;

  constructor(settings: Settings, platform: Platform) {
    this.#urls = settings.urls.map((url) => url.replace(/\/+$/, ""));
    this.addresses = this.#urls.length;
    this.#timeout = settings.timeout;
    this.#connections = platform.connect(settings);
    if (platform.userAgent !== undefined) this.#headers["User-Agent"] = platform.userAgent;
    if (settings.key) this.#headers["Authorization"] = `Bearer ${settings.key}`;
  }

  /** Goes on to the next address, unless somebody has already. */
  leave(address: number): void {
    if (this.current === address) this.current = (address + 1) % this.addresses;
  }

  close(): void {
    this.#connections.close();
  }

  /** Makes one attempt and returns the body of a 2xx answer. */
  async call(method: string, path: string, body?: string, headers?: Record<string, string>,
    timeout = this.#timeout, mayReopen = true): Promise<string> {
    const address = this.current;
    const answer = await this.#connections
      .ask({ ...this.#request(method, path, headers, timeout), body, mayReopen })
      .catch((error: unknown) => { throw lost(error, address); });
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    throw ofAnswer(answer, address);
  }

  /** Opens an answer that does not end. */
  async follow(path: string, headers: Record<string, string>): Promise<Following> {
    const address = this.current;
    const following = await this.#connections
      .follow({ ...this.#request("GET", path, headers, 60_000), body: undefined, mayReopen: true })
      .catch((error: unknown) => { throw lost(error, address); });
    if (following.answer.status === 200) return following;
    following.close();
    throw ofAnswer(following.answer, address);
  }

  #request(method: string, path: string, headers: Record<string, string> | undefined, timeout: number) {
    const url = `${this.#urls[this.current]}${path}`;
    return { method, url, headers: { ...this.#headers, ...headers }, timeout };
  }
}

function lost(error: unknown, address: number): ViaError {
  const words = error instanceof Error ? error.message : String(error);
  const failure = { code: "no_answer", address };
  return error instanceof NoAnswer && !error.isSent ? new Retry(words, failure) : new Unknown(words, failure);
}

const ELSEWHERE = new Set(["no_answer", "not_ready", "shutting_down"]);

/** How long to wait between the attempts of one request, and where to go. */
export class Patience {
  #attempt = 0;
  #tried = 1;

  constructor(private readonly settings: Settings, private readonly wire: Wire) {}

  /** Says how long to wait after a failed attempt, milliseconds. */
  after(error: ViaError): number {
    if (ELSEWHERE.has(error.code) && this.wire.addresses > 1) {
      this.wire.leave(error.address ?? this.wire.current);
      if (this.#tried < this.wire.addresses) {
        this.#tried += 1;
        return 0;
      }
    }
    this.#tried = 1;
    const { backoffMin, backoffMax } = this.settings;
    const most = Math.min(backoffMax, backoffMin * 2 ** Math.min(this.#attempt, 60));
    this.#attempt += 1;
    return Math.max(Math.random() * most, Math.min(error.retryAfter ?? 0, LONGEST_WAIT) * 1_000);
  }
}
