import { expect, test } from "bun:test";
import type { Resources } from "@gantry/oci";
import type { CgroupHost } from "../../cgroups/host.ts";
import { type CompileOptions, compileResources } from "../../cgroups/resources/compile.ts";
import { cpuWeight, ioWeight } from "../../cgroups/resources/convert.ts";

const V1_NAMES = ["cpuset", "devices", "memory", "cpu", "pids", "blkio", "hugetlb", "net_cls", "net_prio", "rdma"];
const at = (name: string) => ({ controllers: [name], mountPoint: `/sys/fs/cgroup/${name}`, root: "/", own: "/" });
const v1: CgroupHost = { mode: "v1", root: "/sys/fs/cgroup", hierarchies: V1_NAMES.map(at), controllers: [] };
const v2: CgroupHost = {
  mode: "v2",
  root: "/sys/fs/cgroup",
  hierarchies: [],
  unified: { controllers: [""], mountPoint: "/sys/fs/cgroup", root: "/", own: "/" },
  controllers: ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"],
};

/** The writes as `file=value`, without device rules. */
function writes(host: CgroupHost, resources: Resources, options?: CompileOptions): string[] {
  return compileResources(resources, host, { skipDevices: true, ...options }).map((w) =>
    w.kind === "file" ? `${w.file}=${w.value}` : "devices",
  );
}

test.each([
  [0, 0],
  [1, 1],
  [2, 1],
  [3, 2],
  [512, 59],
  [1023, 100],
  [1024, 100],
  [1025, 101],
  [2048, 174],
  [262143, 10000],
  [262144, 10000],
  [2n ** 60n, 10000],
])("cpu shares %p become weight %p", (shares, weight) => {
  expect(cpuWeight(shares)).toBe(weight);
});

test("weights grow with shares and stay within the kernel's bounds", () => {
  let last = 0;
  for (let shares = 2; shares <= 262144; shares = Math.ceil(shares * 1.01) + 1) {
    const weight = cpuWeight(shares);
    expect(weight).toBeGreaterThanOrEqual(Math.max(last, 1));
    expect(weight).toBeLessThanOrEqual(10000);
    last = weight;
  }
});

test("io weights are converted linearly from 10…1000 to 1…10000", () => {
  expect([0, 10, 11, 500, 1000].map(ioWeight)).toEqual([0, 1, 11, 4950, 10000]);
});

const MEMORY_V2: readonly (readonly [string, Resources["memory"], readonly string[]])[] = [
  ["the swap file takes what is above the limit", { limit: 100, swap: 250 }, ["memory.swap.max=150", "memory.max=100"]],
  ["an equal limit means no swap at all", { limit: 100, swap: 100 }, ["memory.swap.max=0", "memory.max=100"]],
  ["unlimited swap", { limit: 100, swap: -1 }, ["memory.swap.max=max", "memory.max=100"]],
  ["unlimited memory frees swap too", { limit: -1 }, ["memory.swap.max=max", "memory.max=max"]],
  ["unlimited memory leaves a swap limit as it is", { limit: -1, swap: 9 }, ["memory.swap.max=9", "memory.max=max"]],
  ["a limit alone leaves swap alone", { limit: 100 }, ["memory.max=100"]],
  ["the reservation is a low mark", { reservation: 50 }, ["memory.low=50"]],
  ["an unlimited reservation", { reservation: -1 }, ["memory.low=max"]],
  ["zero is unset", { limit: 0, swap: 0, reservation: 0 }, []],
  [
    "numbers beyond 2^53 keep every digit",
    { limit: 2n ** 60n + 1n, swap: 2n ** 61n },
    [`memory.swap.max=${2n ** 61n - 2n ** 60n - 1n}`, `memory.max=${2n ** 60n + 1n}`],
  ],
];
for (const [name, memory, expected] of MEMORY_V2)
  test(`v2 memory: ${name}`, () => {
    expect(writes(v2, { memory: memory! })).toEqual([...expected]);
  });

test("v2 swap without a memory limit, or below it, is refused by name", () => {
  expect(() => writes(v2, { memory: { swap: 100 } })).toThrow(
    "linux.resources.memory.swap: unable to set swap limit without memory limit",
  );
  expect(() => writes(v2, { memory: { limit: 100, swap: 50 } })).toThrow(
    "linux.resources.memory.swap: memory+swap limit should be >= memory limit",
  );
});

test("only switching swap off or to unlimited may find no swap file", () => {
  const policy = (swap: number) => compileResources({ memory: { limit: 100, swap } }, v2, { skipDevices: true })[0];
  expect(policy(100)).toMatchObject({ policy: { ifAbsent: "skip" } });
  expect(policy(-1)).toMatchObject({ policy: { ifAbsent: "skip" } });
  expect(policy(200)).not.toMatchObject({ policy: { ifAbsent: "skip" } });
});

test("v1 memory: the limit may be taken only after memory+swap", () => {
  const list = compileResources({ memory: { limit: 100, swap: 200, swappiness: 0, disableOOMKiller: true } }, v1, {
    skipDevices: true,
  });
  expect(list).toMatchObject([
    { file: "memory.limit_in_bytes", value: "100", from: "linux.resources.memory.limit", policy: { retry: true } },
    { file: "memory.memsw.limit_in_bytes", value: "200", from: "linux.resources.memory.swap" },
    { file: "memory.oom_control", value: "1" },
    { file: "memory.swappiness", value: "0" },
  ]);
});

test("v1: unlimited memory makes swap unlimited where there is swap accounting", () => {
  expect(compileResources({ memory: { limit: -1 } }, v1, { skipDevices: true })).toMatchObject([
    { file: "memory.limit_in_bytes", value: "-1" },
    { file: "memory.memsw.limit_in_bytes", value: "-1", policy: { ifAbsent: "skip" } },
  ]);
});

test("v1: swappiness above 100 is refused, −1 is unset", () => {
  expect(() => writes(v1, { memory: { swappiness: 101 } })).toThrow(
    "invalid memory swappiness value: 101 (valid range is 0-100)",
  );
  expect(writes(v1, { memory: { swappiness: 2n ** 64n - 1n } })).toEqual([]);
});

test("v1 cpu", () => {
  const cpu = { shares: 512, quota: 5000, period: 10000, burst: 100, idle: 1, realtimeRuntime: 7, realtimePeriod: 9 };
  expect(writes(v1, { cpu: { ...cpu, cpus: "0-1", mems: "0" } })).toEqual([
    "cpuset.cpus=0-1",
    "cpuset.mems=0",
    "cpu.rt_period_us=9",
    "cpu.rt_runtime_us=7",
    "cpu.shares=512",
    "cpu.cfs_period_us=10000",
    "cpu.cfs_burst_us=100",
    "cpu.cfs_quota_us=5000",
    "cpu.idle=1",
  ]);
});

test("what a process finds when it joins is written before: cpusets and realtime bandwidth", () => {
  const list = compileResources({ cpu: { cpus: "0", realtimeRuntime: 7, shares: 2 } }, v1, { skipDevices: true });
  const early = list.filter((w) => w.kind === "file" && w.policy?.beforeJoin).map((w) => w.kind === "file" && w.file);
  expect(early).toEqual(["cpuset.cpus", "cpu.rt_runtime_us"]);
});

test.each([
  [{ quota: 5000, period: 10000 }, "cpu.max=5000 10000"],
  [{ quota: -1, period: 10000 }, "cpu.max=max 10000"],
  [{ quota: 5000 }, "cpu.max=5000"],
  [{ shares: 1024 }, "cpu.weight=100"],
  [{ idle: 1, shares: 1024 }, "cpu.idle=1"],
])("v2 cpu %p is %p", (cpu, expected) => {
  expect(writes(v2, { cpu })).toEqual([expected]);
});

test("v2: leaving idleness comes before the weight, which an idle group refuses", () => {
  expect(writes(v2, { cpu: { idle: 0, shares: 2 } })).toEqual(["cpu.idle=0", "cpu.weight=1"]);
});

test("v2: a period alone keeps the quota", () => {
  expect(compileResources({ cpu: { period: 5000 } }, v2, { skipDevices: true })).toMatchObject([
    { file: "cpu.max", value: "5000", policy: { keepQuota: true } },
  ]);
});

test("v2 has no realtime bandwidth", () => {
  expect(() => writes(v2, { cpu: { realtimeRuntime: 1 } })).toThrow("linux.resources.cpu.realtimeRuntime");
});

test.each([
  [100, "100"],
  [0, "1"],
  [-1, "max"],
])("a pids limit of %p is written as %p", (limit, value) => {
  for (const host of [v1, v2]) expect(writes(host, { pids: { limit } })).toEqual([`pids.max=${value}`]);
});

test("block I/O", () => {
  const blockIO = {
    weight: 500,
    weightDevice: [{ major: 8, minor: 0, weight: 100 }],
    throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1000 }],
    throttleWriteIOPSDevice: [{ major: 8, minor: 16, rate: 0 }],
  };
  expect(compileResources({ blockIO }, v1, { skipDevices: true })).toMatchObject([
    { file: "blkio.weight", value: "500", policy: { ifAbsent: { file: "blkio.bfq.weight", value: "500" } } },
    { file: "blkio.weight_device", value: "8:0 100", policy: { ifAbsent: { file: "blkio.bfq.weight_device" } } },
    { file: "blkio.throttle.read_bps_device", value: "8:0 1000" },
    {
      file: "blkio.throttle.write_iops_device",
      value: "8:16 0",
      from: "linux.resources.blockIO.throttleWriteIOPSDevice[0]",
    },
  ]);
  expect(compileResources({ blockIO }, v2, { skipDevices: true })).toMatchObject([
    { file: "io.bfq.weight", value: "500", policy: { ifAbsent: { file: "io.weight", value: "4950" } } },
    { file: "io.bfq.weight", value: "8:0 100", policy: { ifAbsent: { file: "io.weight", value: "8:0 910" } } },
    { file: "io.max", value: "8:0 rbps=1000" },
    { file: "io.max", value: "8:16 wiops=max" },
  ]);
});

test("huge pages, with their reservations where the kernel has them", () => {
  const hugepageLimits = [{ pageSize: "2MB", limit: 4194304 }];
  expect(writes(v1, { hugepageLimits })).toEqual([
    "hugetlb.2MB.limit_in_bytes=4194304",
    "hugetlb.2MB.rsvd.limit_in_bytes=4194304",
  ]);
  expect(writes(v2, { hugepageLimits })).toEqual(["hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304"]);
});

test("network and rdma", () => {
  const network = { classID: 5, priorities: [{ name: "eth0", priority: 3 }] };
  expect(writes(v1, { network, rdma: { mlx: { hcaHandles: 2 } } })).toEqual([
    "net_cls.classid=5",
    "net_prio.ifpriomap=eth0 3",
    "rdma.max=mlx hca_handle=2",
  ]);
});

test("what cgroup v2 has no word for is left out with a warning", () => {
  const warnings: string[] = [];
  const resources: Resources = { network: { classID: 5 }, memory: { swappiness: 10, kernel: 4 } };
  expect(writes(v2, resources, { warn: (message) => warnings.push(message) })).toEqual([]);
  expect(warnings.map((w) => w.split(":")[0])).toEqual([
    "linux.resources.memory.kernel",
    "linux.resources.memory.swappiness",
    "linux.resources.network.classID",
  ]);
});

test("unified comes last and as it is", () => {
  const unified = { "memory.high": "1000", "io.max": "8:0 rbps=1\n8:16 rbps=2" };
  expect(writes(v2, { unified, pids: { limit: 5 } })).toEqual([
    "pids.max=5",
    "memory.high=1000",
    "io.max=8:0 rbps=1\n8:16 rbps=2",
  ]);
});

test.each([
  ["a/b.c", "must be a file name (no slashes)"],
  ["memory", "must be in the form CONTROLLER.PARAMETER"],
  ["nosuch.max", 'controller "nosuch" not available'],
])("unified %p is refused", (file, reason) => {
  expect(() => writes(v2, { unified: { [file]: "1" } })).toThrow(reason);
});

test("unified is refused on v1", () => {
  expect(() => writes(v1, { unified: { "memory.high": "1" } })).toThrow(
    "invalid configuration: cannot use unified on cgroup v1",
  );
});

test("a controller that is missing matters only when one of its fields is set", () => {
  const poor = { ...v1, hierarchies: v1.hierarchies.filter((h) => h.controllers[0] !== "pids") };
  expect(writes(poor, { cpu: { shares: 2 } })).toEqual(["cpu.shares=2"]);
  expect(() => writes(poor, { pids: { limit: 1 } })).toThrow(
    "linux.resources.pids.limit: cannot set pids limit: container could not join or create cgroup",
  );
});

test("device rules are compiled at create, and in an update only when they are given", () => {
  const kinds = (resources: Resources | undefined, options?: CompileOptions) =>
    compileResources(resources, v1, options).map((w) => w.kind);
  expect(kinds(undefined)).toEqual(["devices"]);
  expect(kinds({}, { update: true })).toEqual([]);
  expect(kinds({ devices: [] }, { update: true })).toEqual(["devices"]);
});

test("a list of writes survives JSON, so that a plan can carry it", () => {
  const list = compileResources({ memory: { limit: 2n ** 60n, checkBeforeUpdate: true } }, v2);
  expect(JSON.parse(JSON.stringify(list))).toEqual(list);
});

test("v2: an idle group takes no weight, and that is said", () => {
  for (const resources of [{ cpu: { idle: 1, shares: 200 } }, { unified: { "cpu.weight": "8", "cpu.idle": "1" } }]) {
    const warnings: string[] = [];
    expect(writes(v2, resources, { warn: (message) => warnings.push(message) })).toEqual(["cpu.idle=1"]);
    expect(warnings.join()).toContain("unable to apply both");
  }
});

test("an unlimited number of processes needs no controller", () => {
  expect(writes({ ...v2, controllers: [] }, { pids: { limit: -1 } })).toEqual([]);
});
