/** System calls of 32-bit PA-RISC; the format is described in ../syscalls.ts. */
export const table = `
restart_syscall exit fork read write open close waitpid creat link unlink execve chdir time mknod chmod lchown
socket stat lseek getpid mount bind setuid getuid stime ptrace alarm fstat pause utime connect listen access nice
accept sync kill rename mkdir rmdir dup pipe times getsockname brk setgid getgid signal geteuid getegid acct umount2
getpeername ioctl fcntl socketpair setpgid send uname umask chroot ustat dup2 getppid getpgrp setsid pivot_root
sgetmask ssetmask setreuid setregid mincore sigpending sethostname setrlimit getrlimit getrusage gettimeofday
settimeofday getgroups setgroups sendto symlink lstat readlink uselib swapon reboot mmap2 mmap munmap truncate
ftruncate fchmod fchown getpriority setpriority recv statfs fstatfs stat64 103 syslog setitimer getitimer capget
capset pread64 pwrite64 getcwd vhangup fstat64 vfork wait4 swapoff sysinfo shutdown fsync madvise clone
setdomainname sendfile recvfrom adjtimex mprotect sigprocmask 128 init_module delete_module 131 quotactl getpgid
fchdir bdflush sysfs personality 138 setfsuid setfsgid _llseek getdents _newselect flock msync readv writev getsid
fdatasync _sysctl mlock munlock mlockall munlockall sched_setparam sched_getparam sched_setscheduler
sched_getscheduler sched_yield sched_get_priority_max sched_get_priority_min sched_rr_get_interval nanosleep mremap
setresuid getresuid sigaltstack 168 poll 170 setresgid getresgid prctl rt_sigreturn rt_sigaction rt_sigprocmask
rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend chown setsockopt getsockopt sendmsg recvmsg semop semget
semctl msgsnd msgrcv msgget msgctl shmat shmdt shmget shmctl 198 lstat64 truncate64 ftruncate64 getdents64 fcntl64
206 gettid readahead tkill sendfile64 futex sched_setaffinity sched_getaffinity 215 io_setup io_destroy io_getevents
io_submit io_cancel 222 exit_group lookup_dcookie epoll_create epoll_ctl epoll_wait remap_file_pages semtimedop
mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr waitid fadvise64_64 set_tid_address setxattr
lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr
fremovexattr timer_create timer_settime timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime
clock_getres clock_nanosleep tgkill mbind get_mempolicy set_mempolicy 264 add_key request_key keyctl ioprio_set
ioprio_get inotify_init inotify_add_watch inotify_rm_watch migrate_pages pselect6 ppoll openat mkdirat mknodat
fchownat futimesat fstatat64 unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat unshare
set_robust_list get_robust_list splice sync_file_range tee vmsplice move_pages getcpu epoll_pwait statfs64 fstatfs64
kexec_load utimensat signalfd 304 eventfd fallocate timerfd_create timerfd_settime timerfd_gettime signalfd4
eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open recvmmsg accept4
prlimit64 fanotify_init fanotify_mark clock_adjtime name_to_handle_at open_by_handle_at syncfs setns sendmmsg
process_vm_readv process_vm_writev kcmp finit_module sched_setattr sched_getattr utimes renameat2 seccomp getrandom
memfd_create bpf execveat membarrier userfaultfd mlock2 copy_file_range preadv2 pwritev2 statx io_pgetevents
pkey_mprotect pkey_alloc pkey_free rseq kexec_file_load cacheflush 403 clock_gettime64 clock_settime64
clock_adjtime64 clock_getres_time64 clock_nanosleep_time64 timer_gettime64 timer_settime64 timerfd_gettime64
timerfd_settime64 utimensat_time64 pselect6_time64 ppoll_time64 416 io_pgetevents_time64 recvmmsg_time64
mq_timedsend_time64 mq_timedreceive_time64 semtimedop_time64 rt_sigtimedwait_time64 futex_time64
sched_rr_get_interval_time64 pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount
fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise
epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self 448
process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake futex_wait
futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat
listxattrat removexattrat open_tree_attr file_getattr file_setattr listns rseq_slice_yield`;
