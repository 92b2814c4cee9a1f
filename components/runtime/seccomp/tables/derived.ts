/** Tables that differ little from another one: "-name" takes a name of the base away; see ../syscalls.ts. */
export const derived = {
  loong64: {
    base: "arm64",
    table: `
-renameat -getrlimit -setrlimit`,
  },
  riscv64: {
    base: "arm64",
    table: `
-renameat 258 riscv_hwprobe riscv_flush_icache`,
  },
  parisc64: {
    base: "parisc",
    table: `
-_llseek -clock_gettime64 -clock_settime64 -clock_adjtime64 -clock_getres_time64 -clock_nanosleep_time64
-timer_gettime64 -timer_settime64 -timerfd_gettime64 -timerfd_settime64 -utimensat_time64 -pselect6_time64
-ppoll_time64 -io_pgetevents_time64 -recvmmsg_time64 -mq_timedsend_time64 -mq_timedreceive_time64 -semtimedop_time64
-rt_sigtimedwait_time64 -futex_time64 -sched_rr_get_interval_time64`,
  },
  ppc64: {
    base: "ppc",
    table: `
-mmap2 -truncate64 -ftruncate64 -stat64 -lstat64 -fstat64 -fcntl64 -sendfile64 -fadvise64_64 -fstatat64
-clock_gettime64 -clock_settime64 -clock_adjtime64 -clock_getres_time64 -clock_nanosleep_time64 -timer_gettime64
-timer_settime64 -timerfd_gettime64 -timerfd_settime64 -utimensat_time64 -pselect6_time64 -ppoll_time64
-io_pgetevents_time64 -recvmmsg_time64 -mq_timedsend_time64 -mq_timedreceive_time64 -semtimedop_time64
-rt_sigtimedwait_time64 -futex_time64 -sched_rr_get_interval_time64 291 newfstatat 392 semtimedop`,
  },
  s390: {
    base: "s390x",
    table: `
-select -newfstatat -semtimedop -listns -rseq_slice_yield 13 time 16 lchown 23 setuid getuid stime 46 setgid getgid
49 geteuid getegid 70 setreuid setregid 76 getrlimit 80 getgroups setgroups 95 fchown 101 ioperm 138 setfsuid
setfsgid _llseek 142 _newselect 164 setresuid getresuid 170 setresgid getresgid 182 chown 191 ugetrlimit mmap2
truncate64 ftruncate64 stat64 lstat64 fstat64 lchown32 getuid32 getgid32 geteuid32 getegid32 setreuid32 setregid32
getgroups32 setgroups32 fchown32 setresuid32 getresuid32 setresgid32 getresgid32 chown32 setuid32 setgid32
setfsuid32 setfsgid32 221 fcntl64 223 sendfile64 264 fadvise64_64 293 fstatat64 403 clock_gettime64 clock_settime64
clock_adjtime64 clock_getres_time64 clock_nanosleep_time64 timer_gettime64 timer_settime64 timerfd_gettime64
timerfd_settime64 utimensat_time64 pselect6_time64 ppoll_time64 416 io_pgetevents_time64 recvmmsg_time64
mq_timedsend_time64 mq_timedreceive_time64 semtimedop_time64 rt_sigtimedwait_time64 futex_time64
sched_rr_get_interval_time64`,
  },
  sh: {
    base: "x86",
    table: `
-break -stty -gtty -ftime -prof -lock -mpx -ulimit -oldolduname -select -profil -ioperm -iopl -idle -vm86old
-modify_ldt -create_module -get_kernel_syms -afs_syscall -vm86 -query_module -getpmsg -putpmsg -set_thread_area
-get_thread_area -vserver -arch_prctl -io_pgetevents -clone3 -memfd_secret 123 cacheflush 285 add_key request_key
keyctl ioprio_set ioprio_get inotify_init inotify_add_watch inotify_rm_watch 337 fanotify_init fanotify_mark
prlimit64 socket bind connect listen accept getsockname getpeername socketpair send sendto recv recvfrom shutdown
setsockopt getsockopt sendmsg recvmsg recvmmsg accept4 name_to_handle_at open_by_handle_at clock_adjtime syncfs
sendmmsg setns process_vm_readv process_vm_writev kcmp finit_module sched_getattr sched_setattr renameat2 seccomp
getrandom memfd_create bpf execveat userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 384 pkey_mprotect
pkey_alloc pkey_free rseq sync_file_range2`,
  },
} as const;
