// Writes src/lib/api.d.ts from the document that a node serves:
//   VIA_NODE=http://127.0.0.1:8080 npm run types
import { writeFile } from "node:fs/promises";
import openapi, { astToString } from "openapi-typescript";

const node = process.env.VIA_NODE ?? "http://127.0.0.1:8080";
const answer = await fetch(`${node}/api/v1/openapi.json`);
if (!answer.ok) throw new Error(`${node} answers ${answer.status}`);
const text = astToString(await openapi(await answer.json()));
const head = "// Made by `npm run types` from the node's /api/v1/openapi.json. Do not edit.\n\n";
await writeFile(new URL("../src/lib/api.d.ts", import.meta.url), head + text);
