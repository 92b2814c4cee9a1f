/** The config.json that `spec` writes: a shell in a read-only root, with little more than nothing allowed. */
import { SPEC_VERSION } from "./names.ts";
import type { Mount, Spec } from "./spec.ts";
import type { Linux, Namespace, NamespaceType } from "./spec-linux.ts";

/** Who calls, and on what host. The ids are the effective ones and matter to `rootless` alone. */
export interface DefaultSpecFacts {
  readonly rootless: boolean;
  readonly euid: number;
  readonly egid: number;
  /** The host has cgroup v2 alone. */
  readonly cgroupV2: boolean;
}

const CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

const MASKED_PATHS = [
  ...["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list"],
  ...["/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
];

const READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** destination, type, source, options. */
const MOUNTS: readonly (readonly [string, string, string, ...string[]])[] = [
  ["/proc", "proc", "proc"],
  ["/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"],
  ["/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
  ["/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
  ["/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"],
  ["/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"],
  ["/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"],
];

/**
 * @returns the default configuration; its keys are in the order that runc writes them. A rootless one joins the host's network,
 * makes the caller root of a user namespace, binds the host's /sys and sets no limits.
 */
export function defaultSpec(facts: DefaultSpecFacts): Spec {
  return {
    ociVersion: SPEC_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "runc",
    mounts: defaultMounts(facts.rootless),
    linux: defaultLinux(facts),
  };
}

function defaultMounts(rootless: boolean): Mount[] {
  return MOUNTS.map(([destination, type, source, ...options]) => {
    if (rootless && destination === "/sys")
      return { destination, type: "none", source: "/sys", options: ["rbind", "nosuid", "noexec", "nodev", "ro"] };
    const kept = rootless ? options.filter((option) => !/^[ug]id=/.test(option)) : options;
    return { destination, type, source, ...(kept.length > 0 && { options: kept }) };
  });
}

function defaultLinux({ rootless, euid, egid, cgroupV2 }: DefaultSpecFacts): Linux {
  const types: NamespaceType[] = ["pid", "network", "ipc", "uts", "mount"];
  if (cgroupV2) types.push("cgroup");
  const namespaces: Namespace[] = types.map((type) => ({ type }));
  const paths = { maskedPaths: MASKED_PATHS, readonlyPaths: READONLY_PATHS };
  if (!rootless) return { resources: { devices: [{ allow: false, access: "rwm" }] }, namespaces, ...paths };
  return {
    uidMappings: [{ containerID: 0, hostID: euid, size: 1 }],
    gidMappings: [{ containerID: 0, hostID: egid, size: 1 }],
    namespaces: [...namespaces.filter(({ type }) => type !== "network"), { type: "user" }],
    ...paths,
  };
}
