/**
 * What an event costs, and how many a second one client sends: medians of five.
 *
 *     node bench.mjs http://127.0.0.1:8080
 */

import { Client } from "./dist/node.js";

const RUNS = 5;
const EVENTS = 100_000;
const ROWS = 500_000;
const url = process.argv[2] ?? "http://127.0.0.1:8080";
const names = Array.from({ length: EVENTS }, (_, nth) => `host-${nth % 1_000}`);

async function told(name, unit, one) {
  const figures = [];
  for (let run = 0; run < RUNS; run++) figures.push(await one());
  figures.sort((a, b) => a - b);
  const [least, , median, , most] = figures.map((figure) => figure.toLocaleString("en", { maximumFractionDigits: 2 }));
  console.log(`${name.padEnd(48)} ${median.padStart(12)} ${unit}   (${least} to ${most})`);
}

/** Processor time of the process, µs. */
function spent() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function cost(more) {
  const client = new Client({ urls: ["http://127.0.0.1:9"], queueEvents: 2 * EVENTS, queueBytes: 1 << 30 });
  const began = spent();
  for (const name of names) client.event("bench", name, 12.5, more);
  const took = spent() - began;
  return client.close(0).then(() => took / EVENTS);
}

async function send(inFlight) {
  const client = new Client({ urls: [url], inFlight, overflow: { block: 60_000 } });
  for (const name of names) {
    const waiting = client.event("bench", name, 12.5);
    if (waiting !== undefined) await waiting;
  }
  if (!(await client.flush(60_000)) || client.state().accepted !== EVENTS) throw new Error("not all arrived");
  await client.close();
}

async function rate(inFlight) {
  const began = performance.now();
  await send(inFlight);
  return EVENTS / (performance.now() - began) * 1_000;
}

await told("event(), processor time", "µs", () => cost(undefined));
await told("event() with two attributes, processor time", "µs", () => cost({ attributes: { route: "/login", status: 200 } }));
for (const inFlight of [1, 4]) await told(`event() to acknowledged, ${inFlight} in flight`, "/s", () => rate(inFlight));
await told("event() to acknowledged, processor time", "µs", async () => {
  const began = spent();
  await send(4);
  return (spent() - began) / EVENTS;
});
const at = Date.now() * 1_000;
const columns = {
  entity: Array.from({ length: ROWS }, (_, nth) => `host-${nth % 1_000}`),
  value: Float64Array.from({ length: ROWS }, () => Math.random()),
  timestamp: Float64Array.from({ length: ROWS }, (_, nth) => at + nth),
};
await told("events() to acknowledged", "/s", async () => {
  const client = new Client({ urls: [url] });
  const began = performance.now();
  const { accepted } = await client.events("bench", columns);
  if (accepted !== ROWS) throw new Error("not all arrived");
  await client.close();
  return ROWS / (performance.now() - began) * 1_000;
});
