// Compresses what was built, ahead of time, and holds the first screen to its
// budget: `npm run build` fails above it.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const BUDGET = 200_000;
const flag = process.argv.indexOf("--dist");
const dist = flag > 0 ? process.argv[flag + 1] : "dist";
const worth = /\.(html|js|css|svg|json|txt)$/;
const sizes = new Map();

for (const entry of readdirSync(dist, { recursive: true })) {
  if (!worth.test(entry)) continue;
  const path = join(dist, entry);
  const plain = readFileSync(path);
  const brotli = brotliCompressSync(plain, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length },
  });
  const gzip = gzipSync(plain, { level: 9 });
  writeFileSync(`${path}.br`, brotli);
  writeFileSync(`${path}.gz`, gzip);
  sizes.set(entry.replaceAll("\\", "/"), brotli.length);
}

// The first screen is what the page names, and what that imports at once.
const seen = new Set();
const follow = (name) => {
  if (seen.has(name) || !sizes.has(name)) return;
  seen.add(name);
  const text = readFileSync(join(dist, name), "utf8");
  const imports = text.matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g);
  for (const [, file] of imports) follow(`assets/${file}`);
};
for (const [, name] of readFileSync(join(dist, "index.html"), "utf8").matchAll(/"\/(assets\/[^"]+\.js)"/g)) follow(name);
const first = [...seen].reduce((sum, name) => sum + sizes.get(name), 0);
const all = [...sizes].filter(([name]) => name.endsWith(".js")).reduce((sum, [, size]) => sum + size, 0);
console.log(`first screen: ${(first / 1000).toFixed(1)} kB of JavaScript (budget ${BUDGET / 1000}); all pages: ${(all / 1000).toFixed(1)} kB`);
if (seen.size === 0) throw new Error("the page names no script");
if (first > BUDGET) throw new Error("the first screen is over its budget");
