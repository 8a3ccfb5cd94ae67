/** The client for Node.js: kept connections, names held on this machine, a spool. */

import * as http from "node:http";
import * as https from "node:https";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";

import { BaseClient } from "./client.js";
import type { Answer } from "./errors.js";
import { Files } from "./files.js";
import { NoAnswer, type Connections, type Following, type Platform, type Request } from "./platform.js";
import { VERSION, type Settings } from "./settings.js";
import { hold, orphans } from "./slot.js";

class Kept implements Connections {
  readonly #plain = new http.Agent({ keepAlive: true, noDelay: true });
  readonly #secret: https.Agent;

  constructor(settings: Settings) {
    const ca = settings.caFile === undefined ? undefined : readFileSync(settings.caFile);
    this.#secret = new https.Agent({ keepAlive: true, ...(ca === undefined ? {} : { ca }) });
  }

  async ask(request: Request): Promise<Answer> {
    try {
      return await this.#once(request);
    } catch (error) {
      // A connection that was kept open may have been closed meanwhile.
      if (!(error instanceof Stale && request.mayReopen)) throw error;
    }
    try {
      return { ...(await this.#once(request)), isAfterLost: true };
    } catch (error) {
      throw error instanceof NoAnswer ? new NoAnswer(error.message, true) : error;
    }
  }

  #once(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = this.#send(request, (response) => {
        const chunks: Uint8Array[] = [];
        response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
        response.on("end", () => resolve(answer(response, Buffer.concat(chunks).toString())));
        response.on("error", (error) => reject(new NoAnswer(error.message, true)));
      });
      const timer = setTimeout(() => sent.destroy(new Error("no answer in time")), request.timeout);
      sent.on("close", () => clearTimeout(timer));
      sent.on("error", (error: NodeJS.ErrnoException) => reject(failure(error, sent)));
      sent.end(request.body);
    });
  }

  follow(request: Request): Promise<Following> {
    return new Promise((resolve, reject) => {
      const sent = this.#send(request, (response) => {
        const close = () => { response.destroy(); };
        response.setEncoding("utf8");
        if (response.statusCode === 200) {
          resolve({ answer: answer(response, ""), pieces: response, close });
          return;
        }
        let body = "";
        response.on("data", (piece: string) => { body += piece; });
        response.on("end", () => resolve({ answer: answer(response, body), pieces: response, close }));
        response.on("error", (error) => reject(new NoAnswer(error.message, true)));
      });
      // The node says that it lives more often than this.
      sent.setTimeout(request.timeout, () => sent.destroy(new Error("the feed went silent")));
      sent.on("error", (error: NodeJS.ErrnoException) => reject(failure(error, sent)));
      sent.end();
    });
  }

  close(): void {
    this.#plain.destroy();
    this.#secret.destroy();
  }

  #send(request: Request, heard: (response: http.IncomingMessage) => void): http.ClientRequest {
    const headers: http.OutgoingHttpHeaders = { ...request.headers };
    if (request.body !== undefined) headers["Content-Length"] = Buffer.byteLength(request.body);
    const isSecret = request.url.startsWith("https:");
    const options = { method: request.method, headers, agent: isSecret ? this.#secret : this.#plain };
    return (isSecret ? https : http).request(request.url, options, heard);
  }
}

class Stale extends NoAnswer {}

const UNREACHED = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

function failure(error: NodeJS.ErrnoException, sent: http.ClientRequest): NoAnswer {
  const words = error.message || error.code || "no answer";
  if (UNREACHED.has(error.code ?? "")) return new NoAnswer(words, false);
  const isBroken = error.code === "ECONNRESET" || error.code === "EPIPE";
  return isBroken && sent.reusedSocket ? new Stale(words, true) : new NoAnswer(words, true);
}

function answer(response: http.IncomingMessage, body: string): Answer {
  return {
    status: response.statusCode ?? 0,
    header: (name) => {
      const value = response.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    body,
  };
}

const closers = new Set<() => Promise<unknown>>();
let isWatching = false;

const platform: Platform = {
  defaults() {
    const urls = (process.env["VIA_URL"] ?? "").split(",").map((url) => url.trim()).filter((url) => url !== "");
    const host = hostname().replace(/[^A-Za-z0-9._-]/g, "-").slice(0, 80) || "host";
    return {
      urls: urls.length > 0 ? urls : ["http://127.0.0.1:8080"],
      key: process.env["VIA_API_KEY"],
      producer: `typescript-${host}`,
    };
  },
  userAgent: `via-typescript/${VERSION}`,
  connect: (settings) => new Kept(settings),
  hold: (name, settings) => hold(name, settings.spoolDir),
  orphans: (slot, settings) => orphans(slot, settings.spoolDir),
  store: (folder) => new Files(folder),
  atExit(close) {
    closers.add(close);
    if (!isWatching) {
      isWatching = true;
      // Nothing else keeps the process alive: what is pending is sent now.
      process.on("beforeExit", () => {
        for (const other of [...closers]) {
          closers.delete(other);
          void other();
        }
      });
    }
    return () => { closers.delete(close); };
  },
  unref: (timer) => { timer.unref(); },
};

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
