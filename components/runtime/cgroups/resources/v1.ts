/** Fields → files of cgroup v1, controller by controller in the order of joining. Pure. */
import { type BlockIO, type CPU, FailedPrecondition, InvalidArgument, type Memory, type Resources } from "@gantry/oci";
import type { WriteList } from "./compile.ts";
import { rdmaLines } from "./convert.ts";

export function compileV1(resources: Resources, to: WriteList): void {
  if (resources.unified !== undefined && Object.keys(resources.unified).length > 0)
    throw new FailedPrecondition("linux.resources.unified: invalid configuration: cannot use unified on cgroup v1");
  const { cpu, memory, blockIO } = resources;
  if (cpu?.cpus) to.put("cpuset", "cpuset.cpus", cpu.cpus, "cpu.cpus", { beforeJoin: true });
  if (cpu?.mems) to.put("cpuset", "cpuset.mems", cpu.mems, "cpu.mems", { beforeJoin: true });
  to.devices(resources);
  if (memory !== undefined) compileMemory(memory, to);
  if (cpu !== undefined) compileCpu(cpu, to);
  to.pids(resources);
  if (blockIO !== undefined) compileBlockIo(blockIO, to);
  compileHugepages(resources, to);
  compileNetwork(resources, to);
  if (resources.rdma !== undefined)
    for (const { line, at } of rdmaLines(resources)) to.put("rdma", "rdma.max", line, at);
}

/** The limit alone may not exceed memory+swap at any moment: raising both, the kernel takes the limit only after the swap. */
function compileMemory(memory: Memory, to: WriteList): void {
  to.ignore(memory, "memory", ["kernel", "kernelTCP", "useHierarchy"], "deprecated");
  const { limit = 0, swap = 0, reservation = 0, swappiness } = memory;
  const usage = { now: "memory.usage_in_bytes", peak: "memory.max_usage_in_bytes" };
  const swapFile = "memory.memsw.limit_in_bytes";
  if (limit !== 0) to.put("memory", "memory.limit_in_bytes", limit, "memory.limit", { retry: true, usage });
  if (swap !== 0) to.put("memory", swapFile, swap, "memory.swap");
  else if (limit === -1) to.put("memory", swapFile, -1, "memory.limit", { ifAbsent: "skip" });
  if (reservation !== 0) to.put("memory", "memory.soft_limit_in_bytes", reservation, "memory.reservation");
  if (memory.disableOOMKiller) to.put("memory", "memory.oom_control", 1, "memory.disableOOMKiller");
  if (swappiness === undefined || BigInt.asIntN(64, BigInt(swappiness)) === -1n) return;
  if (swappiness > 100)
    throw new InvalidArgument(
      `linux.resources.memory.swappiness: invalid memory swappiness value: ${swappiness} (valid range is 0-100)`,
    );
  to.put("memory", "memory.swappiness", swappiness, "memory.swappiness");
}

function compileCpu(cpu: CPU, to: WriteList): void {
  const { shares = 0, quota = 0, period = 0, burst, idle, realtimeRuntime = 0, realtimePeriod = 0 } = cpu;
  const rt = { beforeJoin: true, retry: true } as const;
  if (realtimePeriod !== 0) to.put("cpu", "cpu.rt_period_us", realtimePeriod, "cpu.realtimePeriod", rt);
  if (realtimeRuntime !== 0) to.put("cpu", "cpu.rt_runtime_us", realtimeRuntime, "cpu.realtimeRuntime", rt);
  if (shares !== 0) to.put("cpu", "cpu.shares", shares, "cpu.shares", { clips: true });
  if (period !== 0) to.put("cpu", "cpu.cfs_period_us", period, "cpu.period", { retry: true });
  if (burst !== undefined) to.put("cpu", "cpu.cfs_burst_us", burst, "cpu.burst", { retry: true, ifAbsent: "skip" });
  if (quota !== 0) to.put("cpu", "cpu.cfs_quota_us", quota, "cpu.quota");
  if (idle !== undefined) to.put("cpu", "cpu.idle", idle, "cpu.idle");
}

const THROTTLES = [
  ["throttleReadBpsDevice", "blkio.throttle.read_bps_device"],
  ["throttleWriteBpsDevice", "blkio.throttle.write_bps_device"],
  ["throttleReadIOPSDevice", "blkio.throttle.read_iops_device"],
  ["throttleWriteIOPSDevice", "blkio.throttle.write_iops_device"],
] as const;

/** The weight files have the name of their I/O scheduler in them when that is BFQ. */
function compileBlockIo(io: BlockIO, to: WriteList): void {
  if (io.weight)
    to.put("blkio", "blkio.weight", io.weight, "blockIO.weight", {
      ifAbsent: { file: "blkio.bfq.weight", value: String(io.weight) },
    });
  if (io.leafWeight) to.put("blkio", "blkio.leaf_weight", io.leafWeight, "blockIO.leafWeight");
  io.weightDevice?.forEach(({ major, minor, weight, leafWeight }, i) => {
    const key = `${major}:${minor}`;
    const at = `blockIO.weightDevice[${i}]`;
    const value = `${key} ${weight}`;
    const ifAbsent = { file: "blkio.bfq.weight_device", value };
    if (weight) to.put("blkio", "blkio.weight_device", value, `${at}.weight`, { ifAbsent, key });
    if (leafWeight) to.put("blkio", "blkio.leaf_weight_device", `${key} ${leafWeight}`, `${at}.leafWeight`, { key });
  });
  for (const [field, file] of THROTTLES)
    io[field]?.forEach(({ major, minor, rate = 0 }, i) => {
      const key = `${major}:${minor}`;
      to.put("blkio", file, `${key} ${rate}`, `blockIO.${field}[${i}]`, { key });
    });
}

function compileHugepages({ hugepageLimits }: Resources, to: WriteList): void {
  hugepageLimits?.forEach(({ pageSize, limit }, i) => {
    const at = `hugepageLimits[${i}]`;
    to.put("hugetlb", `hugetlb.${pageSize}.limit_in_bytes`, limit, at);
    to.put("hugetlb", `hugetlb.${pageSize}.rsvd.limit_in_bytes`, limit, at, { ifAbsent: "skip" });
  });
}

function compileNetwork({ network }: Resources, to: WriteList): void {
  if (network?.classID) to.put("net_cls", "net_cls.classid", network.classID, "network.classID");
  network?.priorities?.forEach(({ name, priority }, i) => {
    to.put("net_prio", "net_prio.ifpriomap", `${name} ${priority}`, `network.priorities[${i}]`, { key: name });
  });
}
