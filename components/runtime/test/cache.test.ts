/** Plans kept from an earlier start are used while they are right, and only then. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBundle } from "./bundle.ts";
import { runc } from "./command.ts";

const PLANS = "/run/gantry/plans";
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-cache-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function bundleOf(args: readonly string[]): string {
  return makeBundle(mkdtempSync(join(folder, "bundle-")), { args });
}

function run(bundle: string) {
  return runc(["--root", join(folder, "root"), "run", "--bundle", bundle, "gantry-cache"]);
}

function plans(): string[] {
  return existsSync(PLANS) ? readdirSync(PLANS) : [];
}

/** The entry that a first run leaves. */
function keptBy(bundle: string): string {
  const before = new Set(plans());
  expect(run(bundle).status).toBe(0);
  const [name, ...more] = plans().filter((one) => !before.has(one));
  expect(more).toEqual([]);
  return join(PLANS, name!);
}

test("a second run uses the plan of the first", () => {
  const bundle = bundleOf(["echo", "kept"]);
  const file = keptBy(bundle);
  // Somebody with our rights changes the entry; if it shows, it was used.
  const bytes = readFileSync(file);
  const at = bytes.lastIndexOf("kept");
  bytes.write("KEPT", at);
  writeFileSync(file, bytes);
  expect(run(bundle).stdout).toBe("KEPT\n");
  rmSync(file);
  expect(run(bundle).stdout).toBe("kept\n");
});

test("another configuration is another plan", () => {
  const bundle = bundleOf(["echo", "one"]);
  keptBy(bundle);
  const config = join(bundle, "config.json");
  writeFileSync(config, readFileSync(config, "utf8").replace('"one"', '"two"'));
  expect(run(bundle).stdout).toBe("two\n");
});

test("what changes beside the configuration is seen: the home directory in the passwd file", () => {
  const bundle = bundleOf(["sh", "-c", "echo $HOME"]);
  keptBy(bundle);
  writeFileSync(join(bundle, "rootfs/etc/passwd"), "root:x:0:0::/elsewhere:/bin/sh\n");
  expect(run(bundle).stdout).toBe("/elsewhere\n");
});

test("a root file system that has gone is an error that names it", () => {
  const bundle = bundleOf(["true"]);
  keptBy(bundle);
  rmSync(join(bundle, "rootfs"), { recursive: true });
  expect(run(bundle).stderr).toContain("root.path");
});

test("a failure is explained from a kept plan as from a fresh one", () => {
  const bundle = bundleOf(["/bin/echo"]);
  keptBy(bundle);
  rmSync(join(bundle, "rootfs/bin/echo"));
  const again = run(bundle);
  expect(again.status).toBe(1);
  expect(again.stderr).toContain("process.args[0]");
  expect(again.stderr).toContain("no such file or directory");
});

test("a damaged entry is passed over", () => {
  const bundle = bundleOf(["echo", "fine"]);
  const file = keptBy(bundle);
  writeFileSync(file, "{ this is no plan");
  expect(run(bundle).stdout).toBe("fine\n");
});

test("nobody else can read or write kept plans", () => {
  keptBy(bundleOf(["echo", "private"]));
  expect(statSync(PLANS).mode & 0o777).toBe(0o700);
});

test("what fails is not kept", () => {
  const bundle = bundleOf(["/no/such/program"]);
  const before = plans().length;
  expect(run(bundle).status).toBe(1);
  expect(plans().length).toBe(before);
});
