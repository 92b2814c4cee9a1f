/** Texts of cgroup files → numbers. Pure. */
import type { Uint64 } from "@gantry/oci";
import type { Psi, PsiLine } from "./types.ts";

export const UNLIMITED = 2n ** 64n - 1n;

/** A number exact to the last digit; `max` is 2^64 − 1; some kernels show counters below zero, those are 0. */
export function count(text: string): Uint64 {
  const digits = text.trim();
  if (digits === "max") return UNLIMITED;
  if (digits.startsWith("-")) return 0;
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : BigInt(digits);
}

export function plus(a: Uint64, b: Uint64): Uint64 {
  return narrow(BigInt(a) + BigInt(b));
}

export function times(a: Uint64, factor: number): Uint64 {
  return narrow(BigInt(a) * BigInt(factor));
}

function narrow(value: bigint): Uint64 {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** Lines `key value`. */
export function keyValues(text: string): Record<string, Uint64> {
  const values: Record<string, Uint64> = {};
  for (const line of text.split("\n")) {
    const blank = line.indexOf(" ");
    if (blank > 0) values[line.slice(0, blank)] = count(line.slice(blank + 1));
  }
  return values;
}

/** A list such as `0-3,7`. */
export function idList(text: string): number[] {
  const ids: number[] = [];
  for (const part of text.trim().split(",")) {
    if (part === "") continue;
    const [from, to = from] = part.split("-").map(Number);
    for (let id = from!; id <= to!; id++) ids.push(id);
  }
  return ids;
}

/** `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same with `full` (not for every resource). */
export function psi(text: string): Psi {
  return { some: psiLine(text, "some"), full: psiLine(text, "full") };
}

function psiLine(text: string, name: string): PsiLine {
  const line = text.split("\n").find((l) => l.startsWith(`${name} `)) ?? "";
  const value = (key: string) =>
    line
      .split(" ")
      .find((word) => word.startsWith(`${key}=`))
      ?.slice(key.length + 1) ?? "0";
  return {
    avg10: Number(value("avg10")),
    avg60: Number(value("avg60")),
    avg300: Number(value("avg300")),
    total: count(value("total")),
  };
}

/** `hugepages-2048kB` → `2MB`. */
export function pageSizeName(directory: string): string | undefined {
  const kb = Number(/^hugepages-(\d+)kB$/.exec(directory)?.[1]);
  if (Number.isNaN(kb)) return undefined;
  if (kb >= 1 << 20) return `${kb >> 20}GB`;
  return kb >= 1 << 10 ? `${kb >> 10}MB` : `${kb}KB`;
}
