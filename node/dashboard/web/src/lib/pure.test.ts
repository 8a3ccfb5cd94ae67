import { describe, expect, it } from "vitest";
import { ago, bytes, count, duration, number, time } from "./format";
import { brief, grid } from "./permissions";
import { rate } from "./rate";
import { address, path } from "./request";
import { retryAfter } from "./retry";
import { link, read } from "./route";
import { inSight } from "./rows";
import { sketch } from "./sketch";
import { daily } from "./usage";

describe("formats", () => {
  it("numbers have the digits that count", () => {
    expect([0, 1.23456, 434.017, 15234.7, 2e12, -0.00001, NaN, null].map(number)).toEqual(["0", "1.235", "434", "15,235", "2.00e+12", "-1.00e-5", "–", "–"]);
    expect([7, 9999, 12_345, 4_567_890, 2.5e9].map(count)).toEqual(["7", "9,999", "12.3 k", "4.57 M", "2.5 G"]);
    expect([0, 1023, 1536, 5 * 2 ** 30].map(bytes)).toEqual(["0 B", "1023 B", "1.5 KiB", "5 GiB"]);
  });

  it("durations have two units at most", () => {
    expect([0, 0.02, 59, 61, 3_000, 3_660, 90_000].map(duration)).toEqual(["0 s", "20 ms", "59 s", "1 min 1 s", "50 min", "1 h 1 min", "1 d 1 h"]);
    expect(ago(1_000, 2_000)).toBe("just now");
    expect(ago(0, 7_300_000)).toBe("2 h ago");
  });

  it("times say the day only when it is another", () => {
    const noon = new Date(2026, 0, 2, 12, 0, 5).getTime();
    expect(time(noon, noon)).toBe("12:00:05");
    expect(time(noon, noon + 86_400_000)).toBe("2026-01-02 12:00:05");
  });
});

describe("addresses", () => {
  it("go there and back, whatever is in them", () => {
    const parts = ["streams", "a/b", "entities", "[sshd] 100 % <*> #?"];
    expect(read(link(parts, { from: "2026-01-01T00:00:00Z", none: undefined }))).toEqual({ parts, query: { from: "2026-01-01T00:00:00Z" } });
    expect(read("")).toEqual({ parts: [], query: {} });
    expect(read("#/a%zz")).toEqual({ parts: ["a%zz"], query: {} });
  });

  it("leave out what is not asked, and never end early", () => {
    expect(address("/a", { x: "", y: undefined, z: 0, w: "a b&c" })).toBe("/a?z=0&w=a+b%26c");
    expect(path`/streams/${"a/b"}/entities/${"?"}`).toBe("/streams/a%2Fb/entities/%3F");
  });
});

describe("rates", () => {
  it("are of the time between the readings", () => {
    expect(rate([{ at: 0, total: 10 }, { at: 500, total: 20 }, { at: 2_000, total: 50 }])).toBe(20);
  });
  it("are unknown at first, and when counting began anew", () => {
    expect(rate([{ at: 0, total: 10 }])).toBeUndefined();
    expect(rate([{ at: 0, total: 10 }, { at: 1_000, total: 3 }])).toBeUndefined();
  });
});

describe("attempts", () => {
  it("wait longer each time, up to half a minute", () => {
    expect([1, 2, 3, 10].map((attempt) => retryAfter(attempt, 1))).toEqual([500, 1_000, 2_000, 30_000]);
    expect(retryAfter(1, 0)).toBe(250);
  });
});

describe("rows", () => {
  it("are drawn where one looks", () => {
    expect(inSight(100_000, 40, 40_000, 400, 5)).toEqual({ from: 995, until: 1015 });
    expect(inSight(3, 40, 0, 400)).toEqual({ from: 0, until: 3 });
    expect(inSight(3, 40, 9_000, 400)).toEqual({ from: 3, until: 3 });
  });
});

describe("sketches", () => {
  const point = (minute: number, mean: number) => ({ at: new Date(minute * 60_000).toISOString(), width_secs: 60, count: 1, mean, min: mean, max: mean, expected: 5, low: 0, high: 10, score: 0 });
  it("fill their width, and stay within their height", () => {
    const drawn = sketch([point(0, 5), point(1, 5), point(2, 1_000)], 100, 40, 60_000);
    expect(drawn?.line.startsWith("M0 ")).toBe(true);
    expect(drawn?.line.split("L")[2]?.startsWith("100 ")).toBe(true);
    expect(drawn?.mark).toBe(50);
    const heights = `${drawn?.line}${drawn?.band}`.match(/ -?[\d.]+/g)?.map(Number) ?? [];
    expect(Math.min(...heights)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...heights)).toBeLessThanOrEqual(40);
  });
  it("need two points", () => expect(sketch([point(0, 1)], 100, 40)).toBeUndefined());
});

describe("usage", () => {
  it("has every day, also those without", () => {
    const days = daily([{ day: "2026-03-01", events: 3 }, { day: "2026-03-01", events: 4 }, { day: "2026-01-01", events: 9 }], new Date("2026-03-02T00:30:00Z"), 3);
    expect(days).toEqual([{ day: "2026-02-28", events: 0 }, { day: "2026-03-01", events: 7 }, { day: "2026-03-02", events: 0 }]);
  });
});

describe("permissions", () => {
  it("are told in short", () => {
    const some = ["events:read", "events:write", "keys:read", "keys:write", "keys:delete", "keys:execute"];
    expect(grid(some)).toEqual(["events", "keys"]);
    expect(brief(some)).toBe("events: read, write · keys: all");
  });
});
