import { expect, test } from "bun:test";
import type { DeviceCgroup } from "@gantry/oci";
import fc from "fast-check";
import { deviceList, parseDevicesList, sameList, transition } from "../../cgroups/devices/list.ts";
import { compileDeviceProgram, encodeProgram } from "../../cgroups/devices/program.ts";
import { type DeviceRule, deviceRules, MKNOD, READ, RWM, ruleText, WRITE } from "../../cgroups/devices/rules.ts";
import { type Access, interpret } from "./bpf-interpreter.ts";

const DENY_ALL: DeviceCgroup = { allow: false, access: "rwm" };
const allow = (type: "b" | "c", major: number, minor: number, access = RWM): DeviceRule => ({
  allow: true,
  type,
  major,
  minor,
  access,
});
const deny = (...args: Parameters<typeof allow>): DeviceRule => ({ ...allow(...args), allow: false });
const everything = (allowed: boolean): DeviceRule => ({ allow: allowed, type: "a", major: -1, minor: -1, access: RWM });
const values = (from: string, rules: readonly DeviceRule[]) =>
  transition(parseDevicesList(from), deviceList(rules)).map(({ file, value }) => `${file.slice(8)} ${value}`);

test("the default rules follow those of the configuration", () => {
  expect(deviceRules([DENY_ALL]).map((r) => `${r.allow ? "+" : "-"}${ruleText(r)}`)).toEqual([
    "-a *:* rwm",
    "+c *:* m",
    "+b *:* m",
    "+c 1:3 rwm",
    "+c 1:8 rwm",
    "+c 1:7 rwm",
    "+c 5:0 rwm",
    "+c 1:5 rwm",
    "+c 1:9 rwm",
    "+c 136:* rwm",
    "+c 5:2 rwm",
    "+c 10:200 rwm",
  ]);
});

test("a node that the configuration defines itself takes its default rule away", () => {
  const rules = deviceRules([], [{ path: "/dev/null" }]).map(ruleText);
  expect(rules).not.toContain("c 1:3 rwm");
  expect(rules).toContain("c 1:5 rwm");
});

test("a rule for all kinds with numbers or some rights is two rules, not one for everything", () => {
  expect(deviceRules([{ allow: true, type: "a", major: 8, access: "r" }]).slice(0, 2)).toEqual([
    allow("b", 8, -1, READ),
    allow("c", 8, -1, READ),
  ]);
});

test("a rule without rights is refused by name", () => {
  expect(() => deviceRules([DENY_ALL, { allow: true }])).toThrow("device access at 1 field cannot be empty");
});

test("v1: from everything to a list starts afresh", () => {
  expect(values("a *:* rwm\n", [everything(false), allow("c", 1, 3)])).toEqual(["deny a", "allow c 1:3 rwm"]);
});

test("v1: the same list needs no write", () => {
  expect(values("c 1:3 rwm\nb 8:* r\n", [allow("b", 8, -1, READ), allow("c", 1, 3)])).toEqual([]);
});

test("v1: only differences are written, gains before losses", () => {
  expect(values("c 1:3 rwm\nc 1:5 rw\n", [allow("c", 1, 3, READ | WRITE), allow("c", 1, -1)])).toEqual([
    "allow c 1:* rwm",
    "deny c 1:3 m",
    "deny c 1:5 rw",
  ]);
});

test("v1: everything but one device", () => {
  expect(values("c 1:3 rwm\n", [everything(true), deny("c", 10, 229)])).toEqual(["allow a", "deny c 10:229 rwm"]);
});

test("v1: a hole in a wildcard cannot be expressed, and is refused instead of being ignored", () => {
  expect(() => deviceList([allow("c", 1, -1), deny("c", 1, 3)])).toThrow("cannot punch hole in existing wildcard rule");
  expect(() => deviceList([allow("c", -1, -1, MKNOD), deny("c", 1, 3, READ)])).not.toThrow();
});

test("v1: what the kernel shows is read back as the same list", () => {
  const wanted = deviceList([allow("c", 1, 3), allow("b", -1, -1, MKNOD)]);
  expect(sameList(parseDevicesList("b *:* m\nc 1:3 rwm\n"), wanted)).toBe(true);
  expect(sameList(parseDevicesList("b *:* m\n"), wanted)).toBe(false);
  expect(sameList(parseDevicesList("a *:* rwm\n"), wanted)).toBe(false);
});

/** The meaning of a list of rules: each right by its newest matching rule. */
function reference(rules: readonly DeviceRule[], { type, major, minor, access }: Access): boolean {
  return [READ, WRITE, MKNOD].every((right) => {
    if ((access & right) === 0) return true;
    const rule = rules.findLast(
      (r) =>
        (r.type === "a" || r.type === type) &&
        (r.major === -1 || r.major === major) &&
        (r.minor === -1 || r.minor === minor) &&
        (r.access & right) !== 0,
    );
    return rule?.allow ?? false;
  });
}

const someNumber = fc.constantFrom(-1, 0, 1, 3, 200, 2 ** 31, 2 ** 32 - 1);
const someRule: fc.Arbitrary<DeviceRule> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      allow: fc.boolean(),
      type: fc.constantFrom("b" as const, "c" as const),
      major: someNumber,
      minor: someNumber,
      access: fc.integer({ min: 1, max: 7 }),
    }),
  },
  fc.boolean().map(everything),
);
const someAccess: fc.Arbitrary<Access> = fc.record({
  type: fc.constantFrom("b" as const, "c" as const),
  major: fc.constantFrom(0, 1, 3, 200, 2 ** 31, 2 ** 32 - 1),
  minor: fc.constantFrom(0, 1, 3, 200, 2 ** 31, 2 ** 32 - 1),
  access: fc.integer({ min: 1, max: 7 }),
});

test("v2: the program answers as the rules say, for every access", () => {
  fc.assert(
    fc.property(
      fc.array(someRule, { maxLength: 12 }),
      fc.array(someAccess, { minLength: 1, maxLength: 20 }),
      (rules, all) => {
        const code = encodeProgram(compileDeviceProgram(rules));
        for (const access of all) expect(interpret(code, access)).toBe(reference(rules, access));
      },
    ),
    { numRuns: 2000 },
  );
});

test("v2: without rules everything is denied", () => {
  expect(interpret(encodeProgram(compileDeviceProgram([])), { type: "c", major: 1, minor: 3, access: READ })).toBe(
    false,
  );
});

test("v2: rights granted by two rules may be asked for at once", () => {
  const code = encodeProgram(compileDeviceProgram([allow("c", 1, 3, READ), allow("c", 1, 3, WRITE)]));
  expect(interpret(code, { type: "c", major: 1, minor: 3, access: READ | WRITE })).toBe(true);
});

test("v2: rules before one for everything are not in the program", () => {
  const before = [allow("c", 1, 3), everything(false)];
  expect(compileDeviceProgram(before)).toEqual(compileDeviceProgram([]));
});
