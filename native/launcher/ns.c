/* Operations on processes and namespaces. */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int op_open_ns(struct state *s, const struct arg *a) {
  if (a[0].u >= NS_SLOTS) return -EPROTO;
  int fd = open(a[1].s, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int type = ioctl(fd, NS_GET_NSTYPE);
  if (type != (int)a[2].u) {
    close(fd);
    return fail_with(s, -EINVAL, type < 0 ? "not a namespace" : "a namespace of another type");
  }
  return keep_fd(&s->ns[a[0].u], fd);
}

int op_setns(struct state *s, const struct arg *a) {
  if (a[0].u >= NS_SLOTS) return -EPROTO;
  int *slot = &s->ns[a[0].u];
  if (setns(*slot, (int)a[1].u) < 0) return -errno;
  close(*slot);
  *slot = -1;
  return 0;
}

int op_setns_pid(struct state *s, const struct arg *a) {
  int fd = (int)syscall(SYS_pidfd_open, (pid_t)a[0].u, 0);
  if (fd < 0) return -errno;
  int r = setns(fd, (int)a[1].u) < 0 ? -errno : 0;
  close(fd);
  (void)s;
  return r;
}

int op_unshare(struct state *s, const struct arg *a) {
  (void)s;
  /* The kernel answers EINVAL when a network namespace is being torn down at that moment: the next attempt succeeds. */
  for (int attempt = 0;; attempt++) {
    if (unshare((int)a[0].u) == 0) return 0;
    if (errno != EINVAL || attempt == 5) return -errno;
  }
}

/* fork(2) with namespaces, the caller's parent as parent, and a cgroup v2 to be born in. */
pid_t clone_process(uint64_t flags, int cgroup) {
  struct clone_args args = {.flags = flags};
  if (!(flags & CLONE_PARENT)) args.exit_signal = SIGCHLD;
  if (cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = (uint64_t)cgroup;
  }
  pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
  /* A filter around us may not know clone3. What only clone3 can do (the time namespace's flag is a signal number there) fails. */
  if (pid >= 0 || errno != ENOSYS || cgroup >= 0 || (flags & CSIGNAL)) return pid;
  return (pid_t)syscall(SYS_clone, flags | args.exit_signal, NULL, NULL, NULL, NULL);
}

static void end_on_signal(int signal) { _exit(128 + signal); }

/*
 * The kernel drops signals without a handler for the first process of a pid namespace, so a container that is created
 * but not started could be ended by SIGKILL alone. The program gets the default actions back with execve.
 */
static void end_on_signals(void) {
  static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
  for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) signal(signals[i], end_on_signal);
}

/* The child goes on with the plan; the parent tells the runtime its pid and ends, or stays as the proxy. */
int op_fork(struct state *s, const struct arg *a) {
  int pair[2] = {-1, -1};
  bool proxy = (s->plan.flags & PLAN_PROXY) && s->proxy < 0;
  if (proxy && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return -errno;
  pid_t pid = clone_process(a[0].u | CLONE_PARENT, a[2].u ? s->cgroup : -1);
  if (pid < 0) return -errno;
  if (pid == 0) {
    if (proxy) {
      close(pair[0]);
      s->proxy = pair[1];
    }
    if (getpid() == 1) end_on_signals();
    return 0;
  }
  signal(SIGPIPE, SIG_IGN);
  /* The shim first: it must know its child before the runtime can ask about it. */
  int r = s->shim < 0 ? 0 : channel_send(s->shim, MSG_PID, s->cursor.index - 1, (int)a[1].u, (uint64_t)pid, "");
  if (!r) r = channel_send(s->control, MSG_PID, s->cursor.index - 1, (int)a[1].u, (uint64_t)pid, "");
  if (r < 0) kill(pid, SIGKILL); /* nobody would ever reap or stop it */
  if (r < 0 || !proxy) _exit(r < 0);
  close(pair[1]);
  close(s->control);
  if (s->shim >= 0) close(s->shim);
  serve_proxy(s, pair[0]);
}

int op_sync(struct state *s, const struct arg *a) {
  if (a[0].u == SYNC_READY && s->proxy >= 0) {
    close(s->proxy); /* ends the process outside: the root has changed, nothing is left for it to do */
    s->proxy = -1;
  }
  int r = channel_send(s->control, MSG_SYNC, s->cursor.index - 1, getpid(), a[0].u, "");
  if (a[0].u != SYNC_DONE) return r ? r : channel_wait_go_joining(s);
  /* No process is announced any more, and nobody who gets hold of ours may do so in our name. */
  if (s->shim >= 0) close(s->shim);
  s->shim = -1;
  return r;
}

int op_setsid(struct state *s, const struct arg *a) {
  (void)s, (void)a;
  return setsid() < 0 ? -errno : 0;
}

int op_dumpable(struct state *s, const struct arg *a) {
  (void)s;
  return prctl(PR_SET_DUMPABLE, (unsigned long)a[0].u, 0, 0, 0) < 0 ? -errno : 0;
}

int op_become_root(struct state *s, const struct arg *a) {
  (void)s, (void)a;
  if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0) return -errno;
  return syscall(SYS_setgroups, 0, NULL) < 0 && errno != EPERM ? -errno : 0; /* EPERM: setgroups is denied in this namespace */
}

int op_affinity(struct state *s, const struct arg *a) {
  (void)s;
  static uint8_t all[1024];
  const void *mask = a[0].s;
  size_t length = a[0].length;
  if (length == 0) {
    memset(all, 0xff, sizeof(all));
    mask = all;
    length = sizeof(all);
  }
  return syscall(SYS_sched_setaffinity, 0, length, mask) < 0 ? -errno : 0;
}

int op_keyring(struct state *s, const struct arg *a) {
  (void)s;
  /* KEY_POS_ALL | KEY_USR_VIEW | KEY_USR_READ | KEY_USR_LINK is what the kernel gives a new session keyring. */
  static const unsigned FRESH = 0x3f130000;
  long id = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, a[0].s);
  if (id < 0) return -errno;
  if (a[2].u) return 0;
  return syscall(SYS_keyctl, KEYCTL_SETPERM, id, FRESH | (unsigned)a[1].u) < 0 ? -errno : 0;
}

int op_loopback_up(struct state *s, const struct arg *a) {
  (void)s, (void)a;
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int r = ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
  close(fd);
  return r;
}
