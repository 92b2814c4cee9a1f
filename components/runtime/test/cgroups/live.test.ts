/** The life of cgroups on this machine, whichever version it has. Needs root. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import type { Resources } from "@gantry/oci";
import { pollReadable } from "@gantry/sys";
import { compileResources, reopenCgroup } from "../../cgroups/index.ts";
import { cgroup, child, host, makeSub, name, v2 } from "./fixture.ts";

const writes = (resources: Resources, update = false) => compileResources(resources, host, { update });

test("create makes every directory, join moves a process into each, destroy removes them", async () => {
  using cg = cgroup();
  await using sleeper = child();
  cg.create();
  cg.join(sleeper.pid);
  expect(cg.pids()).toEqual([sleeper.pid]);
  for (const path of Object.values(cg.paths))
    expect(readFileSync(`${path}/cgroup.procs`, "utf8")).toBe(`${sleeper.pid}\n`);
  expect(Object.keys(cg.paths)).toEqual(v2 ? [""] : expect.arrayContaining(["devices", "memory", "freezer", "cpuset"]));
  sleeper.go();
  await sleeper.exit;
  cg.destroy();
  expect(Object.values(cg.paths).filter(existsSync)).toEqual([]);
  expect(cg.exists()).toBe(false);
});

test("nested paths are made level by level, and only the last one is removed", () => {
  const parent = name();
  using outer = cgroup({ cgroupsPath: `/${parent}` });
  using cg = cgroup({ cgroupsPath: `/${parent}/inner` });
  cg.create();
  cg.destroy();
  expect(cg.exists()).toBe(false);
  expect(outer.exists()).toBe(true);
});

test("a cgroup with processes is refused, and left as it is", async () => {
  using cg = cgroup();
  await using sleeper = child();
  cg.create();
  cg.join(sleeper.pid);
  const again = reopenCgroup({ host, id: "x", paths: cg.paths });
  expect(() => again.create()).toThrow("container's cgroup is not empty: 1 process(es) found");
  expect(cg.pids()).toEqual([sleeper.pid]);
});

test("a frozen cgroup is refused", () => {
  using cg = cgroup();
  cg.create();
  cg.freeze();
  expect(() => cg.create()).toThrow("container's cgroup unexpectedly frozen");
  cg.thaw();
  expect(() => cg.create()).not.toThrow();
});

test.skipIf(v2)("a frozen cgroup is refused even if only the freezer has it (cgroup v1 has a freezer apart)", () => {
  using cg = cgroup();
  mkdirSync(cg.paths.freezer!);
  writeFileSync(`${cg.paths.freezer}/freezer.state`, "FROZEN");
  expect(() => cg.create()).toThrow("container's cgroup unexpectedly frozen");
  expect(existsSync(cg.paths.devices!)).toBe(false);
});

test("a create that fails takes back what it made", () => {
  using cg = cgroup();
  expect(() => cg.create(writes({ cpu: { cpus: "4000" } }))).toThrow("linux.resources.cpu.cpus: failed to write");
  expect(Object.values(cg.paths).filter(existsSync)).toEqual([]);
});

test("frozen processes do not run until they are thawed", async () => {
  using cg = cgroup();
  await using sleeper = child("read go; exit 3");
  cg.create();
  cg.join(sleeper.pid);
  expect(cg.frozen()).toBe(false);
  cg.freeze();
  expect(cg.frozen()).toBe(true);
  sleeper.go();
  expect(await sleeper.survives(50)).toBe(true);
  cg.thaw();
  expect(cg.frozen()).toBe(false);
  expect(await sleeper.exit).toBe(3);
});

test("kill reaches sub-cgroups and frozen processes", async () => {
  using cg = cgroup();
  await using a = child();
  await using b = child();
  cg.create();
  cg.join(a.pid);
  for (const path of makeSub(cg.paths, "sub")) writeFileSync(`${path}/cgroup.procs`, String(b.pid));
  expect(cg.pids().concat(b.pid).sort()).toEqual(cg.pids(true).sort());
  cg.freeze();
  cg.kill();
  expect(await Promise.all([a.exit, b.exit])).toEqual(["SIGKILL", "SIGKILL"]);
});

test("running out of memory kills, is counted, and is told", async () => {
  using cg = cgroup();
  await using hog = child("read go; tail /dev/zero");
  const list = writes({ memory: { limit: 16 << 20, swap: 16 << 20 } });
  cg.create(list);
  cg.join(hog.pid);
  cg.apply(list);
  using watch = cg.watchOom();
  expect(cg.oomKills()).toBe(0);
  hog.go();
  const seen: string[] = [];
  while (!seen.includes("oom") && pollReadable([watch.fd], 10_000).length > 0) seen.push(watch.read());
  expect(seen).toContain("oom");
  await hog.exit;
  expect(cg.oomKills()).toBe(1);
});

test("the watch for memory ends with the last process", async () => {
  using cg = cgroup();
  await using sleeper = child();
  cg.create();
  cg.join(sleeper.pid);
  using watch = cg.watchOom();
  sleeper.go();
  await sleeper.exit;
  if (!v2) cg.destroy();
  const seen: string[] = [];
  while (seen.at(-1) !== "ended" && pollReadable([watch.fd], 10_000).length > 0) seen.push(watch.read());
  expect(seen.at(-1)).toBe("ended");
});

test("a process joins a sub-cgroup of all controllers, or of one", async () => {
  using cg = cgroup();
  await using a = child();
  cg.create();
  makeSub(cg.paths, "sub");
  cg.joinSub(a.pid, ["sub"]);
  expect(readFileSync(`${Object.values(cg.paths)[0]}/sub/cgroup.procs`, "utf8")).toBe(`${a.pid}\n`);
  expect(() => cg.joinSub(a.pid, ["../x"])).toThrow("bad sub cgroup path: ../x");
  expect(() => cg.joinSub(a.pid, ["nosuch:sub"])).toThrow("unknown controller nosuch");
  if (v2) return;
  cg.joinSub(a.pid, ["pids,freezer:sub"]);
  const inSub = Object.entries(cg.paths).filter(([, p]) => readFileSync(`${p}/sub/cgroup.procs`, "utf8") !== "");
  expect(inSub.map(([controller]) => controller).sort()).toEqual(["freezer", "pids"]);
});

test("destroy removes sub-cgroups that the container made", () => {
  using cg = cgroup();
  cg.create();
  for (const path of Object.values(cg.paths)) mkdirSync(`${path}/a/b`, { recursive: true });
  cg.destroy();
  expect(cg.exists()).toBe(false);
});

test("destroy names what it cannot remove", async () => {
  using cg = cgroup();
  await using sleeper = child();
  cg.create();
  cg.join(sleeper.pid);
  expect(() => cg.destroy()).toThrow(/cannot remove the container's cgroup: .*device or resource busy/);
});

test("the container's own root cgroup is never removed", () => {
  const root = reopenCgroup({
    host,
    id: "x",
    paths: { [v2 ? "" : "devices"]: v2 ? host.root : `${host.root}/devices` },
  });
  expect(() => root.destroy()).not.toThrow();
});

test("nothing of these tests is left", () => {
  const left = readdirSync(v2 ? host.root : `${host.root}/devices`).filter((n) =>
    n.startsWith(`gantry-test-${process.pid}-`),
  );
  for (const n of left) rmdirSync(`${v2 ? host.root : `${host.root}/devices`}/${n}`);
  expect(left).toEqual([]);
});
