/** config-linux.md as types; see `spec.ts` for what holds of their values. */
import type { Int64, Uint64 } from "./spec.ts";

/** config-linux.md. */
export interface Linux {
  readonly uidMappings?: readonly IDMapping[];
  readonly gidMappings?: readonly IDMapping[];
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly resources?: Resources;
  readonly cgroupsPath?: string;
  readonly namespaces?: readonly Namespace[];
  readonly devices?: readonly Device[];
  /** Keyed by the device's name on the host. */
  readonly netDevices?: Readonly<Record<string, NetDevice>>;
  readonly seccomp?: Seccomp;
  readonly rootfsPropagation?: string;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly mountLabel?: string;
  readonly intelRdt?: IntelRdt;
  readonly memoryPolicy?: MemoryPolicy;
  readonly personality?: Personality;
  readonly timeOffsets?: TimeOffsets;
}

export type NamespaceType = "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time";

/** Without `path`: a new one. */
export interface Namespace {
  readonly type: NamespaceType;
  readonly path?: string;
}

/** `size` ids from `containerID` inside are the ids from `hostID` outside. */
export interface IDMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export type DeviceType = "b" | "c" | "u" | "p";

/** A node to create. `major` and `minor` are absent for `p`. */
export interface Device {
  readonly type: DeviceType;
  readonly path: string;
  readonly major?: number;
  readonly minor?: number;
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** `name`: the new name inside; absent or empty keeps the host's. */
export interface NetDevice {
  readonly name?: string;
}

/** config-linux.md, "Control groups"; also what `update --resources` reads. */
export interface Resources {
  readonly devices?: readonly DeviceCgroup[];
  readonly memory?: Memory;
  readonly cpu?: CPU;
  readonly pids?: Pids;
  readonly blockIO?: BlockIO;
  readonly hugepageLimits?: readonly HugepageLimit[];
  readonly network?: Network;
  /** Keyed by the device's name. */
  readonly rdma?: Readonly<Record<string, Rdma>>;
  /** Keyed by the file's name in a cgroup v2 directory. */
  readonly unified?: Readonly<Record<string, string>>;
}

/** A rule of the device cgroup. Absent `type` is all, absent `major` or `minor`, or −1, is any. */
export interface DeviceCgroup {
  readonly allow: boolean;
  readonly type?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly access?: string;
}

/** Bytes; −1 is unlimited. */
export interface Memory {
  readonly limit?: Int64;
  readonly reservation?: Int64;
  /** Memory and swap together. */
  readonly swap?: Int64;
  readonly kernel?: Int64;
  readonly kernelTCP?: Int64;
  readonly swappiness?: Uint64;
  readonly disableOOMKiller?: boolean;
  readonly useHierarchy?: boolean;
  readonly checkBeforeUpdate?: boolean;
}

/** Times in microseconds. */
export interface CPU {
  readonly shares?: Uint64;
  readonly quota?: Int64;
  readonly burst?: Uint64;
  readonly period?: Uint64;
  readonly realtimeRuntime?: Int64;
  readonly realtimePeriod?: Uint64;
  readonly cpus?: string;
  readonly mems?: string;
  readonly idle?: Int64;
}

/** Absent is untouched, 0 and below: see the runtime's README. */
export interface Pids {
  readonly limit?: Int64;
}

export interface BlockIO {
  readonly weight?: number;
  readonly leafWeight?: number;
  readonly weightDevice?: readonly WeightDevice[];
  readonly throttleReadBpsDevice?: readonly ThrottleDevice[];
  readonly throttleWriteBpsDevice?: readonly ThrottleDevice[];
  readonly throttleReadIOPSDevice?: readonly ThrottleDevice[];
  readonly throttleWriteIOPSDevice?: readonly ThrottleDevice[];
}

export interface WeightDevice {
  readonly major: number;
  readonly minor: number;
  readonly weight?: number;
  readonly leafWeight?: number;
}

/** Bytes or operations a second. */
export interface ThrottleDevice {
  readonly major: number;
  readonly minor: number;
  readonly rate?: Uint64;
}

/** `pageSize` like `2MB`; `limit` in bytes. */
export interface HugepageLimit {
  readonly pageSize: string;
  readonly limit: Uint64;
}

export interface Network {
  readonly classID?: number;
  readonly priorities?: readonly InterfacePriority[];
}

export interface InterfacePriority {
  readonly name: string;
  readonly priority: number;
}

export interface Rdma {
  readonly hcaHandles?: number;
  readonly hcaObjects?: number;
}

export type SeccompAction =
  | "SCMP_ACT_KILL"
  | "SCMP_ACT_KILL_PROCESS"
  | "SCMP_ACT_KILL_THREAD"
  | "SCMP_ACT_TRAP"
  | "SCMP_ACT_ERRNO"
  | "SCMP_ACT_TRACE"
  | "SCMP_ACT_ALLOW"
  | "SCMP_ACT_LOG"
  | "SCMP_ACT_NOTIFY";

export type SeccompOperator =
  | "SCMP_CMP_NE"
  | "SCMP_CMP_LT"
  | "SCMP_CMP_LE"
  | "SCMP_CMP_EQ"
  | "SCMP_CMP_GE"
  | "SCMP_CMP_GT"
  | "SCMP_CMP_MASKED_EQ";

/** config-linux.md, "Seccomp". */
export interface Seccomp {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly flags?: readonly string[];
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  readonly syscalls?: readonly SeccompSyscall[];
}

export interface SeccompSyscall {
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArg[];
}

/** `index` 0 to 5; `valueTwo` is used by `SCMP_CMP_MASKED_EQ` alone. */
export interface SeccompArg {
  readonly index: number;
  readonly value: Uint64;
  readonly valueTwo?: Uint64;
  readonly op: SeccompOperator;
}

export interface IntelRdt {
  readonly closID?: string;
  readonly schemata?: readonly string[];
  readonly l3CacheSchema?: string;
  readonly memBwSchema?: string;
  readonly enableMonitoring?: boolean;
}

/** `nodes` is a list such as `0-3,7`. */
export interface MemoryPolicy {
  readonly mode: string;
  readonly nodes?: string;
  readonly flags?: readonly string[];
}

export interface Personality {
  readonly domain: "LINUX" | "LINUX32";
  readonly flags?: readonly string[];
}

export interface TimeOffsets {
  readonly monotonic?: TimeOffset;
  readonly boottime?: TimeOffset;
}

export interface TimeOffset {
  readonly secs?: Int64;
  readonly nanosecs?: number;
}
