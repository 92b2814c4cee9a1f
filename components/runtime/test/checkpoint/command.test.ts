/** What `checkpoint` and `restore` refuse before CRIU is asked for anything. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBundle } from "../bundle.ts";
import { type Result, RUNC, runc as run } from "../command.ts";

const folder = mkdtempSync(join(tmpdir(), "checkpoint-test-"));
const root = join(folder, "root");
const bundle = join(folder, "bundle");
const images = join(folder, "images");

function runc(args: readonly string[], path?: string): Result {
  return run(["--root", root, ...args], { cwd: folder, ...(path !== undefined && { env: { PATH: path } }) });
}
const checkpoint = (...args: string[]) => runc(["checkpoint", "--image-path", images, ...args, "running"]);
const message = ({ stderr }: Result) => /level=error msg="(.*)"\n$/.exec(stderr)?.[1]?.replaceAll('\\"', '"');

/** Leaves a container behind that holds none of our pipes open. */
function make(id: string, ...command: string[]): void {
  const argv = [...RUNC, "--root", root, ...command, "--bundle", bundle, id];
  expect(Bun.spawnSync(argv, { stdio: ["ignore", "ignore", "ignore"] }).exitCode).toBe(0);
}

beforeAll(() => {
  makeBundle(bundle, { args: ["sleep", "1000"] });
  make("running", "run", "-d");
  make("created", "create");
});

afterAll(() => {
  for (const id of ["running", "created"]) runc(["delete", "--force", id]);
  rmSync(folder, { recursive: true });
});

test("a container that has not started cannot be checkpointed", () => {
  expect(message(runc(["checkpoint", "created"]))).toBe("Container cannot be checkpointed in created state");
  expect(message(runc(["checkpoint", "none"]))).toBe("container does not exist: none");
});

test("the parent of a dump is named from the images, and is there", () => {
  expect(message(checkpoint("--parent-path", join(folder, "first")))).toBe("--parent-path must be relative");
  const first = join(folder, "first");
  const absent = `invalid --parent-path: stat ${first}: no such file or directory`;
  expect(message(checkpoint("--parent-path", "../first"))).toBe(absent);
  writeFileSync(first, "");
  expect(message(checkpoint("--parent-path", "../first"))).toBe(
    `invalid --parent-path: stat ${first}: not a directory`,
  );
});

test("values that CRIU does not know are refused by name", () => {
  expect(message(checkpoint("--manage-cgroups-mode", "some"))).toBe("invalid manage-cgroups-mode value");
  expect(message(checkpoint("--empty-ns", "network", "--empty-ns", "mount"))).toBe(
    'namespace "mount" is not supported',
  );
});

test("the page server has an address and a port", () => {
  for (const wrong of ["7000", ":7000", "host:", "a:b:7000"])
    expect(message(checkpoint("--page-server", wrong))).toBe("Use --page-server ADDRESS:PORT to specify page server");
  expect(message(checkpoint("--page-server", "[::1]:http"))).toBe("Invalid port number");
});

test("CRIU is looked up on PATH; one that cannot speak is an error and not a hang", () => {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const absent = 'CRIU version check failed: exec: "criu": executable file not found in $PATH';
  const args = ["checkpoint", "--image-path", images, "running"];
  expect(message(runc(args, bin))).toBe(absent);
  writeFileSync(join(bin, "criu"), "#!/bin/sh -e\nexit 3\n");
  chmodSync(join(bin, "criu"), 0o755);
  expect(message(runc(args, bin))).toBe("CRIU version check failed: criu failed: it ended without an answer");
  expect(message(runc(["restore", "--image-path", images, "--bundle", bundle, "new"], bin))).toContain(
    "version check failed",
  );
  expect(readdirSync(root).sort()).toEqual(["created", "running"]);
});
