/** The numbers of cgroup v2, under the names that cgroup v1 has for them. */
import { count, keyValues, plus, psi, times, UNLIMITED } from "./parse.ts";
import { hugePageSizes, number, type Reader } from "./read.ts";
import {
  type BlkioEntry,
  type BlkioStats,
  type CgroupStats,
  type CpuStats,
  type HugetlbStats,
  type MemoryEntry,
  type MemoryStats,
  NO_CPUSET,
  NO_MEMORY,
  type PidsStats,
  type Psi,
} from "./types.ts";

const NS_PER_US = 1000;

export function readV2(read: Reader): CgroupStats {
  return {
    cpu: cpu(read),
    cpuset: NO_CPUSET,
    memory: memory(read),
    pids: pids(read),
    blkio: blkio(read),
    hugetlb: hugetlb(read),
  };
}

/** `cpu.stat` is there even when the controller is not. */
function cpu(read: Reader): CpuStats {
  const stat = keyValues(read("cpu.stat") ?? "");
  const ns = (key: string) => times(stat[key] ?? 0, NS_PER_US);
  return {
    usage: {
      total: ns("usage_usec"),
      percpu: [],
      percpu_kernel: [],
      percpu_user: [],
      kernel: ns("system_usec"),
      user: ns("user_usec"),
    },
    throttling: {
      periods: stat.nr_periods ?? 0,
      throttledPeriods: stat.nr_throttled ?? 0,
      throttledTime: ns("throttled_usec"),
    },
    ...pressure(read, "cpu"),
  };
}

function pressure(read: Reader, resource: string): { psi?: Psi } {
  const text = read(`${resource}.pressure`);
  return text === undefined ? {} : { psi: psi(text) };
}

function memory(read: Reader): MemoryStats {
  const raw = keyValues(read("memory.stat") ?? "");
  const usage = memoryEntry(read, "memory");
  return {
    cache: raw.file ?? 0,
    usage,
    swap: withMemory(memoryEntry(read, "memory.swap"), usage),
    kernel: NO_MEMORY,
    kernelTCP: NO_MEMORY,
    raw,
    ...pressure(read, "memory"),
  };
}

function memoryEntry(read: Reader, prefix: string): MemoryEntry {
  const current = read(`${prefix}.current`);
  if (current === undefined) return NO_MEMORY;
  return {
    limit: number(read, `${prefix}.max`),
    usage: count(current),
    max: number(read, `${prefix}.peak`),
    failcnt: 0,
  };
}

/** Readers expect memory and swap together. The peaks of the two need not have met, so there is none. */
function withMemory(swap: MemoryEntry, memory: MemoryEntry): MemoryEntry {
  const limit = swap.limit === UNLIMITED || memory.limit === UNLIMITED ? UNLIMITED : plus(swap.limit, memory.limit);
  return { limit, usage: plus(swap.usage, memory.usage), max: 0, failcnt: 0 };
}

/** Without the controller the processes (or threads) can still be counted. */
function pids(read: Reader): PidsStats {
  const current = read("pids.current");
  if (current === undefined) {
    const list = read("cgroup.procs") ?? read("cgroup.threads") ?? "";
    return { current: list.split("\n").length - 1, limit: 0 };
  }
  const limit = number(read, "pids.max");
  return { current: count(current), limit: limit === UNLIMITED ? 0 : limit };
}

/** `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …` */
function blkio(read: Reader): BlkioStats {
  const ioServiceBytesRecursive: BlkioEntry[] = [];
  const ioServicedRecursive: BlkioEntry[] = [];
  for (const line of (read("io.stat") ?? "").split("\n")) {
    const [device = "", ...items] = line.split(" ");
    const [major, minor] = device.split(":");
    if (major === undefined || minor === undefined) continue;
    for (const item of items) {
      const [key, value = "0"] = item.split("=");
      const table = key?.endsWith("bytes") ? ioServiceBytesRecursive : ioServicedRecursive;
      const op = key === "rbytes" || key === "rios" ? "Read" : key === "wbytes" || key === "wios" ? "Write" : undefined;
      if (op !== undefined) table.push({ major: count(major), minor: count(minor), op, value: count(value) });
    }
  }
  return { ioServiceBytesRecursive, ioServicedRecursive, ...pressure(read, "io") };
}

function hugetlb(read: Reader): Record<string, HugetlbStats> {
  const stats: Record<string, HugetlbStats> = {};
  for (const size of hugePageSizes()) {
    const current = read(`hugetlb.${size}.rsvd.current`) ?? read(`hugetlb.${size}.current`);
    if (current === undefined) continue;
    const failcnt = keyValues(read(`hugetlb.${size}.events`) ?? "").max ?? 0;
    stats[size] = { usage: count(current), max: 0, failcnt };
  }
  return stats;
}
