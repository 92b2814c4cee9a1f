/** `linux.resources` → properties of the container's unit, so that systemd does not undo the limits. Pure. */
import { type CPU, type Int64, InvalidArgument, type Memory, type Resources } from "@gantry/oci";
import { cpuWeight, swapMax } from "../resources/convert.ts";
import type { UnitWrite } from "../resources/write.ts";
import { idList } from "../stats/parse.ts";

/** USEC_INFINITY, and what systemd takes for no limit. */
const INFINITY = String(2n ** 64n - 1n);
const DEFAULT_PERIOD_US = 100_000;
/** systemd keeps quotas as whole percents of a CPU. */
const QUOTA_STEP_US = 10_000n;
const US_PER_S = 1_000_000n;

/** The versions of systemd that brought a property. */
const SINCE: Readonly<Record<string, number>> = {
  CPUQuotaPeriodUSec: 242,
  AllowedCPUs: 244,
  AllowedMemoryNodes: 244,
  OOMPolicy: 253,
};
const IDLE_SINCE = 252;

type Put = (property: string, signature: string, value: UnitWrite["value"], at: string, since?: number) => void;

/** The writes to the unit; those marked `start` can be set when it is made only. */
export function unitWrites(resources: Resources, v2: boolean): UnitWrite[] {
  const writes: UnitWrite[] = [];
  const put: Put = (property, signature, value, at, since = SINCE[property]) => {
    const write: UnitWrite = {
      kind: "unit",
      controller: "systemd",
      property,
      signature,
      value,
      from: `linux.resources.${at}`,
    };
    writes.push({
      ...write,
      ...(since === undefined ? {} : { since }),
      ...(property === "OOMPolicy" ? { start: true } : {}),
    });
  };
  const { memory, cpu, pids, blockIO, unified = {} } = resources;
  if (memory !== undefined) putMemory(memory, v2, put);
  if (cpu !== undefined) putCpu(cpu, v2, put);
  if (!v2 && blockIO?.weight) put("BlockIOWeight", "t", String(blockIO.weight), "blockIO.weight");
  if (pids?.limit !== undefined) put("TasksMax", "t", tasks(pids.limit), "pids.limit");
  if (cpu?.cpus) put("AllowedCPUs", "ay", bitmap(cpu.cpus, "cpu.cpus"), "cpu.cpus");
  if (cpu?.mems) put("AllowedMemoryNodes", "ay", bitmap(cpu.mems, "cpu.mems"), "cpu.mems");
  for (const [file, value] of Object.entries(unified)) putUnified(file, value.trim(), unified, put);
  return writes;
}

function putMemory(memory: Memory, v2: boolean, put: Put): void {
  const { limit = 0, reservation = 0 } = memory;
  if (limit !== 0) put(v2 ? "MemoryMax" : "MemoryLimit", "t", unsigned(limit), "memory.limit");
  if (!v2) return;
  if (reservation !== 0) put("MemoryLow", "t", unsigned(reservation), "memory.reservation");
  const swap = swapMax(memory);
  if (swap !== undefined) put("MemorySwapMax", "t", swap === "max" ? INFINITY : swap, "memory.swap");
}

function putCpu(cpu: CPU, v2: boolean, put: Put): void {
  const { shares = 0, idle, quota = 0, period = 0 } = cpu;
  if (v2 && idle === 1) put("CPUWeight", "t", "0", "cpu.idle", IDLE_SINCE);
  else if (shares !== 0)
    put(v2 ? "CPUWeight" : "CPUShares", "t", String(v2 ? cpuWeight(shares) : shares), "cpu.shares");
  putQuota(quota, period, "cpu.quota", put);
}

function putQuota(quota: Int64, period: Int64, at: string, put: Put): void {
  if (period !== 0) put("CPUQuotaPeriodUSec", "t", String(period), at);
  if (quota === 0 && period === 0) return;
  put("CPUQuotaPerSecUSec", "t", quota > 0 ? String(perSecond(quota, period)) : INFINITY, at);
}

/** Microseconds of CPU time in a second, rounded up to a whole percent. */
function perSecond(quota: Int64, period: Int64): bigint {
  const exact = (BigInt(quota) * US_PER_S) / BigInt(period === 0 ? DEFAULT_PERIOD_US : period);
  return ((exact + QUOTA_STEP_US - 1n) / QUOTA_STEP_US) * QUOTA_STEP_US;
}

/** The quota that systemd will set, so that what we write to the file is the same. */
export function roundedQuota({ quota = 0, period = 0 }: CPU): Int64 {
  if (quota <= 0) return quota;
  const us = BigInt(period === 0 ? DEFAULT_PERIOD_US : period);
  return Number((perSecond(quota, period) * us) / US_PER_S);
}

const UNIFIED_BYTES: Readonly<Record<string, string>> = {
  "memory.high": "MemoryHigh",
  "memory.low": "MemoryLow",
  "memory.min": "MemoryMin",
  "memory.max": "MemoryMax",
  "memory.swap.max": "MemorySwapMax",
};

/** Files that systemd has no property for are written to all the same, by us. */
function putUnified(file: string, value: string, all: Readonly<Record<string, string>>, put: Put): void {
  const at = `unified[${JSON.stringify(file)}]`;
  const bytes = UNIFIED_BYTES[file];
  if (bytes !== undefined) put(bytes, "t", value === "max" ? INFINITY : decimal(value, at), at);
  else if (file === "cpu.idle" && value === "1") put("CPUWeight", "t", "0", at, IDLE_SINCE);
  else if (file === "cpu.weight" && all["cpu.idle"]?.trim() !== "1") put("CPUWeight", "t", decimal(value, at), at);
  else if (file === "cpuset.cpus") put("AllowedCPUs", "ay", bitmap(value, at), at);
  else if (file === "cpuset.mems") put("AllowedMemoryNodes", "ay", bitmap(value, at), at);
  else if (file === "pids.max")
    put("TasksMax", "t", value === "max" ? INFINITY : tasks(Number(decimal(value, at))), at);
  else if (file === "memory.oom.group" && (value === "0" || value === "1"))
    put("OOMPolicy", "s", value === "1" ? "kill" : "continue", at);
  else if (file === "cpu.max") {
    const [quota = "", period = String(DEFAULT_PERIOD_US), ...rest] = value.split(/\s+/);
    if (quota === "" || rest.length > 0)
      throw new InvalidArgument(`linux.resources.${at}: unified resource "cpu.max" value invalid: "${value}"`);
    putQuota(quota === "max" ? 0 : Number(decimal(quota, at)), Number(decimal(period, at)), at, put);
  }
}

function decimal(text: string, at: string): string {
  if (!/^\d+$/.test(text))
    throw new InvalidArgument(
      `linux.resources.${at}: unified resource value conversion error: "${text}" is not a number`,
    );
  return text;
}

function tasks(limit: Int64): string {
  if (limit < 0) return INFINITY;
  return limit === 0 ? "1" : String(limit);
}

function unsigned(value: Int64): string {
  return value === -1 ? INFINITY : String(value);
}

/** A CPU list as bytes of a bit mask, lowest first. */
function bitmap(list: string, at: string): number[] {
  const bytes: number[] = [];
  for (const id of idList(list.replace(/\s/g, ""))) {
    if (!Number.isInteger(id))
      throw new InvalidArgument(
        `linux.resources.${at}: "${list}" cannot be passed to systemd: use a plain list like 0-3,7`,
      );
    while (bytes.length <= id >> 3) bytes.push(0);
    bytes[id >> 3]! |= 1 << (id & 7);
  }
  if (bytes.length === 0) throw new InvalidArgument(`linux.resources.${at}: "${list}" is an empty list`);
  return bytes;
}
