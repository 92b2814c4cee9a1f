/* Operations on the process itself: names, limits of what it may do, identity. */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int op_hostname(struct state *s, const struct arg *a) {
  (void)s;
  return sethostname(a[0].s, a[0].length) < 0 ? -errno : 0;
}

int op_domainname(struct state *s, const struct arg *a) {
  (void)s;
  return setdomainname(a[0].s, a[0].length) < 0 ? -errno : 0;
}

static int write_attribute(struct state *s, const char *file, const char *prefix, const char *label) {
  char text[PATH_SIZE];
  int n = snprintf(text, sizeof(text), "%s%s", prefix, label);
  if (n < 0 || (size_t)n >= sizeof(text)) return -ENAMETOOLONG;
  return write_proc(s, file, text, (size_t)n);
}

int op_apparmor(struct state *s, const struct arg *a) {
  int r = write_attribute(s, "thread-self/attr/apparmor/exec", "exec ", a[0].s);
  return r == -ENOENT ? write_attribute(s, "thread-self/attr/exec", "exec ", a[0].s) : r;
}

int op_selinux_exec(struct state *s, const struct arg *a) {
  return write_attribute(s, "thread-self/attr/exec", "", a[0].s);
}

int op_selinux_keycreate(struct state *s, const struct arg *a) {
  return write_attribute(s, "thread-self/attr/keycreate", "", a[0].s);
}

int op_umask(struct state *s, const struct arg *a) {
  (void)s;
  umask((mode_t)a[0].u);
  return 0;
}

int op_no_new_privs(struct state *s, const struct arg *a) {
  (void)s, (void)a;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int op_scheduler(struct state *s, const struct arg *a) {
  (void)s;
  return syscall(SYS_sched_setattr, 0, a[0].s, 0) < 0 ? -errno : 0;
}

int op_io_priority(struct state *s, const struct arg *a) {
  (void)s;
  return syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, (int)a[0].u) < 0 ? -errno : 0;
}

int op_personality(struct state *s, const struct arg *a) {
  (void)s;
  return personality((unsigned long)a[0].u) < 0 ? -errno : 0;
}

int op_memory_policy(struct state *s, const struct arg *a) {
  (void)s;
  const void *mask = a[1].length ? a[1].s : NULL;
  return syscall(SYS_set_mempolicy, (int)a[0].u, mask, mask ? a[1].length * 8u + 1 : 0) < 0 ? -errno : 0;
}

/*
 * Installs the filter. With a listener the runtime takes the descriptor out of this process (pidfd_getfd) by the number
 * announced here, so that the filter need not let us send it; it answers once the listener's owner has it.
 */
int op_seccomp(struct state *s, const struct arg *a) {
  struct sock_fprog program = {.len = (unsigned short)(a[1].length / sizeof(struct sock_filter)), .filter = (struct sock_filter *)(uintptr_t)a[1].s};
  struct sock_filter aligned[BPF_MAXINSNS];
  if (a[1].length > sizeof(aligned)) return -E2BIG;
  memcpy(aligned, a[1].s, a[1].length);
  program.filter = aligned;
  if (a[2].u) {
    int next = dup(s->control);
    if (next < 0) return -errno;
    close(next);
    int r = channel_send(s->control, MSG_SYNC, s->cursor.index - 1, next, SYNC_LISTENER, "");
    if (r) return r;
  }
  if (a[0].u == 0) return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ? -errno : 0;
  long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)a[0].u, &program);
  if (fd < 0) return -errno;
  if (!a[2].u) return 0;
  int r = channel_wait_go(s);
  close((int)fd); /* its owner has it by now; a waiting container should not */
  return r;
}

int op_bounding(struct state *s, const struct arg *a) {
  (void)s;
  for (unsigned cap = 0; cap < 64; cap++) {
    if (a[0].u >> cap & 1) continue;
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) return errno == EINVAL ? 0 : -errno; /* EINVAL: past the last capability */
  }
  return 0;
}

int op_keep_caps(struct state *s, const struct arg *a) {
  (void)s;
  return prctl(PR_SET_KEEPCAPS, (unsigned long)a[0].u, 0, 0, 0) < 0 ? -errno : 0;
}

int op_set_user(struct state *s, const struct arg *a) {
  gid_t groups[1024];
  size_t count = a[2].length / sizeof(gid_t);
  if (count > sizeof(groups) / sizeof(*groups)) return -E2BIG;
  memcpy(groups, a[2].s, count * sizeof(gid_t));
  if (!(a[3].u & 1) && syscall(SYS_setgroups, count, groups) < 0 && !((a[3].u & 2) && errno == EPERM))
    return fail_with(s, -errno, "setgroups");
  if (syscall(SYS_setresgid, a[1].u, a[1].u, a[1].u) < 0) return fail_with(s, -errno, "setgid");
  if (syscall(SYS_setresuid, a[0].u, a[0].u, a[0].u) < 0) return fail_with(s, -errno, "setuid");
  return 0;
}

int op_capabilities(struct state *s, const struct arg *a) {
  (void)s;
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  for (int i = 0; i < 2; i++) {
    data[i].effective = (uint32_t)(a[0].u >> 32 * i);
    data[i].permitted = (uint32_t)(a[1].u >> 32 * i);
    data[i].inheritable = (uint32_t)(a[2].u >> 32 * i);
  }
  return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int op_ambient(struct state *s, const struct arg *a) {
  int r = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL ? -errno : 0;
  for (unsigned cap = 0; cap < 64; cap++) {
    if (!(a[0].u >> cap & 1) || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) == 0) continue;
    int error = -errno;
    char number[8];
    snprintf(number, sizeof(number), "%u", cap);
    channel_send(s->control, MSG_WARNING, s->cursor.index - 1, error, cap, number);
  }
  return r;
}

int op_chdir(struct state *s, const struct arg *a) {
  if (a[1].u & 4) return fchdir(s->root) < 0 ? -errno : 0;
  if ((a[1].u & 2) && !s->cwd_refused) return 0;
  if (chdir(a[0].s) == 0) return 0;
  s->cwd_refused = errno == EACCES && (a[1].u & 1);
  return s->cwd_refused ? 0 : -errno;
}

/*
 * A working directory that is not below our root was reached through a leaked descriptor (CVE-2024-21626). One that has
 * been deleted has no path that could prove where it is, and its ".." may lead to the host: refused as well.
 */
int op_cwd_inside(struct state *s, const struct arg *a) {
  (void)a;
  char path[PATH_SIZE];
  long n = syscall(SYS_getcwd, path, sizeof(path));
  if (n < 0 && errno != ENOENT) return -errno;
  return n > 0 && path[0] == '/' ? 0 : fail_with(s, -EPERM, "current working directory is outside of container mount namespace root -- possible container breakout detected");
}

int op_death_signal(struct state *s, const struct arg *a) {
  (void)s;
  return prctl(PR_SET_PDEATHSIG, (unsigned long)a[0].u, 0, 0, 0) < 0 ? -errno : 0;
}

/* Nothing that the set-up opened may be there for whoever looks at a created container. */
int op_close_tools(struct state *s, const struct arg *a) {
  (void)a;
  int *tools[] = {&s->cgroup, &s->proc, &s->root, &s->mount, &s->null_fd, &s->empty};
  for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++) {
    if (*tools[i] >= 0) close(*tools[i]);
    *tools[i] = -1;
  }
  return 0;
}
