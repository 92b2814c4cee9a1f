/** The numbers of cgroup v1. */
import { count, idList, keyValues, times, UNLIMITED } from "./parse.ts";
import { hugePageSizes, number, type Reader } from "./read.ts";
import {
  type BlkioEntry,
  type BlkioStats,
  type BlkioTable,
  type CgroupStats,
  CPUSET_FLAGS,
  type CpuStats,
  type CpusetStats,
  type HugetlbStats,
  type MemoryEntry,
  type MemoryStats,
  NO_CPUSET,
  NO_MEMORY,
  type PidsStats,
} from "./types.ts";

/** `cpuacct.stat` counts in units of 1/100 s, whatever the kernel was built with. */
const NS_PER_TICK = 10_000_000;

export function readV1(of: (controller: string) => Reader): CgroupStats {
  return {
    cpu: cpu(of("cpu"), of("cpuacct")),
    cpuset: cpuset(of("cpuset")),
    memory: memory(of("memory")),
    pids: pids(of("pids")),
    blkio: blkio(of("blkio")),
    hugetlb: hugetlb(of("hugetlb")),
  };
}

function cpu(read: Reader, accounting: Reader): CpuStats {
  const { user = 0, system = 0 } = keyValues(accounting("cpuacct.stat") ?? "");
  const { nr_periods = 0, nr_throttled = 0, throttled_time = 0 } = keyValues(read("cpu.stat") ?? "");
  const perCpu = (accounting("cpuacct.usage_all") ?? "").split("\n").slice(1).filter(Boolean);
  const column = (n: number) => perCpu.map((line) => count(line.split(" ")[n]!));
  return {
    usage: {
      total: number(accounting, "cpuacct.usage"),
      percpu: (accounting("cpuacct.usage_percpu") ?? "")
        .split(" ")
        .map((s) => s.trim())
        .filter(Boolean)
        .map(count),
      percpu_kernel: column(2),
      percpu_user: column(1),
      kernel: times(system, NS_PER_TICK),
      user: times(user, NS_PER_TICK),
    },
    throttling: { periods: nr_periods, throttledPeriods: nr_throttled, throttledTime: throttled_time },
  };
}

function cpuset(read: Reader): CpusetStats {
  const flags = Object.fromEntries(CPUSET_FLAGS.map((name) => [name, signed(read(`cpuset.${name}`))]));
  return {
    ...NO_CPUSET,
    ...flags,
    cpus: idList(read("cpuset.cpus") ?? ""),
    cpu_exclusive: number(read, "cpuset.cpu_exclusive"),
    mems: idList(read("cpuset.mems") ?? ""),
  };
}

/** sched_relax_domain_level is −1 by default. */
function signed(text: string | undefined): number {
  return text === undefined ? 0 : Number(text);
}

function memory(read: Reader): MemoryStats {
  const raw = keyValues(read("memory.stat") ?? "");
  return {
    cache: raw.cache ?? 0,
    usage: memoryEntry(read, "memory"),
    swap: memoryEntry(read, "memory.memsw"),
    kernel: memoryEntry(read, "memory.kmem"),
    kernelTCP: memoryEntry(read, "memory.kmem.tcp"),
    raw,
  };
}

/** Swap and kernel memory are options of the kernel. */
function memoryEntry(read: Reader, prefix: string): MemoryEntry {
  const usage = read(`${prefix}.usage_in_bytes`);
  if (usage === undefined) return NO_MEMORY;
  return {
    limit: number(read, `${prefix}.limit_in_bytes`),
    usage: count(usage),
    max: number(read, `${prefix}.max_usage_in_bytes`),
    failcnt: number(read, `${prefix}.failcnt`),
  };
}

function pids(read: Reader): PidsStats {
  const limit = number(read, "pids.max");
  return { current: number(read, "pids.current"), limit: limit === UNLIMITED ? 0 : limit };
}

/** With more debugging compiled in there are more tables; the first family whose first file has something is the one. */
const BLKIO_FAMILIES: readonly (readonly (readonly [file: string, table: BlkioTable])[])[] = [
  [
    ["bfq.sectors_recursive", "sectorsRecursive"],
    ["bfq.io_service_time_recursive", "ioServiceTimeRecursive"],
    ["bfq.io_wait_time_recursive", "ioWaitTimeRecursive"],
    ["bfq.io_merged_recursive", "ioMergedRecursive"],
    ["bfq.io_queued_recursive", "ioQueueRecursive"],
    ["bfq.time_recursive", "ioTimeRecursive"],
    ["bfq.io_serviced_recursive", "ioServicedRecursive"],
    ["bfq.io_service_bytes_recursive", "ioServiceBytesRecursive"],
  ],
  [
    ["bfq.io_serviced_recursive", "ioServicedRecursive"],
    ["bfq.io_service_bytes_recursive", "ioServiceBytesRecursive"],
  ],
  [
    ["sectors_recursive", "sectorsRecursive"],
    ["io_service_time_recursive", "ioServiceTimeRecursive"],
    ["io_wait_time_recursive", "ioWaitTimeRecursive"],
    ["io_merged_recursive", "ioMergedRecursive"],
    ["io_queued_recursive", "ioQueueRecursive"],
    ["time_recursive", "ioTimeRecursive"],
    ["io_serviced_recursive", "ioServicedRecursive"],
    ["io_service_bytes_recursive", "ioServiceBytesRecursive"],
  ],
  [
    ["throttle.io_serviced_recursive", "ioServicedRecursive"],
    ["throttle.io_service_bytes_recursive", "ioServiceBytesRecursive"],
  ],
  [
    ["throttle.io_serviced", "ioServicedRecursive"],
    ["throttle.io_service_bytes", "ioServiceBytesRecursive"],
  ],
];

function blkio(read: Reader): BlkioStats {
  for (const family of BLKIO_FAMILIES) {
    const tables: { [table in BlkioTable]?: BlkioEntry[] } = {};
    for (const [file, table] of family) tables[table] = blkioEntries(read(`blkio.${file}`) ?? "");
    if (tables[family[0]![1]]!.length > 0) return tables;
  }
  return {};
}

/** `8:0 Read 124`, or `8:0 6792`; the line `Total N` sums up. */
function blkioEntries(text: string): BlkioEntry[] {
  return text.split("\n").flatMap((line) => {
    const match = /^(\d+):(\d+) (?:(\w+) )?(\d+)$/.exec(line);
    if (match === null) return [];
    return [{ major: count(match[1]!), minor: count(match[2]!), op: match[3] ?? "", value: count(match[4]!) }];
  });
}

/** Where the kernel accounts reservations it is those that are shown. */
function hugetlb(read: Reader): Record<string, HugetlbStats> {
  const stats: Record<string, HugetlbStats> = {};
  for (const size of hugePageSizes()) {
    const prefix = [`hugetlb.${size}.rsvd`, `hugetlb.${size}`].find((p) => read(`${p}.usage_in_bytes`) !== undefined);
    if (prefix === undefined) continue;
    stats[size] = {
      usage: number(read, `${prefix}.usage_in_bytes`),
      max: number(read, `${prefix}.max_usage_in_bytes`),
      failcnt: number(read, `${prefix}.failcnt`),
    };
  }
  return stats;
}
