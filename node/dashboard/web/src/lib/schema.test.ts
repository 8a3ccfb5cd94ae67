import { describe, expect, it } from "vitest";
import { at, form, set, type Document } from "./schema";

const document: Document = {
  components: {
    schemas: {
      ConfigDocument: {
        properties: {
          explain: { oneOf: [{ $ref: "#/components/schemas/Explain", description: "How much." }, { type: "null" }] },
          timing: { oneOf: [{ $ref: "#/components/schemas/Timing", description: "Time." }, { type: "null" }] },
          detectors: { oneOf: [{ $ref: "#/components/schemas/Detectors" }, { type: "null" }] },
          entities: { type: ["object", "null"] },
          calendar: { type: ["array", "null"] },
        },
      },
      Explain: { type: "string", enum: ["none", "full"] },
      Timing: { type: "object", properties: { lateness_secs: { type: ["number", "null"], minimum: 0, maximum: 9 } } },
      Detectors: { type: "object", properties: { volume: { oneOf: [{ $ref: "#/components/schemas/Volume" }, { type: "null" }] } } },
      Volume: { type: "object", description: "Rates.", properties: { enabled: { type: ["boolean", "null"] }, timing: { oneOf: [{ $ref: "#/components/schemas/Timing" }, { type: "null" }] } } },
    },
  },
};

describe("the form of a schema", () => {
  it("has a group for each object and each detector, and a field for each value", () => {
    const groups = form(document, "ConfigDocument");
    expect(groups.map((group) => [group.name, group.text, group.fields.map((field) => [field.path.join("."), field.kind])])).toEqual([
      ["general", "", [["explain", "choice"], ["calendar", "json"]]],
      ["timing", "Time.", [["timing.lateness_secs", "number"]]],
      ["detectors.volume", "Rates.", [["detectors.volume.enabled", "boolean"], ["detectors.volume.timing.lateness_secs", "number"]]],
    ]);
    expect(groups[1]?.fields[0]).toMatchObject({ least: 0, most: 9 });
  });
});

describe("what a stream says", () => {
  it("is changed without touching what was read, and leaves no empty objects", () => {
    const own = { timing: { lateness_secs: 3 } };
    const more = set(own, ["detectors", "volume", "enabled"], false);
    expect(more).toEqual({ timing: { lateness_secs: 3 }, detectors: { volume: { enabled: false } } });
    expect(own).toEqual({ timing: { lateness_secs: 3 } });
    expect(set(set(more, ["detectors", "volume", "enabled"], undefined), ["timing", "lateness_secs"], undefined)).toEqual({});
    expect(at(more, ["detectors", "volume", "enabled"])).toBe(false);
    expect(at(more, ["none", "at", "all"])).toBeUndefined();
  });
});
