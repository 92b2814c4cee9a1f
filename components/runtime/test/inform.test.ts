/** Commands that only tell: `features`, `spec`, `state`, `list`, `ps`, `--version`, help. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseSpec } from "@gantry/oci";
import { runc } from "./command.ts";
import { detached } from "./detached.ts";

test("features names what callers look for", () => {
  const features = JSON.parse(runc(["features"]).stdout);
  expect(features.mountOptions).toContain("rro");
  expect(features.linux.namespaces).toContain("user");
  expect(features.linux.mountExtensions.idmap.enabled).toBe(true);
  expect(features.linux.seccomp.knownFlags).toEqual(expect.arrayContaining(features.linux.seccomp.supportedFlags));
  expect(features.annotations["org.opencontainers.runc.version"]).toMatch(/^\d+\.\d+\.\d+$/);
  expect(features.potentiallyUnsafeConfigAnnotations).toContain("org.criu.config");
});

test("spec writes a configuration that is valid, and never over another", () => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-spec-"));
  try {
    expect(runc(["spec"], { cwd: folder }).status).toBe(0);
    expect(parseSpec(readFileSync(join(folder, "config.json"), "utf8"), "config.json").warnings).toEqual([]);
    expect(runc(["spec", "--bundle", folder]).stderr).toContain("File config.json exists. Remove it first");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("list shows containers beside broken ones, as a table and as JSON", () => {
  using c = detached();
  mkdirSync(join(c.root, "broken"));
  writeFileSync(join(c.root, "broken/state.json"), "{");
  const table = c.runc("list");
  expect(table.status).toBe(0);
  expect(table.stdout).toMatch(
    new RegExp(`^ID +PID +STATUS +BUNDLE +CREATED +OWNER\n${c.id} +${c.pid} +running +${c.bundle} `),
  );
  expect(table.stderr).toContain("broken");
  const [state] = JSON.parse(c.runc("list", "--format", "json").stdout);
  expect(Object.keys(state)).toEqual(["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "owner"]);
  expect(state.owner).toBe("root");
  expect(c.runc("list", "--quiet").stdout).toBe(`${c.id}\n`);
  expect(c.runc("list", "--format", "yaml").stderr).toContain("invalid format option");
});

test("ps shows the processes of the container alone", () => {
  using c = detached({ args: ["sh", "-c", "sleep 1000 & wait"] });
  const pids: number[] = JSON.parse(c.runc("ps", "--format", "json", c.id).stdout);
  expect(pids).toHaveLength(2);
  const rows = c.runc("ps", c.id, "-o", "pid,comm").stdout.trim().split("\n");
  expect(rows[0]).toMatch(/^ *PID +COMMAND$/);
  expect(
    rows
      .slice(1)
      .map((row) => Number.parseInt(row, 10))
      .sort(),
  ).toEqual(pids.sort());
});

test("a limit of 2^64 - 1 survives in the record", () => {
  using c = detached({
    edit: (spec) => {
      spec.process!.rlimits = [{ type: "RLIMIT_FSIZE", soft: 1 << 20, hard: 2n ** 64n - 1n }];
    },
  });
  expect(c.runc("exec", c.id, "grep", "Max file size", "/proc/self/limits").stdout).toMatch(/ 1048576 +unlimited/);
});

test("a wrong number of arguments, an unknown topic and the version are told as runc's callers expect", () => {
  const wrong = runc(["state"]);
  expect([wrong.status, wrong.stderr]).toEqual([1, expect.stringContaining('state\\" requires exactly 1 argument(s)')]);
  expect(runc(["help", "nothing"])).toMatchObject({ stderr: "No help topic for 'nothing'\n" });
  expect(runc(["--version"]).stdout).toMatch(/^runc version \d+\.\d+\.\d+\ncommit: .+\nspec: 1\.3\.0\n/);
  expect(runc(["exec", "--help"]).stdout).toMatch(/^NAME:\n +runc exec/);
});

test("--log takes the last error as well as standard error, and debug lines alone", () => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-log-"));
  const log = join(folder, "log.json");
  try {
    const { status, stderr } = runc([
      "--root",
      folder,
      "--debug",
      "--log",
      log,
      "--log-format",
      "json",
      "state",
      "nobody",
    ]);
    expect([status, stderr]).toEqual([1, "container does not exist: nobody\n"]);
    const last = JSON.parse(readFileSync(log, "utf8").trim().split("\n").at(-1)!);
    expect(last).toEqual({ level: "error", msg: "container does not exist: nobody", time: expect.any(String) });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
