import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Runtime } from "@gantry/runtime";
import { makeBundle } from "./bundle.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-library-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function newRuntime(): Runtime {
  return new Runtime({ root: join(folder, "root") });
}

test("the example of the README runs as written", () => {
  const readme = readFileSync(join(import.meta.dir, "../README.md"), "utf8");
  const code = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  expect(code.trim().split("\n").length).toBeLessThanOrEqual(15);
  const file = join(import.meta.dir, `.example-${process.pid}.ts`); // here, where the package name resolves
  writeFileSync(file, code);
  try {
    const bundle = makeBundle(join(folder, "example"), { args: ["sleep", "100"] });
    const result = Bun.spawnSync([process.execPath, file, bundle], { stdout: "pipe", stderr: "pipe" });
    expect(result.stderr.toString()).toBe("");
    expect(result.stdout.toString()).toMatch(/^created\ninside as pid \d+\npaused\n\{\s+signal: 9,?\s+\}\n$/);
    expect(existsSync("/run/gantry-example/hello")).toBe(false);
  } finally {
    rmSync(file, { force: true });
    rmSync("/run/gantry-example", { recursive: true, force: true });
  }
});

test("the exit code of the first process and of an exec come back", async () => {
  const bundle = makeBundle(join(folder, "codes"), {
    args: ["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done"],
  });
  await using container = newRuntime().create({ id: "codes", bundle });
  container.start();
  expect(await container.exec({ args: ["sh", "-c", "exit 3"] })).toEqual({ code: 3 });
  expect(container.processes().length).toBeGreaterThan(0);
  expect(container.stats().pids.current).toBeGreaterThan(0);
  container.kill("SIGTERM");
  expect(await container.wait()).toEqual({ code: 7 });
  expect(container.state().status).toBe("stopped");
});

test("a second container with the same id is refused, and the first one is untouched", async () => {
  const bundle = makeBundle(join(folder, "twice"), { args: ["sleep", "100"] });
  const runtime = newRuntime();
  await using container = runtime.create({ id: "twice", bundle });
  expect(() => runtime.create({ id: "twice", bundle })).toThrow("container with given ID already exists");
  expect(container.state().status).toBe("created");
  expect(runtime.list().map((state) => state.id)).toContain("twice");
});

test("a disposed container leaves no record and no control group", async () => {
  const bundle = makeBundle(join(folder, "gone"), { args: ["sleep", "100"] });
  const runtime = newRuntime();
  {
    await using container = runtime.create({ id: "gone", bundle });
    container.start();
  }
  expect(() => runtime.get("gone")).toThrow("container does not exist");
  expect(existsSync("/sys/fs/cgroup/pids/gone")).toBe(false);
});
