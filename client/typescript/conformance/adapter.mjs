/** The TypeScript SDK behind lines of JSON, for client/conformance. */

import { createInterface } from "node:readline";

import { Client, ViaError } from "../dist/node.js";

let client;

/** Makes what JSON cannot carry. */
function special(value) {
  if (value === null || typeof value !== "object" || Object.keys(value).join() !== "special") return value;
  const cycle = {};
  cycle.self = cycle;
  return {
    nan: NaN, infinity: Infinity, text: "abc", cycle, lone_surrogate: "\ud800", long: "a".repeat(3000),
  }[value.special];
}

/** Turns the contract's names and units into this SDK's. */
function settings(given) {
  const camel = (name) => name.replace(/_ms$/, "").replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  const made = Object.fromEntries(Object.entries(given).map(([name, value]) => [camel(name), value]));
  if (typeof made.overflow === "object") made.overflow = { block: made.overflow.block_ms };
  return made;
}

/** Captures one event, or several that count up. */
async function capture({ stream, entity, value, repeat, first = 0, ...more }) {
  const named = Object.fromEntries(Object.entries(more).map(([name, item]) => [name, special(item)]));
  const { unique_id: uniqueId, ...rest } = named;
  const known = { ...rest, uniqueId };
  if (repeat === undefined) await client.event(stream, special(entity), special(value), known);
  for (let nth = first; nth < first + (repeat ?? 0); nth++) await client.event(stream, special(entity), nth, known);
}

const perform = {
  about: () => ({ lacks: ["fork"] }),
  init: ({ settings: given }) => { client = new Client(settings(given)); },
  reset: async () => {
    await client?.close(0);
    client = undefined;
  },
  capture: ({ event }) => capture(event),
  pump: async ({ stream, first, until, entities }) => {
    for (let nth = first; nth < until; nth++) await client.event(stream, `e-${nth % entities}`, nth);
  },
  flush: async ({ timeout_ms }) => ({ settled: await client.flush(timeout_ms) }),
  close: async ({ timeout_ms }) => ({ settled: await client.close(timeout_ms) }),
  state: () => {
    const { lastError, ...state } = client.state();
    return { ...state, last_error: lastError };
  },
  score: ({ event: { stream, entity, value, ...more } }) => client.score(stream, entity, value, more),
  events: ({ stream, rows }) => {
    const range = Array.from({ length: rows }, (_, nth) => nth);
    const columns = { entity: range.map((nth) => `e-${nth % 10}`), value: Float64Array.from(range) };
    return client.events(stream, columns, { inFlight: 1 });
  },
  detections: async ({ page }) => {
    const found = [];
    for await (const detection of client.detections({ page })) found.push(detection.id);
    return { count: found.length, first: found[0], last: found.at(-1) };
  },
  feedback: ({ id, label, note }) => client.feedback(id, label, { note }),
  take_back: ({ id }) => client.takeBack(id),
  follow: async ({ from, count }) => {
    const messages = [];
    for await (const message of client.subscribe(from)) {
      messages.push(message);
      if (messages.length === count) break;
    }
    return { messages };
  },
};

const waiting = [];
let isBusy = false;

async function next() {
  if (isBusy) return;
  isBusy = true;
  for (let line = waiting.shift(); line !== undefined; line = waiting.shift()) {
    const { op, ...ask } = JSON.parse(line);
    let answer;
    try {
      answer = { ok: true, result: (await perform[op](ask)) ?? {} };
    } catch (error) {
      if (!(error instanceof ViaError)) throw error;
      const { fate: type, code, status, requestId: request_id, retryAfter: retry_after } = error;
      answer = { ok: false, error: { type, code, status, request_id, retry_after } };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  isBusy = false;
}

createInterface({ input: process.stdin }).on("line", (line) => {
  waiting.push(line);
  void next();
});
