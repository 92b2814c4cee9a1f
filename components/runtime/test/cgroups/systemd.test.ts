import { expect, test } from "bun:test";
import type { CgroupHost } from "../../cgroups/index.ts";
import { compileResources } from "../../cgroups/index.ts";
import { annotatedProperties } from "../../cgroups/systemd/annotations.ts";
import { deviceProperties } from "../../cgroups/systemd/devices.ts";
import { parseGVariant } from "../../cgroups/systemd/gvariant.ts";
import { parseUnit, sliceDirectory, unitPaths, versionNumber } from "../../cgroups/systemd/unit.ts";

test.each([
  ["true", "b", true],
  ["5", "i", 5],
  ["-5", "i", -5],
  ["0x10", "i", 16],
  ["1.5", "d", 1.5],
  ["uint64 18446744073709551615", "t", 2n ** 64n - 1n],
  ["@t 5", "t", 5n],
  ["byte 7", "y", 7],
  ["'it''s'", undefined, undefined],
  ["'a b'", "s", "a b"],
  ['"tab\\t\\u00e4"', "s", "tab\tä"],
  ["objectpath '/a'", "o", "/a"],
  ["['a', 'b']", "as", ["a", "b"]],
  ["@as []", "as", []],
  ["[uint32 1, 2]", "au", [1, 2]],
  ["[('/dev/x', 'r')]", "a(ss)", [["/dev/x", "r"]]],
  ["('a', 5)", "(si)", ["a", 5]],
  ["<5>", "v", { signature: "i", value: 5 }],
  ["{'a': <true>}", "a{sv}", [["a", { signature: "b", value: true }]]],
  ["[]", undefined, undefined],
  ["int16 40000", undefined, undefined],
  ["maybe", undefined, undefined],
  ["5 6", undefined, undefined],
  ["[1, 'a']", undefined, undefined],
  ["'open", undefined, undefined],
  ["", undefined, undefined],
])("GVariant text %p is %p %p", (text, signature, value) => {
  if (signature === undefined) expect(() => parseGVariant(text)).toThrow(/at character \d+/);
  else expect(parseGVariant(text)).toEqual({ signature, value } as never);
});

test("annotations become properties; times in seconds become microseconds", () => {
  expect(
    annotatedProperties({
      "org.systemd.property.TimeoutStopSec": "uint64 5",
      "org.systemd.property.CollectMode": "'inactive-or-failed'",
      "org.systemd.property.RestartSec": "1.5",
      other: "x",
    }),
  ).toEqual([
    { name: "TimeoutStopUSec", value: { signature: "t", value: 5_000_000n } },
    { name: "CollectMode", value: { signature: "s", value: "inactive-or-failed" } },
    { name: "RestartUSec", value: { signature: "t", value: 1_500_000n } },
  ]);
});

test("a bad annotation is refused by name", () => {
  const parse = (name: string, text: string) => () => annotatedProperties({ [`org.systemd.property.${name}`]: text });
  expect(parse("ab", "true")).toThrow("annotation org.systemd.property.ab name incorrect");
  expect(parse("a-b-c", "true")).toThrow("name incorrect");
  expect(parse("TimeoutSec", "'x'")).toThrow("value parse error: not a number");
  expect(parse("Foo", "[")).toThrow("org.systemd.property.Foo=[ value parse error");
});

test.each([
  ["a:b:c", "b-c.scope", "a"],
  ["", "runc-box.scope", "system.slice"],
  [":docker:1", "docker-1.scope", "system.slice"],
  ["machine.slice:x:pod.slice", "pod.slice", "machine.slice"],
])("the path %p is the unit %p in %p", (path, name, slice) => {
  expect(parseUnit(path, "box", false)).toMatchObject({ name, slice });
});

test("rootless containers lie in the user's slice", () => {
  expect(parseUnit("", "box", true).slice).toBe("user.slice");
});

test.each(["/a/b", "a:b", "a:b:c:d", "a:b:c/d"])("the path %p is refused", (path) => {
  expect(() => parseUnit(path, "box", false)).toThrow("linux.cgroupsPath");
});

test("dashes nest slices", () => {
  expect(["system.slice", "a-b-c.slice", "-.slice"].map(sliceDirectory)).toEqual([
    "/system.slice",
    "/a.slice/a-b.slice/a-b-c.slice",
    "",
  ]);
  for (const bad of ["system", ".slice", "a--b.slice", "-a.slice", "a/b.slice"])
    expect(() => sliceDirectory(bad)).toThrow("invalid slice name");
});

const v2: CgroupHost = {
  mode: "v2",
  root: "/sys/fs/cgroup",
  hierarchies: [],
  unified: { controllers: [""], mountPoint: "/sys/fs/cgroup", root: "/", own: "/" },
  controllers: ["cpuset", "cpu", "io", "memory", "pids"],
};

test("a unit's cgroup lies in its slice, below the user's manager if it is a user's", () => {
  expect(unitPaths(v2, parseUnit("a-b.slice:x:y", "", false), "/", true)).toEqual({
    "": "/sys/fs/cgroup/a.slice/a-b.slice/x-y.scope",
  });
  const manager = "/user.slice/user-1000.slice/user@1000.service";
  expect(unitPaths(v2, parseUnit("", "box", true), manager, true)).toEqual({
    "": `/sys/fs/cgroup${manager}/user.slice/runc-box.scope`,
  });
});

test("versions", () => {
  expect(["252.39-1~deb12u1", "v245.4-1.fc32", "257", ""].map(versionNumber)).toEqual([252, 245, 257, 0]);
});

test("limits are told to systemd as properties of the unit", () => {
  const resources = {
    memory: { limit: 1000, swap: 1500, reservation: 500 },
    cpu: { shares: 1024, quota: 4321, period: 10000, cpus: "0-1,9" },
    pids: { limit: 0 },
    unified: { "memory.high": "900", "memory.oom.group": "1", "io.latency": "8:0 target=5" },
  };
  const units = compileResources(resources, v2, { driver: "systemd", skipDevices: true });
  expect(units.flatMap((w) => (w.kind === "unit" ? [`${w.property}=${w.value}`] : []))).toEqual([
    "MemoryMax=1000",
    "MemoryLow=500",
    "MemorySwapMax=500",
    "CPUWeight=100",
    "CPUQuotaPeriodUSec=10000",
    "CPUQuotaPerSecUSec=440000",
    "TasksMax=1",
    "AllowedCPUs=3,2",
    "MemoryHigh=900",
    "OOMPolicy=kill",
  ]);
  const quota = units.find((w) => w.kind === "file" && w.file === "cpu.max");
  expect(quota).toMatchObject({ value: "4400 10000" });
});

test("device rules: the list is cleared, made strict, and filled with what systemd can say", () => {
  const rule = (allow: boolean, type: "a" | "b" | "c", major: number, minor: number, access = 7) => ({
    allow,
    type,
    major,
    minor,
    access,
  });
  const all = (allow: boolean) => rule(allow, "a", -1, -1);
  const value = (rules: Parameters<typeof deviceProperties>[0]) =>
    deviceProperties(rules).map((p) => [p.name, p.value.value]);
  expect(
    value([
      all(false),
      rule(true, "c", 1, 3),
      rule(true, "c", 136, -1),
      rule(true, "b", -1, -1, 1),
      rule(true, "c", -1, 5),
    ]),
  ).toEqual([
    ["DeviceAllow", []],
    ["DevicePolicy", "strict"],
    [
      "DeviceAllow",
      [
        ["/dev/char/1:3", "rwm"],
        ["char-136", "rwm"],
        ["block-*", "m"],
      ],
    ],
  ]);
  expect(value([all(true)])).toEqual([
    ["DeviceAllow", []],
    ["DevicePolicy", "auto"],
  ]);
  expect(value([all(true), rule(false, "c", 1, 3)])).toEqual([
    ["DeviceAllow", []],
    ["DevicePolicy", "strict"],
    ["DeviceAllow", []],
  ]);
});
