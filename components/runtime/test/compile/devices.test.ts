import { expect, test } from "bun:test";
import { deviceNumber } from "../../compile/devices.ts";
import { ops, planOf } from "./fixture.ts";

const CHARACTER = 0o020000;
const BLOCK = 0o060000;
const PIPE = 0o010000;

test.each([
  [1, 3, 0x103n],
  [5, 2, 0x502n],
  [259, 0, 0x10300n],
  [8, 256, 0x100800n],
  [0xfff, 0xff, 0xfffffn],
  [0x12345678, 0x9abcdef0, 0x123459abcde678f0n],
])("the number of device %i:%i is that of makedev(3)", (major, minor, number) => {
  expect(deviceNumber(major, minor)).toBe(number);
});

test("the default devices are always there, readable and writable for all", () => {
  const made = ops(planOf(), "mknod").map(({ args }) => args);
  expect(made).toEqual(
    [
      ["null", 1, 3],
      ["random", 1, 8],
      ["full", 1, 7],
      ["tty", 5, 0],
      ["zero", 1, 5],
      ["urandom", 1, 9],
    ].map(([name, major, minor]) => [
      `/dev/${name}`,
      CHARACTER | 0o666,
      deviceNumber(major as number, minor as number),
      0,
      0,
    ]),
  );
});

test("a device of the configuration takes the place of a default one", () => {
  const plan = planOf(
    (spec) =>
      void (spec.linux!.devices = [
        { path: "/dev/null", type: "c", major: 1, minor: 5, fileMode: 0o600, uid: 7, gid: 8 },
      ]),
  );
  const nulls = ops(plan, "mknod").filter(({ args }) => args[0] === "/dev/null");
  expect(nulls).toMatchObject([{ from: "linux.devices[0]", args: ["/dev/null", CHARACTER | 0o600, 0x105n, 7, 8] }]);
});

test("block devices and pipes are made as such", () => {
  const plan = planOf(
    (spec) =>
      void (spec.linux!.devices = [
        { path: "/dev/sda", type: "b", major: 8, minor: 0 },
        { path: "/dev/pipe", type: "p", fileMode: 0o640 },
      ]),
  );
  expect(ops(plan, "mknod", "linux.devices[0]")[0]!.args.slice(0, 3)).toEqual(["/dev/sda", BLOCK | 0o666, 0x800n]);
  expect(ops(plan, "mknod", "linux.devices[1]")[0]!.args.slice(0, 3)).toEqual(["/dev/pipe", PIPE | 0o640, 0n]);
});

test("nothing is made where /dev is somebody else's", () => {
  const plan = planOf((spec) => void spec.mounts!.push({ destination: "/dev/", source: "/dev", options: ["rbind"] }));
  const first = planOf((spec) => void (spec.mounts = [{ destination: "/dev/", source: "/dev", options: ["rbind"] }]));
  expect(ops(first, "mknod")).toEqual([]);
  expect(ops(first, "symlink")).toEqual([]);
  expect(ops(plan, "mknod").length).toBeGreaterThan(0); // the first mount on /dev decides
});

test("there is a link to /proc/kcore where the kernel has one", () => {
  const targets = (kcore: boolean) =>
    ops(
      planOf(() => {}, { kcore }),
      "symlink",
    ).map(({ args }) => args[1]);
  expect(targets(true)).toContain("/proc/kcore");
  expect(targets(false)).not.toContain("/proc/kcore");
});

test("links that are there already are left", () => {
  for (const op of ops(planOf(), "symlink")) expect(op.ignore).toEqual([17]);
});
