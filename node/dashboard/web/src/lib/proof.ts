/** Checks what the audit log proves, here and without trust in who answers. */

export interface Head {
  origin: string;
  size: number;
  root: Uint8Array<ArrayBuffer>;
  /** What is signed. */
  text: string;
  signature: Uint8Array<ArrayBuffer>;
}

export function bytes(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** Reads a signed note (C2SP tlog-checkpoint). */
export function readHead(note: string): Head {
  const cut = note.indexOf("\n\n");
  const text = note.slice(0, cut + 1);
  const [origin, size, root] = text.split("\n");
  const signature = note.slice(cut + 2).split("\n").find((line) => line.startsWith("— "))?.split(" ")[2];
  if (cut < 0 || !origin || !root || !signature) throw new Error("the head is not a signed note");
  // Before the signature stand four bytes that name the key.
  return { origin, size: Number(size), root: bytes(root), text, signature: bytes(signature).slice(4) };
}

async function sha256(...parts: Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

/** Says whether the record `text` is at `index` in the tree of that size and root (RFC 9162, 2.1.3.2). */
export async function isIncluded(text: string, index: number, hashes: string[], head: Head): Promise<boolean> {
  if (index >= head.size) return false;
  let [at, last] = [index, head.size - 1];
  let hash = await sha256(Uint8Array.of(0), new TextEncoder().encode(text));
  for (const sibling of hashes.map(bytes)) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      hash = await sha256(Uint8Array.of(1), sibling, hash);
      while (at % 2 === 0 && at !== 0) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
    } else hash = await sha256(Uint8Array.of(1), hash, sibling);
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return last === 0 && hash.length === head.root.length && hash.every((byte, place) => byte === head.root[place]);
}

/** Says whether the key signed the head; nothing where the browser knows no Ed25519. */
export async function isSigned(head: Head, key: string): Promise<boolean | undefined> {
  const text = key.slice(key.indexOf("+", key.indexOf("+") + 1) + 1);
  // The first byte says that it is Ed25519.
  const raw = bytes(text).slice(1);
  try {
    const known = await crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "Ed25519" }, known, head.signature, new TextEncoder().encode(head.text));
  } catch {
    return undefined;
  }
}
