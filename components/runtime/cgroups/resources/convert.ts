/** The numbers of cgroup v1, in which config.json speaks, as those of cgroup v2. Pure. */
import { type Int64, InvalidArgument, type Memory, type Resources, type Uint64 } from "@gantry/oci";

/** cpu.shares 2…262144 (1024) → cpu.weight 1…10000 (100): the quadratic in log2 through those three points. 0 is unset. */
export function cpuWeight(shares: Uint64): number {
  if (shares === 0) return 0;
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  const l = Math.log2(Number(shares));
  return Math.ceil(10 ** ((l * l + 125 * l) / 612 - 7 / 34));
}

/** blkio weight 10…1000 → io.weight 1…10000, linear. 0 is unset. */
export function ioWeight(weight: number): number {
  return weight === 0 ? 0 : 1 + Math.trunc(((weight - 10) * 9999) / 990);
}

/** `memory.swap.max`, or undefined when it is to be left alone. config.json counts memory and swap together. */
export function swapMax({ limit = 0, swap = 0 }: Pick<Memory, "limit" | "swap">): string | undefined {
  const at = "linux.resources.memory.swap";
  if (limit === -1 && swap === 0) return "max";
  if (swap === 0) return undefined;
  if (swap === -1) return "max";
  if (limit === -1) return String(swap);
  if (limit === 0) throw new InvalidArgument(`${at}: unable to set swap limit without memory limit`);
  if (limit < 0) throw new InvalidArgument(`linux.resources.memory.limit: invalid memory value: ${limit}`);
  if (swap < limit) throw new InvalidArgument(`${at}: memory+swap limit should be >= memory limit`);
  return String(BigInt(swap) - BigInt(limit));
}

/** −1 and `max` are the same. */
export function orMax(value: Int64): string {
  return value === -1 ? "max" : String(value);
}

/** 0 becomes 1, since systemd has no 0; below 0 is unlimited. */
export function pidsValue(limit: Int64): string {
  if (limit < 0) return "max";
  return limit === 0 ? "1" : String(limit);
}

/** One line of `rdma.max` for each device. */
export function rdmaLines({ rdma = {} }: Resources): { line: string; at: string; device: string }[] {
  return Object.entries(rdma).map(([device, { hcaHandles, hcaObjects }]) => ({
    device,
    at: `rdma[${JSON.stringify(device)}]`,
    line:
      device +
      (hcaHandles === undefined ? "" : ` hca_handle=${hcaHandles}`) +
      (hcaObjects === undefined ? "" : ` hca_object=${hcaObjects}`),
  }));
}
