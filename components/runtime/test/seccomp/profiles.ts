/** Profiles for tests: one of the size and shape of those that engines ship, and random ones. */
import { SECCOMP_ARCHES, type Seccomp, type SeccompArg, type SeccompSyscall } from "@gantry/oci";
import fc from "fast-check";
import { archFacts, type SeccompArch } from "../../seccomp/arches.ts";
import { syscallTable } from "../../seccomp/syscalls.ts";

/** What a container has no business with. */
const DENIED = new Set(
  `acct add_key afs_syscall bdflush bpf break create_module delete_module fanotify_init finit_module fsconfig fsmount
  fsopen fspick ftime get_kernel_syms get_mempolicy getpmsg gtty idle init_module io_uring_enter io_uring_register
  io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl listmount lock lookup_dcookie lsm_get_self_attr
  lsm_list_modules lsm_set_self_attr map_shadow_stack mbind migrate_pages mount mount_setattr move_mount move_pages mpx
  nfsservctl open_by_handle_at open_tree open_tree_attr perf_event_open pidfd_getfd pivot_root prof profil putpmsg
  query_module quotactl quotactl_fd reboot request_key security set_mempolicy set_mempolicy_home_node setdomainname
  sethostname setns settimeofday statmount stime stty swapoff swapon _sysctl sysfs syslog tuxcall ulimit umount umount2
  unshare uselib userfaultfd ustat vhangup vm86 vm86old vserver clone clone3 personality socket listns file_setattr
  rseq_slice_yield uprobe`.split(/\s+/),
);

/** Bits of clone(2) that make namespaces. */
const CLONE_NAMESPACES = 0x7e020000;

/** 426 names: all plain allows but four, like the profiles of Docker and Podman. */
export function engineProfile(architectures?: readonly SeccompArch[]): Seccomp {
  const names = new Set(["clone", "clone3", "personality", "socket"]);
  for (const table of ["amd64", "x86", "arm", "s390x", "ppc"] as const)
    for (const name of syscallTable(table).keys()) if (!DENIED.has(name) && names.size < 426) names.add(name);
  const allow = (name: string, ...args: SeccompArg[]): SeccompSyscall => ({
    names: [name],
    action: "SCMP_ACT_ALLOW",
    args,
  });
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 1,
    ...(architectures && { architectures }),
    syscalls: [
      { names: [...names].slice(4), action: "SCMP_ACT_ALLOW" },
      ...[0, 8, 0x20000, 0x20008, 0xffffffff].map((value) =>
        allow("personality", { index: 0, value, op: "SCMP_CMP_EQ" }),
      ),
      allow("socket", { index: 0, value: 38, op: "SCMP_CMP_LT" }),
      allow("socket", { index: 0, value: 39, op: "SCMP_CMP_EQ" }),
      allow("socket", { index: 0, value: 40, op: "SCMP_CMP_GT" }),
      allow("clone", { index: 0, value: CLONE_NAMESPACES, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }),
      { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
    ],
  };
}

/** Names whose numbers, ages and ways in differ between architectures, and one that does not exist. */
export const NAMES =
  "read write openat execve socket accept socketcall ipc shmat semop clone clone3 close_range faccessat2 statx ioctl _llseek mmap2 set_tls cacheflush arm_sync_file_range sync_file_range2 preadv2 io_setup getcpu setns process_madvise futex_waitv memfd_secret mseal riscv_flush_icache s390_runtime_instr clock_gettime64 bogus".split(
    " ",
  );

const VALUES = [0n, 1n, 2n, 5n, 38n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 0x100000000n, 0x100000001n];
const LARGE = [0xffffffff00000000n, 0x7fffffffffffffffn, 0x8000000000000000n, 0xffffffffffffffffn];

/** Values that are near the corners of 32 and 64 bits; small ones as numbers, like a JSON parser gives them. */
export const values = fc
  .oneof(
    { weight: 4, arbitrary: fc.constantFrom(...VALUES) },
    fc.constantFrom(...LARGE),
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  )
  .map((value) => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value));

/** Mostly the first two arguments, so that rules meet. */
const args: fc.Arbitrary<SeccompArg> = fc.record(
  {
    index: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0, 0, 1) }, fc.integer({ min: 0, max: 5 })),
    value: values,
    valueTwo: values,
    op: fc.constantFrom(
      ...(["EQ", "EQ", "NE", "LT", "LE", "GE", "GT", "MASKED_EQ"] as const).map((op) => `SCMP_CMP_${op}` as const),
    ),
  },
  { requiredKeys: ["index", "value", "op"] },
);

const actions = fc.constantFrom(
  ...(["KILL", "KILL_PROCESS", "TRAP", "ERRNO", "TRACE", "ALLOW", "LOG"] as const).map((a) => `SCMP_ACT_${a}` as const),
);
const errnos = fc.constantFrom(undefined, 0, 1, 38, 4095, 4096, 65536 + 7);

function rules(names: readonly string[]): fc.Arbitrary<SeccompSyscall> {
  return fc
    .record({
      names: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }),
      action: fc.oneof({ weight: 7, arbitrary: actions }, fc.constant("SCMP_ACT_NOTIFY" as const)),
      errnoRet: errnos,
      args: fc.oneof(fc.constant([]), { weight: 3, arbitrary: fc.array(args, { minLength: 1, maxLength: 3 }) }),
    })
    .map(({ names, errnoRet, ...rule }) => ({
      ...rule,
      names: rule.action === "SCMP_ACT_NOTIFY" ? names.filter((name) => name !== "write") : names,
      ...(errnoRet !== undefined && { errnoRet }),
    }));
}

const ALL = Object.keys(SECCOMP_ARCHES) as SeccompArch[];

export interface Sample {
  readonly native: SeccompArch;
  readonly profile: Seccomp;
}

/** Any profile for any machine, with other architectures of the same byte order listed; about few or about many calls. */
export const samples: fc.Arbitrary<Sample> = fc.constantFrom(...ALL).chain((native) => {
  const same = ALL.filter((arch) => archFacts(arch).bigEndian === archFacts(native).bigEndian);
  const about = fc.oneof(
    { weight: 4, arbitrary: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 5 }) },
    fc.constant(NAMES),
  );
  return about.chain((names) =>
    fc
      .record({
        defaultAction: actions,
        defaultErrnoRet: errnos,
        architectures: fc.subarray(same, { maxLength: 4 }),
        syscalls: fc.array(rules(names), { maxLength: 12, size: "+1" }),
      })
      .map(({ defaultErrnoRet, ...profile }) => ({
        native,
        profile: {
          ...profile,
          ...(defaultErrnoRet !== undefined && { defaultErrnoRet }),
          listenerPath: "/run/listener",
        },
      })),
  );
});

/** The corners of few words: every pair of them is compared by `crossings`. */
export const GRID = [0n, 1n, 2n, 3n].flatMap((low) => [0n, 1n, 0x80000000n].map((high) => (high << 32n) | low));

const crossing: fc.Arbitrary<SeccompArg> = fc.record({
  index: fc.constantFrom(0, 1),
  value: fc.constantFrom(...GRID),
  valueTwo: fc.constantFrom(...GRID),
  op: fc.constantFrom(
    ...(["EQ", "EQ", "EQ", "NE", "LT", "LE", "GE", "GT", "MASKED_EQ"] as const).map((op) => `SCMP_CMP_${op}` as const),
  ),
});

/** Many conditional rules for the calls `names`, so that each goes through the tests of all the others. */
export function crossings(names: readonly string[]): fc.Arbitrary<Seccomp> {
  const rule = fc.record({
    names: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }),
    action: fc.constantFrom("SCMP_ACT_ALLOW", "SCMP_ACT_TRAP", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_LOG"),
    args: fc.array(crossing, { minLength: 1, maxLength: 2 }),
  });
  const syscalls = fc.array(rule, { minLength: 1, maxLength: 8, size: "max" });
  return fc.record({ defaultAction: fc.constantFrom("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"), syscalls });
}

/** A profile that gives neighbours different actions, so that the program gets long. */
export function motley(native: SeccompArch, seed: number): Seccomp {
  const actions = ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRAP", "SCMP_ACT_ERRNO"] as const;
  const names = [...syscallTable(archFacts(native).table).keys()];
  const syscalls = names.map((name, i): SeccompSyscall => {
    const pick = ((i + 1) * 2654435761 * (seed * 2 + 1)) >>> 7;
    const args = pick % 11 === 0 ? [{ index: pick % 6, value: pick, op: "SCMP_CMP_GT" as const }] : [];
    return { names: [name], action: actions[pick % 4]!, args };
  });
  return { defaultAction: "SCMP_ACT_KILL_PROCESS", syscalls };
}
