/** The tests of this folder that need another machine: pure cgroup v2, and systemd. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGuest, type GuestRun, runInGuest } from "../../../../test/guest/index.ts";

const BUILD_MS = 300_000;
const RUN_MS = 180_000;

let folder = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "gantry-test-cgroups-"));
  const entrypoints = ["live.test.ts", "limits.test.ts", "v2.guest.ts", "systemd.guest.ts"].map((name) =>
    join(import.meta.dir, name),
  );
  const { success, logs } = await Bun.build({ entrypoints, target: "bun", outdir: folder });
  if (!success) throw new AggregateError(logs);
  await buildGuest();
}, BUILD_MS);

afterAll(() => rmSync(folder, { recursive: true }));

/** Runs test files in the guest; Bun writes what fails, and at the end the counts. */
async function inGuest(mode: GuestRun["mode"], ...names: string[]): Promise<{ status: number; output: string }> {
  return runInGuest({
    mode,
    files: [
      { from: process.execPath, to: "bin/bun", mode: 0o755 },
      { from: folder, to: "tests" },
    ],
    command: `cp -r tests /root/tests && cd /root/tests && bun test ${names.map((n) => `./${n}.js`).join(" ")}`,
    timeoutMs: RUN_MS,
  });
}

test(
  "on a host with cgroup v2 alone the same holds, and what only v2 has",
  async () => {
    const { status, output } = await inGuest("init", "live.test", "limits.test", "v2.guest");
    if (status !== 0) console.error(output);
    expect(status).toBe(0);
    expect(output).toMatch(/\b0 fail\b/);
  },
  RUN_MS,
);

test(
  "systemd makes, limits, updates and removes the cgroups of containers",
  async () => {
    const { status, output } = await inGuest("systemd", "systemd.guest");
    if (status !== 0) console.error(output);
    expect(status).toBe(0);
    expect(output).toMatch(/\b0 fail\b/);
  },
  RUN_MS,
);
