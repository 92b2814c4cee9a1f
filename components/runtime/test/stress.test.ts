/** Killed at any moment, the runtime leaves nothing that `delete --force` does not clean. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBundle } from "./bundle.ts";
import { RUNC } from "./command.ts";
import { footprint } from "./footprint.ts";

const CYCLES = 500;
const PARALLEL = 16;

let folder: string;
let root: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-stress-"));
  root = join(folder, "root");
  makeBundle(folder, { args: ["sleep", "100"] });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Numbers from a seed: a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Runs a command; `killAfterMs` ends it (our own process, by its pid) with SIGKILL at that moment. */
async function call(args: readonly string[], killAfterMs?: number): Promise<number> {
  const child = Bun.spawn([...RUNC, "--root", root, ...args], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  const status = await child.exited;
  clearTimeout(timer);
  return status;
}

async function cycle(id: string, next: () => number): Promise<void> {
  const maybe = () => (next() < 0.4 ? next() * 80 : undefined);
  const created = await call(["create", "--bundle", folder, id], maybe());
  if (created === 0) {
    await call(["start", id], maybe());
    await call(["kill", id, "KILL"], maybe());
  }
  await call(["delete", "--force", id], maybe());
  expect(await call(["delete", "--force", id])).toBe(0);
}

test(`${CYCLES} cycles of create, start, kill and delete, ${PARALLEL} at a time, with random kill -9, leave nothing`, async () => {
  const before = footprint("gantry-stress");
  const next = random(20);
  let started = 0;
  const worker = async (name: number) => {
    while (started < CYCLES) await cycle(`gantry-stress-${name}-${started++}`, next);
  };
  await Promise.all(Array.from({ length: PARALLEL }, (_, i) => worker(i)));
  expect(existsSync(root) ? readdirSync(root) : []).toEqual([]);
  const after = footprint("gantry-stress");
  expect(after.cgroups).toEqual(before.cgroups);
  expect(after.mounts).toEqual(before.mounts);
  expect(containersLeft()).toEqual([]);
}, 300_000);

/** Launcher processes, and programs of our bundle, that still run. */
function containersLeft(): string[] {
  const { readFileSync, readlinkSync } = require("node:fs") as typeof import("node:fs");
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      if (readlinkSync(`/proc/${pid}/root`).startsWith(folder)) return true;
      return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes("gantry-stress");
    } catch {
      return false; // ended while we looked
    }
  });
}
