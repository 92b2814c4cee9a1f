/** The numbers of a cgroup; runtime sheet, output shapes, "events". Times in nanoseconds, sizes in bytes. */
import type { Uint64 } from "@gantry/oci";

export interface CgroupStats {
  readonly cpu: CpuStats;
  readonly cpuset: CpusetStats;
  readonly memory: MemoryStats;
  readonly pids: PidsStats;
  readonly blkio: BlkioStats;
  /** By page size, like `2MB`. */
  readonly hugetlb: Readonly<Record<string, HugetlbStats>>;
}

export interface CpuStats {
  readonly usage: CpuUsage;
  readonly throttling: { readonly periods: Uint64; readonly throttledPeriods: Uint64; readonly throttledTime: Uint64 };
  /** v2 with pressure files only. */
  readonly psi?: Psi;
}

export interface CpuUsage {
  readonly total: Uint64;
  readonly percpu: readonly Uint64[];
  readonly percpu_kernel: readonly Uint64[];
  readonly percpu_user: readonly Uint64[];
  readonly kernel: Uint64;
  readonly user: Uint64;
}

export const CPUSET_FLAGS = [
  "mem_hardwall",
  "mem_exclusive",
  "memory_migrate",
  "memory_spread_page",
  "memory_spread_slab",
  "memory_pressure",
  "sched_load_balance",
  "sched_relax_domain_level",
] as const;

/** v1 only; zeros on v2. */
export type CpusetStats = {
  readonly cpus: readonly number[];
  readonly cpu_exclusive: Uint64;
  readonly mems: readonly number[];
} & Readonly<Record<(typeof CPUSET_FLAGS)[number], Uint64>>;

/** 2^64 − 1 is no limit. */
export interface MemoryEntry {
  readonly limit: Uint64;
  readonly usage: Uint64;
  readonly max: Uint64;
  readonly failcnt: Uint64;
}

export interface MemoryStats {
  readonly cache: Uint64;
  readonly usage: MemoryEntry;
  /** Memory and swap together, on v2 as well. */
  readonly swap: MemoryEntry;
  readonly kernel: MemoryEntry;
  readonly kernelTCP: MemoryEntry;
  /** Every line of `memory.stat`. */
  readonly raw: Readonly<Record<string, Uint64>>;
  readonly psi?: Psi;
}

/** `limit` 0 is no limit. */
export interface PidsStats {
  readonly current: Uint64;
  readonly limit: Uint64;
}

export interface BlkioEntry {
  readonly major: Uint64;
  readonly minor: Uint64;
  readonly op: string;
  readonly value: Uint64;
}

export const BLKIO_TABLES = [
  "ioServiceBytesRecursive",
  "ioServicedRecursive",
  "ioQueueRecursive",
  "ioServiceTimeRecursive",
  "ioWaitTimeRecursive",
  "ioMergedRecursive",
  "ioTimeRecursive",
  "sectorsRecursive",
] as const;

export type BlkioTable = (typeof BLKIO_TABLES)[number];
export type BlkioStats = { readonly [table in BlkioTable]?: readonly BlkioEntry[] } & { readonly psi?: Psi };

export interface HugetlbStats {
  readonly usage: Uint64;
  readonly max: Uint64;
  readonly failcnt: Uint64;
}

/** Pressure stall information: percentages, and a total in microseconds. */
export interface Psi {
  readonly some: PsiLine;
  readonly full: PsiLine;
}

export interface PsiLine {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly total: Uint64;
}

export const NO_MEMORY: MemoryEntry = { limit: 0, usage: 0, max: 0, failcnt: 0 };

export const NO_CPUSET: CpusetStats = {
  cpus: [],
  cpu_exclusive: 0,
  mems: [],
  mem_hardwall: 0,
  mem_exclusive: 0,
  memory_migrate: 0,
  memory_spread_page: 0,
  memory_spread_slab: 0,
  memory_pressure: 0,
  sched_load_balance: 0,
  sched_relax_domain_level: 0,
};
