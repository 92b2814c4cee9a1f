import { beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGuest, type GuestResult, runInGuest } from "./index.ts";

const BUILD_MS = 300_000;
const BOOT_MS = 120_000; // a few seconds on an idle machine

beforeAll(buildGuest, BUILD_MS);

describe("in the mode init", () => {
  let result: GuestResult;
  const said = () => result.output.split("\n");

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), "guest-test-"));
    try {
      const script =
        "stat -f -c %T /sys/fs/cgroup; grep -c cgroup /proc/mounts; cat /sys/fs/cgroup/cgroup.controllers; criu check";
      writeFileSync(join(folder, "hello"), `#!/bin/sh\necho hello $1 >&2\n${script}\nexit 7\n`);
      const files = [{ from: join(folder, "hello"), to: "bin/hello", mode: 0o755 }];
      result = await runInGuest({ mode: "init", files, command: ["hello", "a 'b' $c"], timeoutMs: BOOT_MS });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, BOOT_MS);

  test("files arrive with their mode, and the status of the command comes back", () => {
    expect(said()[0]).toBe("hello a 'b' $c");
    expect(result.status).toBe(7);
  });

  test("the guest has cgroup v2 alone, with the controllers that a container needs", () => {
    const [, type, mounts, controllers] = said();
    expect({ type, mounts }).toEqual({ type: "cgroup2fs", mounts: "1" });
    expect(controllers!.split(" ")).toEqual(
      expect.arrayContaining(["cpu", "cpuset", "hugetlb", "io", "memory", "pids"]),
    );
  });

  test("CRIU finds all that it needs", () => {
    expect(said().slice(4)).toEqual(["Looks good.", ""]);
  });
});

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
  "a command that does not end is ended with its machine, and the error says so",
  async () => {
    const run = runInGuest({ mode: "init", command: ["sleep", "inf"], timeoutMs: 2_000 });
    await expect(run).rejects.toThrow("the command did not end within 2 s");
  },
  BOOT_MS,
);
