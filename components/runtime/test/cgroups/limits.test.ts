/** Limits and numbers of cgroups on this machine, whichever version it has. Needs root. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { Resources } from "@gantry/oci";
import { compileResources } from "../../cgroups/index.ts";
import { statsJson } from "../../cgroups/stats/json.ts";
import { cgroup, child, host, v2, valueIn } from "./fixture.ts";

const writes = (resources: Resources, update = false) => compileResources(resources, host, { update });

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

test.skipIf(v2)("shares that the kernel clips are an error (cgroup v1 has shares)", () => {
  using cg = cgroup();
  cg.create();
  expect(() => cg.apply(writes({ cpu: { shares: 1 } }))).toThrow(
    "linux.resources.cpu.shares: the minimum allowed cpu-shares is 2",
  );
  expect(() => cg.apply(writes({ cpu: { shares: 1000000 } }))).toThrow("the maximum allowed cpu-shares is 262144");
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
