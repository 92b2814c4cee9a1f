import { beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGuest, runInGuest } from "./index.ts";

const BUILD_MS = 300_000;
const BOOT_MS = 60_000;

beforeAll(buildGuest, BUILD_MS);

test(
  "the guest has cgroup v2 alone, with the controllers that a container needs",
  async () => {
    const { status, output } = await runInGuest({
      mode: "init",
      command: "stat -f -c %T /sys/fs/cgroup && grep -c cgroup /proc/mounts && cat /sys/fs/cgroup/cgroup.controllers",
      timeoutMs: BOOT_MS,
    });
    const [type, mounts, controllers] = output.split("\n");
    expect({ status, type, mounts }).toEqual({ status: 0, type: "cgroup2fs", mounts: "1" });
    expect(controllers?.split(" ")).toEqual(
      expect.arrayContaining(["cpu", "cpuset", "hugetlb", "io", "memory", "pids"]),
    );
  },
  BOOT_MS,
);

test(
  "CRIU finds all that it needs in the guest",
  async () => {
    const { status, output } = await runInGuest({ mode: "init", command: ["criu", "check"], timeoutMs: BOOT_MS });
    expect({ status, output }).toEqual({ status: 0, output: "Looks good.\n" });
  },
  BOOT_MS,
);

test(
  "systemd answers on the system bus and puts a unit into a slice of cgroup v2",
  async () => {
    const { status, output } = await runInGuest({
      mode: "systemd",
      command: ["systemd-run", "--quiet", "--wait", "--pipe", "--unit=probe", "cat", "/proc/self/cgroup"],
      timeoutMs: BOOT_MS,
    });
    expect({ status, output }).toEqual({ status: 0, output: "0::/system.slice/probe.service\n" });
  },
  BOOT_MS,
);

test(
  "files arrive with their mode, and the status of the command comes back",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "guest-test-"));
    try {
      await writeFile(join(folder, "hello"), "#!/bin/sh\necho hello $1 >&2\nexit 7\n");
      const files = [{ from: join(folder, "hello"), to: "bin/hello", mode: 0o755 }];
      const run = runInGuest({ mode: "init", files, command: ["hello", "a 'b' $c"], timeoutMs: BOOT_MS });
      expect(await run).toEqual({ status: 7, output: "hello a 'b' $c\n" });
    } finally {
      await rm(folder, { recursive: true });
    }
  },
  BOOT_MS,
);

test(
  "a command that does not end is ended with its machine, and the error says so",
  async () => {
    const run = runInGuest({ mode: "init", command: ["sleep", "inf"], timeoutMs: 2_000 });
    await expect(run).rejects.toThrow("the command did not end within 2 s");
  },
  BOOT_MS,
);
