/** What a plan depends on besides the configuration: plain data, so that compiling is a pure function. */
import type { SeccompFacts } from "../seccomp/index.ts";

export interface Facts {
  /** Not root, or root of a user namespace that is not the host's. */
  readonly rootless: boolean;
  readonly bundle: string;
  /** Absolute path without symbolic links. */
  readonly rootfs: string;
  /** Bit n: the runtime itself may use capability n. */
  readonly capabilities: bigint;
  readonly lastCapability: number;
  /** cgroup v2: the container's processes are born in their cgroup. v1: the runtime moves them there. */
  readonly bornInCgroup: boolean;
  /** Hybrid: born in the v2 half, which no limit depends on, and moved in the others. */
  readonly bornInUnified: boolean;
  /** Home directory of the user, from the container's passwd file. */
  readonly home: string;
  readonly seccomp: SeccompFacts;
  /** Rootless: /proc/self/setgroups of the runtime itself says deny. */
  readonly setgroupsDenied: boolean;
  /** What the sources of mounts with `copy-symlink` point to, where they are symbolic links; by field, `mounts[3]`. */
  readonly links: ReadonlyMap<string, string>;
  /** Without pivot_root: where the host has a whole proc or sysfs, outside the rootfs; deepest first. */
  readonly kernelMounts: readonly string[];
  /** /proc/kcore exists. */
  readonly kcore: boolean;
  readonly apparmor: boolean;
  readonly selinux: boolean;
  /** What the cgroup mount of the container consists of; absent when the configuration has none. */
  readonly cgroupMounts?: (mount: {
    readonly readonly: boolean;
    readonly namespaced: boolean;
  }) => readonly CgroupMountStep[];
}

/** One step of mounting the control groups inside a container. */
export type CgroupMountStep =
  | { readonly kind: "tmpfs"; readonly path: string }
  | {
      readonly kind: "cgroup";
      readonly path: string;
      readonly type: "cgroup" | "cgroup2";
      readonly options: readonly string[];
    }
  | { readonly kind: "bind"; readonly path: string; readonly source: string; readonly readonly?: boolean }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  | { readonly kind: "readonly"; readonly path: string };

/** What the caller asks for besides the configuration. */
export interface CompileOptions {
  readonly id: string;
  /** Wait on the exec fifo (`create`) instead of starting at once (`run`). */
  readonly fifo: boolean;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  /** Descriptors 3 to 3 + n − 1 stay open in the container. */
  readonly preserveFds: number;
  /** Appended to the environment: what socket activation and notification need. */
  readonly extraEnv: readonly string[];
}
