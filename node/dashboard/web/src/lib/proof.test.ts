import { describe, expect, it } from "vitest";
import { isIncluded, isSigned, readHead } from "./proof";

/** A proof as a node gave it. */
const proof = {
  "index": 1,
  "text": "{\"v\":1,\"at\":1796142937977641557,\"by\":\"node n1\",\"action\":\"create_user\",\"object\":\"user u8\",\"tenant\":\"t1\",\"decision\":\"done\",\"revision\":8,\"after\":{\"user u8\":{\"devices\":0,\"failed\":0,\"has_password\":true,\"has_second_factor\":false,\"identities\":0,\"is_active\":true,\"recovery_codes\":0,\"roles\":[\"admin\"]}}}",
  "hashes": [
    "RdbwR6lJiYT6Zq0HZWndg/MQxn6zefYSU12f0Pdld6U=",
    "EPbh9V/xWZnaF6nGx4vme2vOid9AKrH231BuRAUhRyE=",
    "DTt66YuqDeT3jWFgO/JorjYlS5jTkbNzE0r5WSyXjNI=",
    "p7DBVghnYeiJIWg1sJ95Gx3Or/W5cQSMkuFk5HcCnXw=",
    "gZf55kMLmuAzb01XKAudW9pFg8ihAwhtnY3Vwp4H6Nk="
  ],
  "head": "01a2327637707773acdc38295415ec10.via/audit/t1\n31\no2td+i80+EiX52K4WWSLrYudBU9JHHqpuSMmymtEdOo=\n\n\u2014 01a2327637707773acdc38295415ec10.via/audit mrr0L6GxhTeJ5moy5CoAOauRYHTKKHRRezgzo6rk3kDWgxlFJWVy0t5XvI5tgOMrkemDipj0VM2DjHWqdLJvnJ2WIAk=\n",
  "key": "01a2327637707773acdc38295415ec10.via/audit+9abaf42f+AUupYBTcgZyEgRrlLhWInMgWErVg/uNmrx2WxWV4/YzE"
};
const head = readHead(proof.head);

describe("a record of the audit log", () => {
  it("is proved to be in the tree whose head is signed", async () => {
    expect(head.size).toBe(31);
    expect(await isIncluded(proof.text, proof.index, proof.hashes, head)).toBe(true);
    expect(await isSigned(head, proof.key)).toBe(true);
  });

  it("is not, when anything of it was altered", async () => {
    expect(await isIncluded(`${proof.text} `, proof.index, proof.hashes, head)).toBe(false);
    expect(await isIncluded(proof.text, proof.index + 1, proof.hashes, head)).toBe(false);
    expect(await isIncluded(proof.text, head.size, proof.hashes, head)).toBe(false);
    expect(await isIncluded(proof.text, proof.index, proof.hashes.slice(1), head)).toBe(false);
    expect(await isIncluded(proof.text, proof.index, [...proof.hashes, ...proof.hashes], head)).toBe(false);
    expect(await isSigned({ ...head, text: head.text.replace(`\n${head.size}\n`, `\n${head.size + 1}\n`) }, proof.key)).toBe(false);
  });

  it("needs a head that is one", () => {
    expect(() => readHead("nonsense")).toThrow();
  });
});
