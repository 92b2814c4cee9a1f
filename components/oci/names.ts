/**
 * The closed lists of names that config.json may hold, each with the number that the kernel knows it by.
 * A list that the specification gives is in its order; `features` sorts what runc sorts.
 */
import type { HookName } from "./spec.ts";

export const SPEC_VERSION = "1.3.0";

/** config.md, "POSIX-platform Hooks", in the order of the lifecycle. */
export const HOOKS = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
] as const satisfies readonly HookName[];

/** Namespace type → the `CLONE_*` flag, and the name of its file in /proc/PID/ns. */
export const NAMESPACES = {
  cgroup: { flag: 0x02000000, file: "cgroup" },
  ipc: { flag: 0x08000000, file: "ipc" },
  mount: { flag: 0x00020000, file: "mnt" },
  network: { flag: 0x40000000, file: "net" },
  pid: { flag: 0x20000000, file: "pid" },
  time: { flag: 0x00000080, file: "time" },
  user: { flag: 0x10000000, file: "user" },
  uts: { flag: 0x04000000, file: "uts" },
} as const;

/** Index in the list = number of the capability. */
export const CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
] as const;

/** The five sets of a process, in the specification's order. */
export const CAPABILITY_SETS = ["bounding", "effective", "permitted", "inheritable", "ambient"] as const;

/** getrlimit(2): name → resource. */
export const RLIMITS = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
} as const;

/** sched_setattr(2): policy → number. */
export const SCHEDULER_POLICIES = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
} as const;

/** sched_setattr(2): flag → bit. */
export const SCHEDULER_FLAGS = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
} as const;

/** ioprio_set(2): class → number; the value is `class << 13 | priority`. */
export const IOPRIO_CLASSES = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 } as const;

/** set_mempolicy(2): mode → number, and how many nodes it wants. */
export const MEMORY_POLICY_MODES = {
  MPOL_DEFAULT: { mode: 0, nodes: "none" },
  MPOL_PREFERRED: { mode: 1, nodes: "any" },
  MPOL_BIND: { mode: 2, nodes: "some" },
  MPOL_INTERLEAVE: { mode: 3, nodes: "some" },
  MPOL_LOCAL: { mode: 4, nodes: "none" },
  MPOL_PREFERRED_MANY: { mode: 5, nodes: "some" },
  MPOL_WEIGHTED_INTERLEAVE: { mode: 6, nodes: "some" },
} as const;

/** set_mempolicy(2): flag → bit, or-ed into the mode. */
export const MEMORY_POLICY_FLAGS = {
  MPOL_F_STATIC_NODES: 0x8000,
  MPOL_F_RELATIVE_NODES: 0x4000,
  MPOL_F_NUMA_BALANCING: 0x2000,
} as const;

/** personality(2): domain → number. */
export const PERSONALITY_DOMAINS = { LINUX: 0x0000, LINUX32: 0x0008 } as const;

/** timens_offsets: name → number of the clock. */
export const TIME_OFFSET_CLOCKS = { monotonic: 1, boottime: 7 } as const;

/** config-linux.md, "Seccomp": action → what the filter returns (the low 16 bits are free for data), and if it takes an errno. */
export const SECCOMP_ACTIONS = {
  SCMP_ACT_KILL: { value: 0x00000000, errno: false },
  SCMP_ACT_KILL_PROCESS: { value: 0x80000000, errno: false },
  SCMP_ACT_KILL_THREAD: { value: 0x00000000, errno: false },
  SCMP_ACT_TRAP: { value: 0x00030000, errno: false },
  SCMP_ACT_ERRNO: { value: 0x00050000, errno: true },
  SCMP_ACT_TRACE: { value: 0x7ff00000, errno: true },
  SCMP_ACT_ALLOW: { value: 0x7fff0000, errno: false },
  SCMP_ACT_LOG: { value: 0x7ffc0000, errno: false },
  SCMP_ACT_NOTIFY: { value: 0x7fc00000, errno: false },
} as const;

export const SECCOMP_OPERATORS = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
] as const;

/** seccomp(2): flag → bit. TSYNC is known and without effect: the launcher has one thread. */
export const SECCOMP_FLAGS = {
  SECCOMP_FILTER_FLAG_TSYNC: 0x01,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 0x04,
  SECCOMP_FILTER_FLAG_LOG: 0x02,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 0x20,
} as const;

/** Architecture → `AUDIT_ARCH_*`, what `seccomp_data.arch` holds. */
export const SECCOMP_ARCHES = {
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_X32: 0xc000003e,
  SCMP_ARCH_ARM: 0x40000028,
  SCMP_ARCH_AARCH64: 0xc00000b7,
  SCMP_ARCH_LOONGARCH64: 0xc0000102,
  SCMP_ARCH_M68K: 0x00000004,
  SCMP_ARCH_MIPS: 0x00000008,
  SCMP_ARCH_MIPS64: 0x80000008,
  SCMP_ARCH_MIPS64N32: 0xa0000008,
  SCMP_ARCH_MIPSEL: 0x40000008,
  SCMP_ARCH_MIPSEL64: 0xc0000008,
  SCMP_ARCH_MIPSEL64N32: 0xe0000008,
  SCMP_ARCH_PPC: 0x00000014,
  SCMP_ARCH_PPC64: 0x80000015,
  SCMP_ARCH_PPC64LE: 0xc0000015,
  SCMP_ARCH_S390: 0x00000016,
  SCMP_ARCH_S390X: 0x80000016,
  SCMP_ARCH_SH: 0x4000002a,
  SCMP_ARCH_SHEB: 0x0000002a,
  SCMP_ARCH_PARISC: 0x0000000f,
  SCMP_ARCH_PARISC64: 0x8000000f,
  SCMP_ARCH_RISCV64: 0xc00000f3,
} as const;

/** What may be mounted upon below /proc; everything else there could lie to the process about itself. */
export const PROC_FILES: ReadonlySet<string> = new Set([
  "/proc/cpuinfo",
  "/proc/diskstats",
  "/proc/meminfo",
  "/proc/stat",
  "/proc/swaps",
  "/proc/uptime",
  "/proc/loadavg",
  "/proc/slabinfo",
  "/proc/sys/kernel/ns_last_pid",
  "/proc/sys/crypto/fips_enabled",
]);
