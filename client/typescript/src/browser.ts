/** The client for browsers: `fetch`, no names, no files. */

import { BaseClient } from "./client.js";
import type { Answer } from "./errors.js";
import { NoAnswer, type Connections, type Platform, type Request } from "./platform.js";
import type { Settings } from "./settings.js";

const connections: Connections = {
  async ask(request) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), request.timeout);
    try {
      const response = await send(request, stop.signal);
      return answer(response, await response.text());
    } catch (error) {
      throw new NoAnswer(String(error), true);
    } finally {
      clearTimeout(timer);
    }
  },
  async follow(request) {
    const stop = new AbortController();
    const response = await send(request, stop.signal).catch((error: unknown) => {
      throw new NoAnswer(String(error), true);
    });
    const close = () => stop.abort();
    const body = response.status === 200 ? "" : await response.text();
    return { answer: answer(response, body), pieces: pieces(response), close };
  },
  close() {},
};

const platform: Platform = {
  defaults: () => ({ urls: [globalThis.location?.origin ?? "http://127.0.0.1:8080"], key: undefined, producer: false }),
  userAgent: undefined,
  connect: () => connections,
  hold: (name) => ({ name, folder: "", release() {} }),
  orphans: () => [],
  store() {
    throw new TypeError("spoolDir: browsers have no folders");
  },
  atExit(close) {
    const leave = () => { void close(); };
    globalThis.addEventListener?.("pagehide", leave);
    return () => globalThis.removeEventListener?.("pagehide", leave);
  },
  unref() {},
};

function send(request: Request, signal: AbortSignal): Promise<Response> {
  const { method, url, headers, body } = request;
  // A small body may outlive its page.
  const keepalive = (body?.length ?? 0) < 16_000;
  return fetch(url, { method, headers, signal, keepalive, redirect: "manual", ...(body === undefined ? {} : { body }) });
}

function answer(response: Response, body: string): Answer {
  return { status: response.status, header: (name) => response.headers.get(name) ?? undefined, body };
}

async function* pieces(response: Response): AsyncGenerator<string, void, undefined> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const read = await reader?.read();
    if (read === undefined || read.done) return;
    yield decoder.decode(read.value, { stream: true });
  }
}

/** Sends events in the background and asks questions; takes every setting. */
export class Client extends BaseClient {
  constructor(settings: Partial<Settings> = {}) {
    super(settings, platform);
  }
}

export { Rejected, Retry, Unknown, ViaError } from "./errors.js";
export type { Feed } from "./feed.js";
export type { Overflow, Settings } from "./settings.js";
export type * from "./types.js";
