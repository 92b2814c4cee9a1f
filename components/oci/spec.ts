/**
 * config.json as types: runtime-spec 1.3, for Linux. Names are the specification's own, without the `Linux` prefix.
 *
 * A value of these types came out of `parseSpec`, so every field has the type written here: JSON `null` was dropped, and a
 * 64-bit integer is a `number` up to ±(2^53 − 1) and a `bigint` beyond (`Int64`, `Uint64`): no digit is lost.
 */

import type { IDMapping, Linux } from "./spec-linux.ts";

/** int64 of the specification: `number` when that is exact, else `bigint`. */
export type Int64 = number | bigint;
/** uint64 of the specification: `number` when that is exact, else `bigint`. */
export type Uint64 = number | bigint;

/** config.md. */
export interface Spec {
  readonly ociVersion: string;
  readonly process?: Process;
  readonly root?: Root;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly mounts?: readonly Mount[];
  readonly hooks?: Hooks;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux?: Linux;
}

/** config.md, "Process". */
export interface Process {
  readonly terminal?: boolean;
  readonly consoleSize?: ConsoleSize;
  readonly user?: User;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  readonly cwd: string;
  readonly capabilities?: Capabilities;
  readonly rlimits?: readonly Rlimit[];
  readonly noNewPrivileges?: boolean;
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
  readonly oomScoreAdj?: number;
  readonly scheduler?: Scheduler;
  readonly ioPriority?: IOPriority;
  readonly execCPUAffinity?: CPUAffinity;
}

/** In characters. */
export interface ConsoleSize {
  readonly height: number;
  readonly width: number;
}

/** Absent ids are 0. `umask` absent is 0022. */
export interface User {
  readonly uid?: number;
  readonly gid?: number;
  readonly umask?: number;
  readonly additionalGids?: readonly number[];
}

/** Names with the `CAP_` prefix; unknown ones are ignored with a warning. */
export interface Capabilities {
  readonly bounding?: readonly string[];
  readonly effective?: readonly string[];
  readonly permitted?: readonly string[];
  readonly inheritable?: readonly string[];
  readonly ambient?: readonly string[];
}

/** `type` is one of `RLIMITS`; 2^64 − 1 is "unlimited". */
export interface Rlimit {
  readonly type: string;
  readonly soft: Uint64;
  readonly hard: Uint64;
}

export type SchedulerPolicy =
  | "SCHED_OTHER"
  | "SCHED_FIFO"
  | "SCHED_RR"
  | "SCHED_BATCH"
  | "SCHED_ISO"
  | "SCHED_IDLE"
  | "SCHED_DEADLINE";

/** sched_setattr(2); `runtime`, `deadline`, `period` in nanoseconds. */
export interface Scheduler {
  readonly policy: SchedulerPolicy;
  readonly nice?: number;
  readonly priority?: number;
  readonly flags?: readonly string[];
  readonly runtime?: Uint64;
  readonly deadline?: Uint64;
  readonly period?: Uint64;
}

export type IOPriorityClass = "IOPRIO_CLASS_RT" | "IOPRIO_CLASS_BE" | "IOPRIO_CLASS_IDLE";

export interface IOPriority {
  readonly class: IOPriorityClass;
  /** 0 (highest) to 7; absent is 0. */
  readonly priority?: number;
}

/** CPU lists such as `0-3,7`. */
export interface CPUAffinity {
  readonly initial?: string;
  readonly final?: string;
}

/** config.md, "Root". `path` is absolute or relative to the bundle. */
export interface Root {
  readonly path: string;
  readonly readonly?: boolean;
}

/** config.md, "Mounts". */
export interface Mount {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
  readonly uidMappings?: readonly IDMapping[];
  readonly gidMappings?: readonly IDMapping[];
}

export type HookName = "prestart" | "createRuntime" | "createContainer" | "startContainer" | "poststart" | "poststop";

/** config.md, "POSIX-platform Hooks". */
export type Hooks = { readonly [name in HookName]?: readonly Hook[] };

/** `args` is the whole argv, `env` the whole environment, `timeout` in seconds. */
export interface Hook {
  readonly path: string;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  readonly timeout?: number;
}

export type Status = "creating" | "created" | "running" | "stopped";

/** runtime.md, "State": what hooks read on stdin. `pid` is absent or 0 when there is no process. */
export interface State {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: Status;
  readonly pid?: number;
  readonly bundle: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** runtime-linux.md: what the seccomp listener reads, beside one file descriptor. */
export interface ContainerProcessState {
  readonly ociVersion: string;
  readonly fds: readonly string[];
  readonly pid: number;
  readonly metadata?: string;
  readonly state: State;
}
