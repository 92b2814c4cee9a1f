import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { InvalidArgument } from "../index.ts";
import { parseJson } from "../json.ts";

/** What `JSON.parse` says, or undefined when it refuses. */
function builtIn(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function ours(text: string): { value: unknown } | undefined {
  try {
    return { value: parseJson(text, "f") };
  } catch (error) {
    if (error instanceof InvalidArgument) return undefined;
    throw error;
  }
}

/** Texts that are nearly JSON: a document with a few characters put in, taken out or changed. */
const nearlyJson = fc
  .tuple(
    fc.json(),
    fc.array(fc.tuple(fc.nat(), fc.nat(1), fc.constantFrom(...'{}[]",:\\u0tfn-+.eE1 \n')), { maxLength: 3 }),
  )
  .map(([text, edits]) =>
    edits.reduce(
      (t, [at, drop, put]) => t.slice(0, at % (t.length + 1)) + put + t.slice((at % (t.length + 1)) + drop),
      text,
    ),
  );

describe("the parser with positions", () => {
  test("agrees with JSON.parse on what is JSON and what it says", () => {
    fc.assert(
      fc.property(nearlyJson, (text) => {
        const expected = builtIn(text);
        // Long integers are where the two are meant to differ.
        if (/\d{16}/.test(text)) expect(ours(text) === undefined).toBe(expected === undefined);
        else expect(ours(text)).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test("makes a bigint of an integer that a number cannot hold, and of nothing else", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), (n) => {
        const safe = n >= BigInt(Number.MIN_SAFE_INTEGER) && n <= BigInt(Number.MAX_SAFE_INTEGER);
        expect(parseJson(String(n), "f")).toBe(safe ? Number(n) : n);
      }),
    );
  });

  test("sets no prototype", () => {
    const value = parseJson('{"__proto__": {"a": 1}}', "f") as { a?: number };
    expect(value.a).toBeUndefined();
    expect(Object.keys(value)).toEqual(["__proto__"]);
  });

  test("says the line and column of the mistake", () => {
    expect(() => parseJson('{\n  "a": [1,\n   2,\n   oops]\n}', "config.json")).toThrow(
      'config.json:4:4: invalid JSON: expected a value, found "o"',
    );
  });
});
