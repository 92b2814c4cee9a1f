/** Fields → files of cgroup v2. Pure. */
import { type BlockIO, type CPU, InvalidArgument, type Memory, type Resources } from "@gantry/oci";
import type { WriteList } from "./compile.ts";
import { cpuWeight, ioWeight, orMax, rdmaLines, swapMax } from "./convert.ts";

const NO_EQUIVALENT = "cgroup v2 has no equivalent";

export function compileV2(resources: Resources, to: WriteList): void {
  const { memory, blockIO, cpu, network } = resources;
  to.pids(resources);
  if (memory !== undefined) compileMemory(memory, to);
  if (blockIO !== undefined) compileIo(blockIO, to);
  if (cpu !== undefined) compileCpu(cpu, to);
  to.devices(resources);
  if (cpu?.cpus) to.put("cpuset", "cpuset.cpus", cpu.cpus, "cpu.cpus", { beforeJoin: true });
  if (cpu?.mems) to.put("cpuset", "cpuset.mems", cpu.mems, "cpu.mems", { beforeJoin: true });
  compileHugepages(resources, to);
  if (resources.rdma !== undefined)
    for (const { line, at, device } of rdmaLines(resources)) to.put("rdma", "rdma.max", line, at, { key: device });
  to.ignore(network, "network", ["classID", "priorities"], NO_EQUIVALENT);
  compileUnified(resources, to);
}

function compileMemory(memory: Memory, to: WriteList): void {
  to.ignore(memory, "memory", ["kernel", "kernelTCP", "useHierarchy"], "deprecated");
  to.ignore(memory, "memory", ["swappiness", "disableOOMKiller"], NO_EQUIVALENT);
  const { limit = 0, swap = 0, reservation = 0, checkBeforeUpdate = false } = memory;
  const swapValue = swapMax(memory);
  const guard = (what: string, value: number | bigint) =>
    checkBeforeUpdate && value > 0 ? { rejectBelowUsage: { what, bytes: String(value) } } : {};
  if (swapValue !== undefined)
    to.put("memory", "memory.swap.max", swapValue, swap === 0 ? "memory.limit" : "memory.swap", {
      ...(swapValue === "max" || swapValue === "0" ? { ifAbsent: "skip" as const } : {}),
      ...guard("memory+swap limit", swap),
    });
  if (limit !== 0) to.put("memory", "memory.max", orMax(limit), "memory.limit", guard("memory limit", limit));
  if (reservation !== 0) to.put("memory", "memory.low", orMax(reservation), "memory.reservation");
}

const THROTTLES = [
  ["throttleReadBpsDevice", "rbps"],
  ["throttleWriteBpsDevice", "wbps"],
  ["throttleReadIOPSDevice", "riops"],
  ["throttleWriteIOPSDevice", "wiops"],
] as const;

/** With BFQ the old weights are taken as they are, else they are converted. */
function compileIo(io: BlockIO, to: WriteList): void {
  to.ignore(io, "blockIO", ["leafWeight"], NO_EQUIVALENT);
  if (io.weight)
    to.put("io", "io.bfq.weight", io.weight, "blockIO.weight", {
      ifAbsent: { file: "io.weight", value: String(ioWeight(io.weight)) },
    });
  io.weightDevice?.forEach((device, i) => {
    const { major, minor, weight } = device;
    const key = `${major}:${minor}`;
    to.ignore(device, `blockIO.weightDevice[${i}]`, ["leafWeight"], NO_EQUIVALENT);
    if (!weight) return;
    const ifAbsent = { file: "io.weight", value: `${key} ${ioWeight(weight)}` };
    to.put("io", "io.bfq.weight", `${key} ${weight}`, `blockIO.weightDevice[${i}].weight`, { key, ifAbsent });
  });
  for (const [field, name] of THROTTLES)
    io[field]?.forEach(({ major, minor, rate = 0 }, i) => {
      const key = `${major}:${minor}`;
      const value = `${key} ${name}=${rate === 0 ? "max" : rate}`;
      to.put("io", "io.max", value, `blockIO.${field}[${i}]`, { key });
    });
}

/** An idle group takes no weight, so idleness that is being switched off comes first and one being switched on last. */
function compileCpu(cpu: CPU, to: WriteList): void {
  const { shares = 0, quota = 0, period = 0, burst, idle, realtimeRuntime, realtimePeriod } = cpu;
  if (realtimeRuntime || realtimePeriod)
    throw new InvalidArgument(
      `linux.resources.cpu.${realtimeRuntime ? "realtimeRuntime" : "realtimePeriod"}: cgroup v2 has no realtime bandwidth control`,
    );
  if (idle !== undefined && idle !== 1) to.put("cpu", "cpu.idle", idle, "cpu.idle");
  if (shares !== 0 && idle === 1)
    to.options.warn?.("linux.resources.cpu.shares: unable to apply both shares and idle, ignoring shares");
  else if (shares !== 0) to.put("cpu", "cpu.weight", cpuWeight(shares), "cpu.shares");
  if (burst !== undefined)
    to.put("cpu", "cpu.max.burst", burst, "cpu.burst", quota !== 0 ? { retry: true } : undefined);
  if (quota !== 0) {
    const value = `${quota > 0 ? quota : "max"}${period === 0 ? "" : ` ${period}`}`;
    to.put("cpu", "cpu.max", value, "cpu.quota");
  } else if (period !== 0) to.put("cpu", "cpu.max", String(period), "cpu.period", { keepQuota: true });
  if (idle === 1) to.put("cpu", "cpu.idle", idle, "cpu.idle");
}

function compileHugepages({ hugepageLimits }: Resources, to: WriteList): void {
  hugepageLimits?.forEach(({ pageSize, limit }, i) => {
    const at = `hugepageLimits[${i}]`;
    to.put("hugetlb", `hugetlb.${pageSize}.max`, limit, at);
    to.put("hugetlb", `hugetlb.${pageSize}.rsvd.max`, limit, at, { ifAbsent: "skip" });
  });
}

/** Names of files in the container's own directory; they come last, so they win. */
function compileUnified({ unified = {} }: Resources, to: WriteList): void {
  for (const [file, value] of Object.entries(unified)) {
    const at = `unified[${JSON.stringify(file)}]`;
    if (file.includes("/"))
      throw new InvalidArgument(`linux.resources.${at}: unified resource "${file}" must be a file name (no slashes)`);
    const dot = file.indexOf(".");
    if (dot <= 0)
      throw new InvalidArgument(
        `linux.resources.${at}: unified resource "${file}" must be in the form CONTROLLER.PARAMETER`,
      );
    const controller = file.slice(0, dot);
    if (file === "cpu.weight" && unified["cpu.idle"]?.trim() === "1") {
      to.options.warn?.(`linux.resources.${at}: unable to apply both cpu.weight and cpu.idle, ignoring cpu.weight`);
      continue;
    }
    if (!to.has(controller))
      throw new InvalidArgument(
        `linux.resources.${at}: unified resource "${file}" can't be set: controller "${controller}" not available`,
      );
    to.put(controller, file, value, at, { lines: true });
  }
}
