/** `update`: limits from a file, or from flags; with a file the flags do not count. */
import { readFileSync } from "node:fs";
import { InvalidArgument, parseResources, type Resources } from "@gantry/oci";
import { update as change } from "../update.ts";
import type { Parsed } from "./flags.ts";
import type { Invocation } from "./main.ts";

export function update({ flags, context }: Invocation): number {
  const file = flags.string("resources");
  const l3CacheSchema = flags.string("l3-cache-schema");
  const memBwSchema = flags.string("mem-bw-schema");
  const rdt = { ...(l3CacheSchema && { l3CacheSchema }), ...(memBwSchema && { memBwSchema }) };
  const given = file ? fromFile(file, context.log.warn) : fromFlags(flags);
  if (given.memory?.kernel !== undefined || given.memory?.kernelTCP !== undefined)
    context.log.warn("Kernel memory settings are ignored and will be removed");
  change(context, flags.positional[0]!, given, rdt);
  return 0;
}

function fromFile(file: string, warn: (message: string) => void): Resources {
  const text = readFileSync(file === "-" ? 0 : file, "utf8");
  const { resources, warnings } = parseResources(text, file === "-" ? "standard input" : file);
  for (const warning of warnings) warn(warning);
  return resources;
}

type Reader = (text: string, flag: string) => number | bigint;

/** Flag → field of `linux.resources` and how its value is read. */
const NUMBERS: readonly (readonly [
  flag: string,
  group: "cpu" | "memory" | "pids" | "blockIO",
  field: string,
  read: Reader,
])[] = [
  ["blkio-weight", "blockIO", "weight", integer],
  ["cpu-idle", "cpu", "idle", integer],
  ["cpu-burst", "cpu", "burst", unsigned],
  ["cpu-period", "cpu", "period", unsigned],
  ["cpu-rt-period", "cpu", "realtimePeriod", unsigned],
  ["cpu-share", "cpu", "shares", unsigned],
  ["cpu-quota", "cpu", "quota", integer],
  ["cpu-rt-runtime", "cpu", "realtimeRuntime", integer],
  ["memory", "memory", "limit", bytes],
  ["memory-swap", "memory", "swap", bytes],
  ["kernel-memory", "memory", "kernel", bytes],
  ["kernel-memory-tcp", "memory", "kernelTCP", bytes],
  ["memory-reservation", "memory", "reservation", bytes],
  ["pids-limit", "pids", "limit", integer],
];

/** Empty texts count as absent: scripts pass them on. @throws InvalidArgument `invalid value for FLAG: …` */
function fromFlags(flags: Parsed): Resources {
  const groups: Record<string, Record<string, number | bigint | string>> = {};
  const set = (group: string, field: string, value: number | bigint | string) => {
    groups[group] = { ...groups[group], [field]: value };
  };
  for (const [flag, group, field, read] of NUMBERS) {
    const text = flags.string(flag);
    if (text) set(group, field, read(text, flag));
  }
  for (const field of ["cpus", "mems"] as const) {
    const text = flags.string(`cpuset-${field}`);
    if (text) set("cpu", field, text);
  }
  return groups;
}

function integer(text: string, flag: string): number | bigint {
  if (!/^[+-]?\d+$/.test(text))
    throw new InvalidArgument(`invalid value for ${flag}: parsing "${text}": invalid syntax`);
  const value = BigInt(text.replace("+", ""));
  if (BigInt.asIntN(64, value) !== value)
    throw new InvalidArgument(`invalid value for ${flag}: parsing "${text}": value out of range`);
  return exact(value);
}

function unsigned(text: string, flag: string): number | bigint {
  if (!/^\d+$/.test(text)) throw new InvalidArgument(`invalid value for ${flag}: parsing "${text}": invalid syntax`);
  const value = BigInt(text);
  if (value >= 1n << 64n) throw new InvalidArgument(`invalid value for ${flag}: parsing "${text}": value out of range`);
  return exact(value);
}

const UNITS = "bkmgtp";

/** `50M`, `1.5g`, `512KiB`, plain bytes; −1 is no limit. Units are powers of 1024. */
function bytes(text: string, flag: string): number | bigint {
  if (text === "-1") return -1;
  const match = /^(\d+(?:\.\d+)?) ?(?:([bkmgtp])(?:i?b)?)?$/i.exec(text);
  if (match === null) throw new InvalidArgument(`invalid value for ${flag}: invalid size: '${text}'`);
  const unit = 1024 ** UNITS.indexOf((match[2] ?? "b").toLowerCase());
  const value = Math.trunc(Number(match[1]) * unit);
  if (value >= 2 ** 63) throw new InvalidArgument(`invalid value for ${flag}: invalid size: '${text}'`);
  return exact(BigInt(value));
}

function exact(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
