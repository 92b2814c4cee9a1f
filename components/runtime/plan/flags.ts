/** The flags of an encoded plan: what is passed along with it, and what its operations need; native/launcher/launcher.h. */
import type { Plan } from "./plan.ts";

export const FLAGS = { trace: 1, fifo: 2, cgroup: 4, proxy: 8 } as const;

/** Those that belong to one launch and not to the plan. */
export function flagsOf({ fifo, cgroup }: Plan, trace: boolean): number {
  return (trace ? FLAGS.trace : 0) | (fifo ? FLAGS.fifo : 0) | (cgroup ? FLAGS.cgroup : 0);
}

const FLAGS_AT = 12;

/** The same plan for another launch. */
export function withFlags(encoded: Uint8Array, flags: number): Uint8Array {
  const view = new DataView(encoded.buffer, encoded.byteOffset);
  view.setUint32(FLAGS_AT, (view.getUint32(FLAGS_AT, true) & FLAGS.proxy) | flags, true);
  return encoded;
}
