/** A full disk: a start without a kept plan, or an error with nothing left behind; never half of something. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBundle } from "./bundle.ts";
import { RUNC } from "./command.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-full-"));
  makeBundle(folder, { args: ["echo", "ran"] });
  mkdirSync(join(folder, "small"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the bundle where `directory` is a file system without room, and lists what is in `directory/look` afterwards. */
function runWithout(directory: string, root: string, look: string) {
  const script = `mount -t tmpfs -o size=4k,mode=700 tmpfs "$1" && head -c 4096 /dev/zero >"$1/.fill"
    shift; look=$1; shift; "$@"; status=$?; ls -A "$look" | grep -v '^.fill$'; exit $status`;
  const command = [...RUNC, "--root", root, "run", "--bundle", folder, "gantry-full"];
  return Bun.spawnSync(["unshare", "-m", "sh", "-c", script, "sh", directory, look, ...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

test("where a plan cannot be kept the container runs all the same, and no half of it stays", () => {
  mkdirSync("/run/gantry/plans", { recursive: true, mode: 0o700 });
  const result = runWithout("/run/gantry/plans", join(folder, "root"), "/run/gantry/plans");
  expect(result.stdout.toString()).toBe("ran\n");
  expect(result.exitCode).toBe(0);
});

test("where no record can be written the run is an error, and nothing stays", () => {
  const root = join(folder, "small/root");
  const result = runWithout(join(folder, "small"), root, root);
  expect(result.stderr.toString()).toContain("no space left on device");
  expect(result.stdout.toString()).toBe("");
  expect(result.exitCode).toBe(1);
  expect(existsSync("/sys/fs/cgroup/pids/gantry-full")).toBe(false);
});
