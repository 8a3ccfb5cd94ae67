import { describe, expect, it } from "vitest";
import { csv, lanes, merge, shares, stories } from "./detections";
import type { Detection } from "./types";

const T = Date.parse("2026-01-01T12:00:00Z");
function made(id: string, over: Partial<Detection> = {}): Detection {
  const at = new Date(T).toISOString();
  return {
    id, stream: "web", entity: "host-1", started: at, peaked: at, last: at, state: "open", events: 1, score: 0.8, evidence: 10, threshold: 0.5,
    severity: "high", detector: "volume", direction: "above", value: 3, contributions: [], context: [], circumstances: [], similar: [], actions: [],
    reason: "level rose", revision: 1, engine: 1, ...over,
  };
}
const at = (minutes: number) => new Date(T + minutes * 60_000).toISOString();

describe("shares", () => {
  const term = (evidence: number) => ({ detector: "volume", feature: "count", evidence, observed: 1, expected: 1 });

  it("sum to the score", () => {
    const parts = shares([term(9.5), term(3.1), term(0.4)], 0.87);
    expect(parts.reduce((sum, part) => sum + part.part, 0)).toBeCloseTo(0.87, 12);
    expect(parts.reduce((sum, part) => sum + part.ratio, 0)).toBeCloseTo(1, 12);
    expect(parts[0]?.part).toBeGreaterThan(parts[1]?.part ?? 1);
  });

  it("are nothing without evidence, and never less", () => {
    expect(shares([], 0.5)).toEqual([]);
    expect(shares([term(0)], 0.5)[0]?.part).toBe(0);
    expect(shares([term(-1), term(2)], 0.5).map((part) => part.part)).toEqual([0, 0.5]);
  });
});

describe("merge", () => {
  it("puts the newest copy in place of the one before, the newest detection first", () => {
    const known = [made("a"), made("b", { started: at(1) })];
    const list = merge(known, [made("a", { score: 0.9 }), made("c", { started: at(2) })]);
    expect(list.map((item) => [item.id, item.score])).toEqual([["c", 0.8], ["b", 0.8], ["a", 0.9]]);
    expect(merge(list, [], 2).map((item) => item.id)).toEqual(["c", "b"]);
  });
});

describe("stories", () => {
  it("tells one per entity, led by its worst, open ones first", () => {
    const told = stories([made("a", { severity: "low", score: 0.5 }), made("b", { severity: "critical" }), made("c", { entity: "host-2", severity: "critical", score: 0.99, state: "closed", last: at(-1) })], T);
    expect(told.map((story) => [story.lead.id, story.all.length, story.isOpen])).toEqual([["b", 2, true], ["c", 1, false]]);
  });

  it("leaves out what is long over, and what was said to be nothing", () => {
    const feedback = { label: "false_alarm", author: "", at: at(0), note: "" } as const;
    expect(stories([made("a", { state: "closed", last: at(-60) }), made("b", { feedback })], T)).toEqual([]);
    expect(stories([made("b", { feedback: { ...feedback, label: "confirmed" } })], T)).toHaveLength(1);
  });
});

describe("lanes", () => {
  const [from, until] = [T - 600_000, T];

  it("marks every column that a detection lasts into, with the worst that is there", () => {
    const [lane] = lanes([made("a", { started: at(-9.5), last: at(-7.5), severity: "low" }), made("b", { started: at(-8.5), last: at(-8.5), severity: "critical" })], from, until, 10);
    expect(lane?.cells.map((cell) => [cell.column, cell.severity, cell.count])).toEqual([[0, "low", 1], [1, "critical", 2], [2, "low", 1]]);
    expect(lane?.count).toBe(2);
  });

  it("cuts what reaches beyond its time, and puts the worst entity first", () => {
    const list = [made("a", { started: at(-30), last: at(5), severity: "low" }), made("b", { entity: "x", started: at(-1), last: at(-1) }), made("c", { started: at(1), last: at(2) }), made("d", { started: at(-40), last: at(-20) })];
    const found = lanes(list, from, until, 4);
    expect(found.map((lane) => [lane.entity, lane.cells.length])).toEqual([["x", 1], ["host-1", 4]]);
  });
});

describe("csv", () => {
  it("quotes what needs it, and lets no cell be a formula", () => {
    const lines = csv([made("a", { entity: "=1+1", reason: 'a "b", c', value: -3 })]).split("\r\n");
    expect(lines[0]?.startsWith("id,stream,entity")).toBe(true);
    expect(lines[1]).toContain(",'=1+1,");
    expect(lines[1]).toContain('"a ""b"", c"');
    expect(lines[1]).toContain(",-3,");
  });
});
