/* The loop over the operations of a plan, its error policy, and the proxy that acts with the rights of the host. */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const struct {
  const char *name;
  int (*run)(struct state *, const struct arg *);
} OPS[] = {
#define OP(name, schema) {#name, op_##name},
    OPERATIONS(OP)
#undef OP
};

int fail_with(struct state *s, int error, const char *format, ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(s->detail, sizeof(s->detail), format, list);
  va_end(list);
  return error;
}

/* Puts fd into a slot, closing what was there. Returns 0, or -errno when the call that made the fd failed. */
int keep_fd(int *slot, int fd) {
  if (fd < 0) return -errno;
  if (*slot >= 0) close(*slot);
  *slot = fd;
  return 0;
}

/* Asks the process that stayed outside to perform the operation; the mount at hand travels there and back. */
static int run_by_proxy(struct state *s, uint32_t index) {
  struct message m;
  int fd = -1, own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (own < 0) return -errno;
  int r = channel_send_fd(s->proxy, index, "", own);
  close(own);
  if (!r && s->mount >= 0) r = channel_send_fd(s->proxy, index, "mount", s->mount);
  if (!r) r = channel_send(s->proxy, MSG_GO, index, 0, 0, "");
  if (!r) r = channel_receive(s->proxy, &m, &fd);
  if (r) return r;
  if (m.type == MSG_ERROR) return fail_with(s, m.error, "%s", m.text);
  return fd < 0 ? -EPROTO : keep_fd(&s->mount, fd);
}

int run_operation(struct state *s, const struct op *op, const struct arg *args) {
  s->detail[0] = 0;
  if ((op->flags & OP_PROXY) && s->proxy >= 0) return run_by_proxy(s, s->cursor.index - 1);
  return OPS[op->code].run(s, args);
}

/* The outside end of run_by_proxy: enters the container's mount namespace, keeping the identity of the host. */
_Noreturn void serve_proxy(struct state *s, int socket) {
  bool inside = false;
  for (;;) {
    struct message m;
    int fd;
    if (channel_receive(socket, &m, &fd) < 0) _exit(0);
    if (m.type == MSG_FD && m.length == 0) {
      if (!inside && setns(fd, CLONE_NEWNS) < 0) _exit(1);
      inside = true;
      close(fd);
      continue;
    }
    if (m.type == MSG_FD) {
      keep_fd(&s->mount, fd);
      continue;
    }
    struct op op;
    struct arg args[MAX_ARGS];
    plan_rewind(&s->cursor, &s->plan);
    bool found = false;
    while (s->cursor.index <= m.op && plan_next(&s->cursor, &op, args)) found = s->cursor.index == m.op + 1;
    if (!found) _exit(1);
    s->detail[0] = 0;
    int r = OPS[op.code].run(s, args);
    r = r ? channel_send(socket, MSG_ERROR, m.op, r, 0, s->detail) : channel_send_fd(socket, 0, "", s->mount);
    if (r) _exit(1);
  }
}

static bool ignored(const struct op *op, int error) {
  for (int i = 0; i < 4; i++) {
    if (op->ignore[i] && op->ignore[i] == -error) return true;
  }
  return false;
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Returns only on failure, which has then been reported: the last operation of a plan replaces or ends the process. */
int run_plan(struct state *s) {
  struct op op;
  struct arg args[MAX_ARGS];
  bool trace = s->plan.flags & PLAN_TRACE;
  plan_rewind(&s->cursor, &s->plan);
  while (plan_next(&s->cursor, &op, args)) {
    uint32_t index = s->cursor.index - 1;
    uint64_t start = trace ? now() : 0;
    if (trace && op.code == OP_exec) channel_send(s->control, MSG_TRACE, index, 0, 0, "");
    int r = run_operation(s, &op, args);
    if (trace && op.code != OP_fifo_wait) channel_send(s->control, MSG_TRACE, index, r, now() - start, "");
    if (r >= 0 || ignored(&op, r)) continue;
    channel_send(s->control, op.flags & OP_WARN ? MSG_WARNING : MSG_ERROR, index, r, 0, s->detail);
    if (!(op.flags & OP_WARN)) return r;
  }
  return -EPROTO;
}

static int load_plan(struct state *s, int fd) {
  struct stat st;
  int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || !(seals & F_SEAL_WRITE) || !(seals & F_SEAL_SHRINK)) return -EPERM; /* nobody may change it under us */
  if (fstat(fd, &st) < 0) return -errno;
  if (st.st_size <= 0) return -EPROTO;
  const uint8_t *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (bytes == MAP_FAILED) return -errno;
  close(fd);
  return plan_check(&s->plan, bytes, (size_t)st.st_size);
}

/* Loads the plan and runs it. Returns the exit status of a launch that failed. */
int run_launch(const struct launch *launch) {
  static struct state s;
  s = (struct state){.control = launch->control, .shim = launch->shim, .fifo = -1, .cgroup = -1, .proxy = -1, .proc = -1, .root = -1,
                     .mount = -1, .null_fd = -1, .empty = -1};
  for (int i = 0; i < NS_SLOTS; i++) s.ns[i] = -1;
  int r = load_plan(&s, launch->plan);
  if (r) {
    channel_send(s.control, MSG_ERROR, UINT32_MAX, r, 0, r == -ESTALE ? "the plan was made by another build" : "malformed launch plan");
    return 1;
  }
  const int *next = launch->extra;
  if (s.plan.flags & PLAN_FIFO) s.fifo = *next++;
  if (s.plan.flags & PLAN_CGROUP) s.cgroup = *next++;
  for (; next < launch->extra + 2; next++) close(*next); /* what the shim put in the place of those that are not there */
  run_plan(&s);
  return 1;
}

/* run FIRST: fd FIRST is the control socket, FIRST+1 the plan, then the exec fifo and the cgroup if the plan's flags say so. */
int mode_run(int argc, char **argv) {
  if (argc != 2) return 2;
  int first = atoi(argv[1]);
  if (first < 3 || syscall(SYS_close_range, (unsigned)first, ~0U, 4u /* CLOSE_RANGE_CLOEXEC */) < 0) return 2;
  /* A descriptor that we open may never become the program's stdio just because that was closed. */
  for (int fd = 0; fd < 3; fd++) {
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) return 2;
  }
  return run_launch(&(struct launch){.control = first, .plan = first + 1, .extra = {first + 2, first + 3}, .shim = -1});
}
