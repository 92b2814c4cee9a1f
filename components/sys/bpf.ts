/** bpf(2), as far as the device filters of cgroup v2 need it. */

import { SysError } from "./error.ts";
import type { Argument } from "./native.ts";
import { syscall, trySyscall } from "./syscall.ts";

const BPF_PROG_LOAD = 5;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_DETACH = 9;
const BPF_PROG_GET_FD_BY_ID = 13;
const BPF_PROG_QUERY = 16;

const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
const BPF_F_ALLOW_MULTI = 2;
const BPF_F_REPLACE = 4;

/** The kernel attaches at most this many to one cgroup. */
const MAX_PROGRAMS = 64;

function bpf(command: number, attributes: Argument, size: number): number {
  return syscall("bpf", undefined, command, attributes, size);
}

function words(...values: number[]): Uint8Array {
  return new Uint8Array(new Uint32Array(values).buffer);
}

/** Loads a device filter; `instructions` as the kernel takes them, 8 bytes each. Returns its descriptor. */
export function loadDeviceProgram(instructions: Uint8Array, license: string): number {
  const bytes = new Uint8Array(128);
  new DataView(bytes.buffer).setUint32(0, BPF_PROG_TYPE_CGROUP_DEVICE, true);
  new DataView(bytes.buffer).setUint32(4, instructions.length / 8, true);
  const attributes: Argument = {
    bytes,
    pointers: [
      [8, instructions],
      [16, Buffer.from(`${license}\0`)],
    ],
  };
  for (;;) {
    try {
      return bpf(BPF_PROG_LOAD, attributes, bytes.length);
    } catch (error) {
      // The verifier gives up when a signal comes; it is to be asked again.
      if (!(error instanceof SysError && error.code === "EAGAIN")) throw error;
    }
  }
}

/** Ids of the device filters attached to a cgroup directory itself. */
export function attachedDevicePrograms(cgroup: number): number[] {
  const ids = new Uint32Array(MAX_PROGRAMS);
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, cgroup, true);
  view.setUint32(4, BPF_CGROUP_DEVICE, true);
  view.setUint32(24, MAX_PROGRAMS, true);
  bpf(BPF_PROG_QUERY, { bytes, pointers: [[16, new Uint8Array(ids.buffer)]] }, bytes.length);
  return [...ids.subarray(0, view.getUint32(24, true))];
}

/** A descriptor of a loaded program, or undefined when we may not have one, or it is gone. */
export function openProgram(id: number): number | undefined {
  const result = trySyscall("bpf", BPF_PROG_GET_FD_BY_ID, words(id, 0, 0, 0), 16);
  return result < 0 ? undefined : result;
}

/** Attaches beside what is attached already, or, at one stroke, in place of `replaced`. */
export function attachDeviceProgram(cgroup: number, program: number, replaced?: number): void {
  const flags = BPF_F_ALLOW_MULTI | (replaced === undefined ? 0 : BPF_F_REPLACE);
  bpf(BPF_PROG_ATTACH, words(cgroup, program, BPF_CGROUP_DEVICE, flags, replaced ?? 0), 20);
}

/** Detaches one of several programs. */
export function detachDeviceProgram(cgroup: number, program: number): void {
  bpf(BPF_PROG_DETACH, words(cgroup, program, BPF_CGROUP_DEVICE, 0, 0), 20);
}
