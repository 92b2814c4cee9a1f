import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parseAddresses } from "../../cgroups/systemd/address.ts";
import { BusError, connectBus } from "../../cgroups/systemd/bus.ts";
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

afterAll(async () => {
  if (daemon === undefined) return;
  // It takes its socket away on its way out, and must not do so while we walk through the folder.
  const ended = new Promise((resolve) => daemon?.once("exit", resolve));
  daemon.kill();
  await ended;
  rmSync(folder, { recursive: true });
});

const DBUS = { destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus" };

test.skipIf(!hasDaemon)("a real bus lets us in and answers (needs dbus-daemon)", () => {
  using bus = connectBus(socket(), { hello: true });
  expect(bus.call({ ...DBUS, member: "GetNameOwner", signature: "s", args: ["org.freedesktop.DBus"] })).toEqual([
    "org.freedesktop.DBus",
  ]);
  expect(bus.call({ ...DBUS, member: "ListNames" })[0]).toContain("org.freedesktop.DBus");
});

test.skipIf(!hasDaemon)("an error reply carries its name and text (needs dbus-daemon)", () => {
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

test.skipIf(!hasDaemon)("a signal that comes before its time is kept (needs dbus-daemon)", () => {
  using bus = connectBus(socket(), { hello: true });
  bus.call({ ...DBUS, member: "AddMatch", signature: "s", args: ["type='signal',member='NameOwnerChanged'"] });
  bus.call({ ...DBUS, member: "RequestName", signature: "su", args: ["org.gantry.Test", 0] });
  bus.call({ ...DBUS, member: "GetId" });
  const signal = bus.signal((s) => s.body[0] === "org.gantry.Test", "the name", 5000);
  expect(signal).toMatchObject({ member: "NameOwnerChanged" });
});

test.skipIf(!hasDaemon)("waiting has an end (needs dbus-daemon)", () => {
  using bus = connectBus(socket(), { hello: true });
  expect(() => bus.signal(() => false, "nothing", 20)).toThrow(/no answer to nothing from .* in time/);
});

test("a bus that is not there is said so", () => {
  expect(() => connectBus(join(folder, "nobody"), { hello: true })).toThrow(
    /cannot connect to .*nobody: no such file or directory/,
  );
});
