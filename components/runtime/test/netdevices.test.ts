/** `linux.netDevices`, with virtual devices in a network namespace made for the test. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBundle } from "./bundle.ts";
import { RUNC } from "./command.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-netdevices-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
/** Runs `setup`, then a container with these devices that executes `inside`, all in a new network namespace. */
function runWith(devices: Record<string, { name?: string }>, setup: string, inside: string, after = ":") {
  const bundle = mkdtempSync(join(folder, "bundle-"));
  makeBundle(bundle, {
    args: ["sh", "-c", inside],
    edit: (spec) => {
      spec.linux!.netDevices = devices;
    },
  });
  const run = [...RUNC, "--root", join(folder, "root"), "run", "--bundle", bundle, `gantry-net-${process.pid}`].join(
    " ",
  );
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    ["unshare", "--net", "sh", "-c", `${setup}; ${run}; status=$?; ${after}; exit $status`],
    { env },
  );
  return { status: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

const ADD = "ip link add gantry0 type veth peer name gantry1";

test("a device arrives under its new name, up, with what was configured for good, and is gone outside", () => {
  const setup = `${ADD}; ip link set gantry0 mtu 1789 address 00:11:22:33:44:55; ip address add 169.254.169.77/32 dev gantry0; ip address add fd00::7/64 dev gantry0 nodad;
    ip address add 127.0.0.33/32 dev gantry0 scope host; ip link set gantry0 up`;
  const { status, stdout } = runWith(
    { gantry0: { name: "eth7" } },
    setup,
    "ip address show dev eth7",
    "ip -br link show | grep gantry0 && echo still here",
  );
  expect(status).toBe(0);
  for (const part of ["UP", "mtu 1789", "00:11:22:33:44:55", "169.254.169.77/32", "fd00::7/64"])
    expect(stdout).toContain(part);
  expect(stdout).not.toContain("127.0.0.33");
  expect(stdout).not.toContain("still here");
});

test("a device that does not exist is named", () => {
  const { status, stderr } = runWith({ gantry9: {} }, ":", "true");
  expect(status).toBe(1);
  expect(stderr).toContain("linux.netDevices.gantry9: there is no network device gantry9: no such device");
});

test("a name that is taken inside is refused", () => {
  const { status, stderr } = runWith({ gantry0: { name: "lo" } }, ADD, "true");
  expect(status).toBe(1);
  expect(stderr).toContain("linux.netDevices.gantry0");
  expect(stderr).toContain("file exists");
});
