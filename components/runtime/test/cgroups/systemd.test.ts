import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { CgroupHost } from "../../cgroups/index.ts";
import { compileResources } from "../../cgroups/index.ts";
import { parseAddresses } from "../../cgroups/systemd/address.ts";
import { annotatedProperties } from "../../cgroups/systemd/annotations.ts";
import { BusError, connectBus } from "../../cgroups/systemd/bus.ts";
import { deviceProperties } from "../../cgroups/systemd/devices.ts";
import { parseGVariant } from "../../cgroups/systemd/gvariant.ts";
import { parseUnit, sliceDirectory, unitPaths, versionNumber } from "../../cgroups/systemd/unit.ts";
import { marshal, Reader, splitSignature, unmarshal, type Value, Writer } from "../../cgroups/systemd/wire.ts";

test("a signature is split into complete types", () => {
  expect(splitSignature("sa(sv)a{sv}uay")).toEqual(["s", "a(sv)", "a{sv}", "u", "ay"]);
  expect(() => splitSignature("a")).toThrow("is not a D-Bus signature");
  expect(() => splitSignature("(s")).toThrow("is not a D-Bus signature");
});

test("values are aligned as the specification says", () => {
  const to = new Writer();
  marshal(to, "ysa(yt)", [1, "ab", [[2, 3n]]]);
  // 01 pad×3 | 02000000 "ab" 00 | pad | length 16 | pad to 8 | 02 pad×7 03…
  expect(Buffer.from(to.bytes()).toString("hex")).toBe(
    "01000000" + "02000000" + "616200" + "00" + "10000000" + "0200000000000000" + "0300000000000000",
  );
});

const someValue: fc.Arbitrary<[string, Value]> = fc.letrec<{ value: [string, Value] }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.integer({ min: 0, max: 255 }).map((n): [string, Value] => ["y", n]),
    fc.integer({ min: -32768, max: 32767 }).map((n): [string, Value] => ["n", n]),
    fc.integer().map((n): [string, Value] => ["i", n]),
    fc.nat().map((n): [string, Value] => ["u", n]),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((n): [string, Value] => ["t", n]),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((n): [string, Value] => ["x", n]),
    fc.double({ noNaN: true }).map((n): [string, Value] => ["d", n]),
    fc.boolean().map((b): [string, Value] => ["b", b]),
    fc
      .string({ unit: "grapheme" })
      .filter((s) => !s.includes("\0"))
      .map((s): [string, Value] => ["s", s]),
    fc.uint8Array().map((b): [string, Value] => ["ay", b]),
    tie("value").map(([signature, value]): [string, Value] => ["v", { signature, value }]),
    fc
      .array(tie("value"), { minLength: 1, maxLength: 3 })
      .map((vs): [string, Value] => [`(${vs.map(([s]) => s).join("")})`, vs.map(([, v]) => v)]),
    fc
      .tuple(tie("value"), fc.nat(3))
      .filter(([[s]]) => s !== "y")
      .map(([[s, v], n]): [string, Value] => [`a${s}`, new Array(n).fill(v)]),
  ),
})).value;

test("what is written is read back, for every type", () => {
  fc.assert(
    fc.property(fc.array(someValue, { maxLength: 5 }), (all) => {
      const to = new Writer();
      const signature = all.map(([s]) => s).join("");
      marshal(
        to,
        signature,
        all.map(([, v]) => v),
      );
      expect(unmarshal(new Reader(to.bytes()), signature)).toEqual(all.map(([, v]) => v));
    }),
  );
});

test("a value of the wrong type is refused before anything is sent", () => {
  for (const [type, value] of [
    ["s", 1],
    ["b", "yes"],
    ["as", "x"],
    ["v", "x"],
    ["u", "1"],
  ] as const)
    expect(() => marshal(new Writer(), type, [value])).toThrow("D-Bus");
});

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

test("addresses of buses", () => {
  expect(parseAddresses("unix:path=/run/a%20b,guid=1;tcp:host=x;unix:abstract=/tmp/c")).toEqual([
    "/run/a b",
    "\0/tmp/c",
  ]);
});

/** A bus of our own, with dbus-daemon at its other end, where that is installed. */
const hasDaemon = Bun.which("dbus-daemon") !== null;
let daemon: ChildProcess | undefined;
let folder = "";
const socket = () => join(folder, "bus");

beforeAll(async () => {
  if (!hasDaemon) return;
  folder = mkdtempSync(join(tmpdir(), "gantry-test-bus-"));
  const config = join(folder, "bus.conf");
  writeFileSync(
    config,
    `<busconfig><listen>unix:path=${socket()}</listen><auth>EXTERNAL</auth><policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`,
  );
  daemon = spawn("dbus-daemon", [`--config-file=${config}`, "--nofork", "--nopidfile", "--print-address"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve, reject) => {
    daemon?.once("error", reject);
    daemon?.stdout?.once("data", resolve);
  });
});

afterAll(() => {
  daemon?.kill();
  if (folder !== "") rmSync(folder, { recursive: true });
});

const DBUS = { destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus" };

test.skipIf(!hasDaemon)("a real bus lets us in and answers", () => {
  using bus = connectBus(socket(), { hello: true });
  expect(bus.call({ ...DBUS, member: "GetNameOwner", signature: "s", args: ["org.freedesktop.DBus"] })).toEqual([
    "org.freedesktop.DBus",
  ]);
  expect(bus.call({ ...DBUS, member: "ListNames" })[0]).toContain("org.freedesktop.DBus");
});

test.skipIf(!hasDaemon)("an error reply carries its name and text", () => {
  using bus = connectBus(socket(), { hello: true });
  let error: unknown;
  try {
    bus.call({ ...DBUS, member: "GetNameOwner", signature: "s", args: ["no.such.name"] });
  } catch (e) {
    error = e;
  }
  expect(error).toBeInstanceOf(BusError);
  expect(error).toMatchObject({ errorName: "org.freedesktop.DBus.Error.NameHasNoOwner" });
});

test.skipIf(!hasDaemon)("a signal that comes before its time is kept", () => {
  using bus = connectBus(socket(), { hello: true });
  bus.call({ ...DBUS, member: "AddMatch", signature: "s", args: ["type='signal',member='NameOwnerChanged'"] });
  bus.call({ ...DBUS, member: "RequestName", signature: "su", args: ["org.gantry.Test", 0] });
  bus.call({ ...DBUS, member: "GetId" });
  const signal = bus.signal((s) => s.body[0] === "org.gantry.Test", "the name", 5000);
  expect(signal).toMatchObject({ member: "NameOwnerChanged" });
});

test.skipIf(!hasDaemon)("waiting has an end", () => {
  using bus = connectBus(socket(), { hello: true });
  expect(() => bus.signal(() => false, "nothing", 20)).toThrow(/no answer to nothing from .* in time/);
});

test("a bus that is not there is said so", () => {
  expect(() => connectBus(join(folder, "nobody"), { hello: true })).toThrow(
    /cannot connect to .*nobody: no such file or directory/,
  );
});
