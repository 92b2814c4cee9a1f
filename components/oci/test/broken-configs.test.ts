import { describe, expect, test } from "bun:test";
import { InvalidArgument, parseSpec, type ValidationFacts, validate } from "../index.ts";
import { goodConfig, toText } from "./broken/change.ts";
import { BROKEN_CONFIGS } from "./broken-configs.ts";

const FACTS: ValidationFacts = { rootless: false, cgroupMode: "unified" };

function failuresOf(config: string, facts: ValidationFacts): readonly string[] {
  try {
    validate(parseSpec(config, "config.json").spec, facts);
  } catch (error) {
    if (error instanceof InvalidArgument) return error.failures;
    throw error;
  }
  return [];
}

/** The message must begin with the field, so that the eye finds it. */
function naming(field: string, says: string): RegExp {
  const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${literal(field)}(?!\\w).*${literal(says)}`);
}

test("the configuration that the broken ones are made from is fine", () => {
  expect(failuresOf(toText(goodConfig()), FACTS)).toEqual([]);
});

test("there are at least 250 of them, no two alike", () => {
  expect(BROKEN_CONFIGS.length).toBeGreaterThanOrEqual(250);
  expect(new Set(BROKEN_CONFIGS.map(({ name }) => name)).size).toBe(BROKEN_CONFIGS.length);
});

describe("is refused with a message that names the field:", () => {
  for (const { name, config, field, says = "", facts } of BROKEN_CONFIGS)
    test(name, () => {
      const failures = failuresOf(config, { ...FACTS, ...facts });
      expect(failures).toContainEqual(expect.stringMatching(naming(field, says)));
    });
});

describe("is fine without the fact that breaks it:", () => {
  for (const { name, config, facts } of BROKEN_CONFIGS)
    if (facts !== undefined && !("rootless" in facts && name.startsWith("rootless without")))
      test(name, () => {
        const opposite = facts.cgroupMode === "unified" ? "v1" : "unified";
        expect(failuresOf(config, { rootless: false, cgroupMode: opposite })).toEqual([]);
      });
});
