/**
 * The Linux release in which each system call appeared, for those younger than 3.0: how new a kernel a profile was
 * written for is the release of the newest call that it names. Everything else counts as older than any profile.
 * A call that one architecture wired up later (`semget` on x86: 5.1) has the age of its name: the profile knew it.
 */
const RELEASES = `
3.0 sendmmsg setns
3.2 process_vm_readv process_vm_writev
3.5 kcmp
3.7 s390_runtime_instr
3.8 finit_module
3.14 sched_setattr sched_getattr
3.15 renameat2
3.17 seccomp getrandom memfd_create kexec_file_load
3.18 bpf
3.19 execveat s390_pci_mmio_read s390_pci_mmio_write
4.1 switch_endian
4.3 membarrier userfaultfd
4.4 mlock2
4.5 copy_file_range
4.6 preadv2 pwritev2
4.9 pkey_mprotect pkey_alloc pkey_free
4.11 statx
4.12 s390_guarded_storage
4.15 riscv_flush_icache s390_sthyi get_tls
4.18 io_pgetevents rseq
5.1 pidfd_send_signal io_uring_setup io_uring_enter io_uring_register clock_gettime64 clock_settime64 clock_adjtime64
5.1 clock_getres_time64 clock_nanosleep_time64 timer_gettime64 timer_settime64 timerfd_gettime64 timerfd_settime64
5.1 utimensat_time64 pselect6_time64 ppoll_time64 io_pgetevents_time64 recvmmsg_time64 mq_timedsend_time64
5.1 mq_timedreceive_time64 semtimedop_time64 rt_sigtimedwait_time64 futex_time64 sched_rr_get_interval_time64
5.2 open_tree move_mount fsopen fsconfig fsmount fspick
5.3 pidfd_open clone3
5.6 openat2 pidfd_getfd
5.8 faccessat2
5.9 close_range
5.10 process_madvise
5.11 epoll_pwait2
5.12 mount_setattr
5.13 landlock_create_ruleset landlock_add_rule landlock_restrict_self
5.14 quotactl_fd memfd_secret
5.15 process_mrelease
5.16 futex_waitv
5.17 set_mempolicy_home_node
6.4 riscv_hwprobe
6.5 cachestat
6.6 fchmodat2 map_shadow_stack
6.7 futex_wake futex_wait futex_requeue
6.8 statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules
6.10 mseal
6.11 uretprobe
6.13 setxattrat getxattrat listxattrat removexattrat
6.15 open_tree_attr
6.17 file_getattr file_setattr
6.18 uprobe
6.19 listns
7.0 rseq_slice_yield`;

/** A release as one number that orders like releases do: 5.9 → 5009. */
export type Release = number;

let releases: ReadonlyMap<string, Release> | undefined;

/** Name → release, for the calls younger than 3.0. */
export function sinceRelease(): ReadonlyMap<string, Release> {
  releases ??= parse();
  return releases;
}

function parse(): ReadonlyMap<string, Release> {
  const parsed = new Map<string, Release>();
  for (const line of RELEASES.slice(1).split("\n")) {
    const [release, ...names] = line.split(" ");
    const [major, minor] = release!.split(".");
    for (const name of names) parsed.set(name, Number(major) * 1000 + Number(minor));
  }
  return parsed;
}
