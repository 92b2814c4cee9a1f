/** The cgroups of this machine, whichever version it has. Needs root. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import type { Resources } from "@gantry/oci";
import { pollReadable } from "@gantry/sys";
import { compileResources, reopenCgroup } from "../../cgroups/index.ts";
import { statsJson } from "../../cgroups/stats/json.ts";
import { cgroup, child, host, makeSub, name, v2, valueIn } from "./fixture.ts";

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

test("a create that fails takes back what it made", () => {
  using cg = cgroup();
  expect(() => cg.create(writes({ cpu: { cpus: "4000" } }))).toThrow("linux.resources.cpu.cpus: failed to write");
  expect(Object.values(cg.paths).filter(existsSync)).toEqual([]);
});

const READ_BACK: readonly (readonly [
  string,
  Resources,
  v1: readonly [string, string, string],
  v2: readonly [string, string],
])[] = [
  [
    "memory.limit",
    { memory: { limit: 33554432 } },
    ["memory", "memory.limit_in_bytes", "33554432"],
    ["memory.max", "33554432"],
  ],
  [
    "memory.reservation",
    { memory: { reservation: 33554432 } },
    ["memory", "memory.soft_limit_in_bytes", "33554432"],
    ["memory.low", "33554432"],
  ],
  ["cpu.shares", { cpu: { shares: 100 } }, ["cpu", "cpu.shares", "100"], ["cpu.weight", "17"]],
  [
    "cpu.quota",
    { cpu: { quota: 50000, period: 100000 } },
    ["cpu", "cpu.cfs_quota_us", "50000"],
    ["cpu.max", "50000 100000"],
  ],
  ["cpu.period", { cpu: { period: 50000 } }, ["cpu", "cpu.cfs_period_us", "50000"], ["cpu.max", "max 50000"]],
  ["cpu.idle", { cpu: { idle: 1 } }, ["cpu", "cpu.idle", "1"], ["cpu.idle", "1"]],
  ["cpu.cpus", { cpu: { cpus: "0" } }, ["cpuset", "cpuset.cpus", "0"], ["cpuset.cpus", "0"]],
  ["pids.limit", { pids: { limit: 17 } }, ["pids", "pids.max", "17"], ["pids.max", "17"]],
];
for (const [field, resources, old, unified] of READ_BACK)
  test(`${field} reaches the kernel`, () => {
    using cg = cgroup();
    const list = writes(resources);
    cg.create(list);
    cg.apply(list);
    const [controller, file, value] = v2 ? ["", ...unified] : old;
    expect(valueIn(cg.paths, controller, file)).toBe(value);
  });

test("memory and swap can be raised and lowered together", () => {
  using cg = cgroup();
  cg.create();
  const memory = (limit: number) =>
    (v2 ? valueIn(cg.paths, "", "memory.max") : valueIn(cg.paths, "memory", "memory.limit_in_bytes")) === String(limit);
  for (const limit of [32, 128, 16].map((mb) => mb << 20)) {
    cg.update(writes({ memory: { limit, swap: limit * 2 } }, true));
    expect(memory(limit)).toBe(true);
  }
  cg.update(writes({ memory: { limit: -1 } }, true));
  expect(memory(16 << 20)).toBe(false);
});

test("an update that fails half-way leaves the old values", () => {
  using cg = cgroup();
  cg.create();
  const read = () => [valueIn(cg.paths, "pids", "pids.max"), valueIn(cg.paths, "cpuset", "cpuset.cpus")];
  cg.apply(writes({ pids: { limit: 30 }, memory: { limit: 64 << 20 }, cpu: { cpus: "0" } }));
  const bad = [
    ...writes({ memory: { limit: 32 << 20 }, pids: { limit: 10 } }, true),
    ...writes({ cpu: { cpus: "4000" } }, true),
  ];
  expect(() => cg.update(bad)).toThrow("linux.resources.cpu.cpus");
  expect(read()).toEqual(["30", "0"]);
  expect(v2 ? valueIn(cg.paths, "", "memory.max") : valueIn(cg.paths, "memory", "memory.limit_in_bytes")).toBe(
    String(64 << 20),
  );
});

test.skipIf(v2)("shares that the kernel clips are an error", () => {
  using cg = cgroup();
  cg.create();
  expect(() => cg.apply(writes({ cpu: { shares: 1 } }))).toThrow(
    "linux.resources.cpu.shares: the minimum allowed cpu-shares is 2",
  );
  expect(() => cg.apply(writes({ cpu: { shares: 1000000 } }))).toThrow("the maximum allowed cpu-shares is 262144");
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

/** Whether a process in the cgroup may open the kernel's log, c 1:11. */
async function mayReadLog(cg: ReturnType<typeof cgroup>): Promise<boolean> {
  await using reader = child("read go; exec 3</dev/null && exec 3</dev/kmsg");
  cg.join(reader.pid);
  reader.go();
  return (await reader.exit) === 0;
}

test("a device that no rule allows cannot be opened, until an update allows it", async () => {
  using cg = cgroup();
  cg.create();
  cg.apply(writes({ devices: [{ allow: false, access: "rwm" }] }));
  expect(await mayReadLog(cg)).toBe(false);
  const kmsg = { allow: true, type: "c", major: 1, minor: 11, access: "r" };
  cg.update(writes({ devices: [{ allow: false, access: "rwm" }, kmsg] }, true));
  expect(await mayReadLog(cg)).toBe(true);
  cg.update(
    writes(
      {
        devices: [
          { allow: true, access: "rwm" },
          { ...kmsg, allow: false },
        ],
      },
      true,
    ),
  );
  expect(await mayReadLog(cg)).toBe(false);
});

test("a failed update brings the old device rules back", async () => {
  using cg = cgroup();
  cg.create();
  cg.apply(writes({ devices: [{ allow: false, access: "rwm" }] }));
  const bad = [
    ...writes({ devices: [{ allow: true, access: "rwm" }] }, true),
    ...writes({ cpu: { cpus: "4000" } }, true),
  ];
  expect(() => cg.update(bad)).toThrow("linux.resources.cpu.cpus");
  expect(await mayReadLog(cg)).toBe(false);
});

test("stats tell what the kernel counts, in the shape of events", async () => {
  using cg = cgroup();
  await using busy = child("read go; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; read go");
  const list = writes({ memory: { limit: 64 << 20 }, pids: { limit: 20 } });
  cg.create(list);
  cg.join(busy.pid);
  cg.apply(list);
  busy.go();
  while (Number(cg.stats().cpu.usage.total) === 0) await Bun.sleep(1);
  const stats = cg.stats();
  expect(stats.pids).toEqual({ current: 1, limit: 20 });
  expect(stats.memory.usage.limit).toBe(64 << 20);
  expect(Number(stats.memory.usage.usage)).toBeGreaterThan(0);
  const json = JSON.parse(statsJson(stats));
  expect(Object.keys(json)).toEqual([
    "cpu",
    "cpuset",
    "memory",
    "pids",
    "blkio",
    "hugetlb",
    "intel_rdt",
    "network_interfaces",
  ]);
  expect(Object.keys(json.memory.raw)).toContain(v2 ? "anon" : "rss");
  expect(json.cpuset).toHaveProperty("sched_load_balance", v2 ? 0 : 1);
  expect(json.cpu.usage.percpu?.length ?? 0).toBe(
    v2 ? 0 : readdirSync("/sys/devices/system/cpu").filter((n) => /^cpu\d+$/.test(n)).length,
  );
});

test("a number without limit keeps every digit in JSON", () => {
  using cg = cgroup();
  cg.create();
  expect(statsJson(cg.stats())).toContain(v2 ? '"limit":18446744073709551615' : '"limit":9223372036854771712');
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
