/** What the contract's cases cannot say of one language: promises, columns, files, browsers. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecret } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { Client as BrowserClient } from "../dist/browser.js";
import { Files, crc32 } from "../dist/files.js";
import { Client, Rejected } from "../dist/node.js";
import { hold, orphans } from "../dist/slot.js";

const folders = [];
function folder() {
  const made = mkdtempSync(join(tmpdir(), "via-sdk-test-"));
  folders.push(made);
  return made;
}
after(() => folders.forEach((made) => rmSync(made, { recursive: true, force: true })));

/** A node that takes everything; `answer` may say something else. */
async function node(answer) {
  const bodies = [];
  const headers = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => { body += piece; });
    request.on("end", () => {
      if (request.url === "/api/v1/producers") return response.end('{"producer":1,"epoch":1}');
      bodies.push(body);
      headers.push(request.headers);
      const lines = body.split("\n").filter((line) => line !== "");
      const [status, document] = answer?.(bodies.length) ?? [200, { accepted: lines.length, duplicates: 0, refused: 0 }];
      response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(document));
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  return { url, bodies, headers, close: () => { server.closeAllConnections(); server.close(); } };
}

test("blocking returns a promise only while there is no room", async () => {
  const one = await node();
  const client = new Client({ urls: [one.url], queueEvents: 2, batchEvents: 2, overflow: { block: 5_000 } });
  assert.equal(client.event("web", "a"), undefined);
  assert.equal(client.event("web", "b"), undefined);
  const waiting = client.event("web", "c");
  assert.ok(waiting instanceof Promise);
  await waiting;
  assert.equal(await client.close(), true);
  assert.deepEqual(client.state().accepted, 3);
  one.close();
});

test("promises that nobody awaits are bounded", async () => {
  const client = new Client({ urls: ["http://127.0.0.1:9"], queueEvents: 10, overflow: { block: 60_000 } });
  for (let nth = 0; nth < 100; nth++) void client.event("web", "e", nth);
  const { pending, lost } = client.state();
  assert.deepEqual([pending, lost.overflow], [20, 80]);
  await client.close(0);
  assert.deepEqual(client.state().lost, { overflow: 80, closed: 20 });
});

test("a changed argument changes no captured event", async () => {
  const one = await node();
  const client = new Client({ urls: [one.url] });
  const attributes = { route: "/a" };
  client.event("web", "e", 1, { attributes });
  attributes.route = "/b";
  await client.close();
  assert.deepEqual(JSON.parse(one.bodies[0]).attributes, { route: "/a" });
  one.close();
});

test("a date is sent to its millisecond and a large integer to its digit", async () => {
  const one = await node();
  const client = new Client({ urls: [one.url] });
  client.event("web", "e", 1, { timestamp: new Date("2026-01-31T12:00:00.123Z") });
  client.event("web", "e", 1, { timestamp: 1764538595123456789n });
  await client.close();
  const [first, second] = one.bodies[0].split("\n");
  assert.equal(JSON.parse(first).timestamp, 1769860800123000);
  assert.match(second, /"timestamp":1764538595123456789,/);
  one.close();
});

test("text that only looks like half a pair is sent", async () => {
  const one = await node();
  const client = new Client({ urls: [one.url] });
  for (const entity of ["\\ud800", "a\\\\udfff", "😀"]) client.event("web", entity);
  client.event("web", "\\\ud800");
  await client.close();
  assert.equal(client.state().lost.invalid, 1);
  assert.deepEqual(one.bodies[0].split("\n").map((line) => JSON.parse(line).entity), ["\\ud800", "a\\\\udfff", "😀"]);
  one.close();
});

test("a refusal is told with its text", async () => {
  const refusals = [{ line: 2, code: "entity_missing", reason: "none" }];
  const one = await node(() => [200, { accepted: 1, duplicates: 0, refused: 1, refusals }]);
  const told = [];
  const client = new Client({ urls: [one.url], onRefused: (refusal, line) => told.push([refusal.code, line]) });
  client.event("web", "e", 1, { timestamp: 1 });
  client.event("web", "", 7, { timestamp: 1 });
  await client.close();
  assert.deepEqual(told, [["entity_missing", '{"entity":"","timestamp":1,"value":7}']]);
  one.close();
});

test("columns without numbers carry ids, the same ones when an answer is lost", async () => {
  const one = await node((nth) => nth === 1 ? [504, {}] : undefined);
  const client = new Client({ urls: [one.url], producer: false });
  assert.equal((await client.events("web", { entity: ["a", "a"], value: [1, 2] })).accepted, 2);
  const ids = one.bodies[0].trim().split("\n").map((line) => JSON.parse(line).unique_id);
  assert.equal(new Set(ids).size, 2);
  assert.equal(one.bodies[1], one.bodies[0]);
  await client.close();
  one.close();
});

test("columns carry values and attributes, and fail with what was accepted", async () => {
  const one = await node((nth) => nth === 2 ? [413, { code: "too_large", fate: "rejected" }] : undefined);
  const client = new Client({ urls: [one.url] });
  await client.events("web", { entity: ["a"], values: { lag: Float32Array.of(0.5) }, attributes: { ok: [true] } });
  assert.deepEqual(JSON.parse(one.bodies[0]), { entity: "a", values: { lag: 0.5 }, attributes: { ok: true } });
  await assert.rejects(client.events("web", { entity: ["a"] }), (error) => error instanceof Rejected && error.accepted === 0);
  await assert.rejects(client.events("web", { entity: ["a"], value: [1, 2] }), TypeError);
  await assert.rejects(client.events("web", { entity: ["a"], value: [NaN] }), TypeError);
  await client.close();
  one.close();
});

test("a browser's events have ids and no numbers", async () => {
  const one = await node();
  const client = new BrowserClient({ urls: [one.url] });
  client.event("web", "e");
  assert.equal(await client.flush(10_000), true);
  await client.close();
  assert.match(JSON.parse(one.bodies[0]).unique_id, /^[0-9a-f-]{36}$/);
  assert.equal(one.headers[0]["x-via-producer"], undefined);
  one.close();
});

test("bad settings are refused at once", () => {
  for (const bad of [{ urls: [] }, { urls: ["ftp://x"] }, { producer: "a b" }, { inFlight: 0 }, { lingr: 1 }]) {
    assert.throws(() => new Client(bad), TypeError);
  }
});

test("the checksum is that of every other language", () => {
  assert.equal(crc32(Buffer.from("123456789")), 0xcbf43926);
});

test("a spooled batch is read back or refused", async () => {
  const files = new Files(folder());
  const written = await files.write("web", 2, [3, 4, 5], '{"entity":"ж"}\n{}');
  assert.equal(await files.read(written), '{"entity":"ж"}\n{}');
  const whole = readFileSync(written.path);
  for (let at = 21; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged[at] ^= 0x40;
    writeFileSync(written.path, damaged);
    assert.equal(await files.read(written), undefined, `byte ${at}`);
  }
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(written.path, whole.subarray(0, length));
    assert.equal(await files.read(written), undefined, `${length} bytes`);
  }
});

test("a name is held once, and what is left under others is found", async () => {
  const under = folder();
  const first = hold("n", under);
  const second = hold("n", under);
  assert.deepEqual([first.name, second.name], ["n", "n.1"]);
  await new Files(second.folder).write("web", 1, undefined, "{}");
  assert.deepEqual(orphans(first, under), [], "it is held");
  second.release();
  const [found] = orphans(first, under);
  assert.equal(found?.name, "n.1");
  found.release();
  writeFileSync(join(first.folder, "holder"), "999999999 0 0");
  assert.equal(hold("n", under).name, "n", "its process is gone");
  assert.equal(readdirSync(first.folder).length, 1);
});

test("TLS is verified", async (context) => {
  const made = folder();
  const [key, cert] = [join(made, "key.pem"), join(made, "cert.pem")];
  const openssl = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]);
  if (openssl.error) return context.skip("openssl is missing, which makes the certificate");
  let asked = 0;
  const server = createSecret({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    asked += 1;
    request.resume().on("end", () => response.end('{"events":1}'));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const urls = [`https://127.0.0.1:${server.address().port}`];
  const trusting = new Client({ urls, caFile: cert });
  assert.deepEqual(await trusting.stats(), { events: 1 });
  const strange = new Client({ urls, timeout: 200 });
  await assert.rejects(strange.stats(), /self-signed certificate/);
  assert.equal(asked, 1);
  await Promise.all([trusting.close(), strange.close()]);
  server.closeAllConnections();
  server.close();
});
