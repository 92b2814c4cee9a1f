/** What is to be written to cgroup files, as data: `plan` prints it, `apply` does it. */
import type { DeviceRule } from "../devices/rules.ts";

export type CgroupWrite = FileWrite | DevicesWrite | UnitWrite;

/** One write(2) of `value` to `file` of the cgroup. */
export interface FileWrite {
  readonly kind: "file";
  /** The controller that has the file; on v2 too, where all of them share one directory. */
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** The field of config.json that it comes from. */
  readonly from: string;
  readonly policy?: WritePolicy;
}

export interface WritePolicy {
  /** The file may be missing: nothing is written then, or `else` is. */
  readonly ifAbsent?: "skip" | { readonly file: string; readonly value: string };
  /** The kernel may refuse it (EINVAL) until the writes of this controller that follow are done: then once more. */
  readonly retry?: true;
  /** Must be in force before a process joins. */
  readonly beforeJoin?: true;
  /** The kernel clips silently; reading back tells. */
  readonly clips?: true;
  /** Read the current limit and put it in front (`cpu.max` when only the period is given). */
  readonly keepQuota?: true;
  /** EBUSY means that this much is in use: the error tells how much. */
  readonly usage?: { readonly now: string; readonly peak: string };
  /** The files of the same name that a restore must write line by line, under this key (`8:0`). */
  readonly key?: string;
  /** Refuse when `memory.current` is not below `bytes`. */
  readonly rejectBelowUsage?: { readonly what: string; readonly bytes: string };
  /** Each line is a write of its own. */
  readonly lines?: true;
}

/** The whole list of device rules, in order, the last match winning. */
export interface DevicesWrite {
  readonly kind: "devices";
  readonly controller: "devices";
  readonly rules: readonly DeviceRule[];
  readonly from: string;
}

/** A property of the container's systemd unit; the cgroupfs driver passes over it. */
export interface UnitWrite {
  readonly kind: "unit";
  readonly controller: "systemd";
  readonly property: string;
  /** D-Bus type of the value. */
  readonly signature: string;
  /** 64-bit numbers in decimal. */
  readonly value: string | readonly number[];
  readonly from: string;
  /** The version of systemd that brought it; with an older one it is left out. */
  readonly since?: number;
  /** Can be set when the unit is made, and not later. */
  readonly start?: true;
}
