import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBundle } from "./bundle.ts";
import { runc } from "./command.ts";
import { detached } from "./detached.ts";

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "enter-"));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Hierarchies of this machine that are mounted where they usually are, by the start of their lines in /proc/self/cgroup. */
function hierarchies(): string[] {
  const mounted = readFileSync("/proc/self/mountinfo", "utf8");
  return readFileSync("/proc/self/cgroup", "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(":")[1]!)
    .filter((names) => names === "" || mounted.includes(` /sys/fs/cgroup/${names.replace(/^name=/, "")} `));
}

/** The cgroup of each of those hierarchies in the text of a /proc/PID/cgroup. */
function cgroups(text: string): string[] {
  const lines = text
    .trim()
    .split("\n")
    .map((line) => line.split(":"));
  return hierarchies().map((names) => lines.find(([, found]) => found === names)?.[2] ?? `not in ${names}`);
}

const all = (id: string) => hierarchies().map(() => expect.stringMatching(new RegExp(`/${id}$`)));

test("the program and what is executed later are in the container's cgroup of every hierarchy", () => {
  using container = detached();
  expect(cgroups(readFileSync(`/proc/${container.pid}/cgroup`, "utf8"))).toEqual(all(container.id));
  const executed = container.runc("exec", container.id, "cat", "/proc/self/cgroup");
  expect(cgroups(executed.stdout)).toEqual(all(container.id));
});

test("hooks find the container in its cgroups by its pid", () => {
  const id = `enter-hook-${process.pid}`;
  const [script, seen] = [join(scratch, "hook"), join(scratch, "seen")];
  const pid = `sed -n 's/.*"pid": *\\([0-9]*\\).*/\\1/p'`;
  writeFileSync(script, `#!/bin/sh\ncat /proc/$(${pid})/cgroup >${seen}\n`, { mode: 0o755 });
  const bundle = makeBundle(join(scratch, "hooked"), {
    // Without a mount of the control groups: that alone would have the container wait for them.
    edit: ({ mounts = [], ...spec }) => ({
      ...spec,
      mounts: mounts.filter(({ type }) => type !== "cgroup"),
      hooks: { createRuntime: [{ path: script }] },
    }),
  });
  expect(runc(["run", "-b", bundle, id]).status).toBe(0);
  expect(cgroups(readFileSync(seen, "utf8"))).toEqual(all(id));
});
