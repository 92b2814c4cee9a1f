/*
 * The launcher: executes launch plans and nothing else. It reads no JSON, chooses no path, knows no policy, and after
 * its first clone allocates no memory. What each operation means is written beside its function; which operations
 * there are stands in ops.h, generated from components/runtime/plan/ops.ts.
 */
#ifndef GANTRY_LAUNCHER_H
#define GANTRY_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ops.h"

enum { MAX_ARGS = 6, NS_SLOTS = 10, DETAIL_SIZE = 768, PATH_SIZE = 4096 };

/* One decoded argument of an operation. Strings and lists point into the plan or the table made when it was checked. */
struct arg {
  uint64_t u;
  const char *s;
  uint32_t length; /* bytes of a string or byte array, entries of a list */
  char **list;
};

/* An operation in the plan. `ignore` holds up to four errno values that count as success. */
struct op {
  uint16_t code, flags;
  uint16_t ignore[4];
  const uint8_t *args;
};

enum op_flag { OP_WARN = 1 /* failure is only reported */, OP_PROXY = 2 /* done by the process that stayed outside */ };
enum plan_flag { PLAN_TRACE = 1, PLAN_FIFO = 2 /* the exec fifo is among the fds */, PLAN_CGROUP = 4, PLAN_PROXY = 8 };

struct plan {
  const uint8_t *bytes;
  size_t size;
  uint32_t count, flags;
  char **lists; /* every list of the plan, in order, each ended by NULL */
};

/* Reads the operations of a plan one by one. */
struct cursor {
  const struct plan *plan;
  size_t at;
  uint32_t index;
  char **lists;
};

struct state {
  struct plan plan;
  struct cursor cursor;
  int control;   /* seqpacket socket to the runtime */
  int shim;      /* seqpacket socket to the shim that is our parent, or -1 */
  int fifo;      /* exec.fifo, opened for reading and writing */
  int cgroup;    /* directory of the container's cgroup v2 */
  int proxy;     /* socket to the process outside, or -1 */
  int proc;      /* a procfs nobody else can mount over, or -1 */
  int root;      /* the container's root directory: later paths are resolved below it */
  int mount;     /* the mount at hand: made, not yet attached, or just attached */
  int null_fd;   /* a verified /dev/null */
  int empty;     /* the empty directory that covers masked directories */
  int ns[NS_SLOTS];
  pid_t host_pid;
  bool cwd_refused; /* the working directory may be searched by the user only */
  char program[PATH_SIZE];
  char detail[DETAIL_SIZE]; /* a few words about the last failure */
};

/* plan.c */
int plan_check(struct plan *plan, const uint8_t *bytes, size_t size);
bool plan_next(struct cursor *cursor, struct op *op, struct arg args[MAX_ARGS]);
void plan_rewind(struct cursor *cursor, const struct plan *plan);

/* channel.c: messages between launcher and runtime */
enum message_type { MSG_PID = 1, MSG_SYNC, MSG_ERROR, MSG_WARNING, MSG_FD, MSG_TRACE, MSG_GO };
enum role { ROLE_INTERMEDIATE = 1, ROLE_INIT, ROLE_SHIM, ROLE_LAUNCHER }; /* whose pid a MSG_PID tells */
enum sync_code { SYNC_JOINED = 1, SYNC_MAP, SYNC_NETWORK, SYNC_HOOKS, SYNC_READY, SYNC_DONE, SYNC_LISTENER, SYNC_TIME };
struct message {
  uint32_t type, op;
  int32_t error;
  uint32_t length;
  uint64_t value;
  char text[DETAIL_SIZE];
};
int channel_send(int fd, uint32_t type, uint32_t op, int32_t error, uint64_t value, const char *text);
int channel_send_fd(int socket, uint64_t kind, const char *text, int fd);
int channel_receive(int fd, struct message *message, int *received_fd);
int channel_wait_go(struct state *s);
int channel_wait_go_joining(struct state *s);

/* run.c: the loop over the operations */
struct launch {
  int control, plan;
  int extra[2]; /* the exec fifo and the cgroup, in this order, as far as the plan's flags ask for them */
  int shim;     /* -1 without a shim */
};
int run_launch(const struct launch *launch);
int run_plan(struct state *s);
int run_operation(struct state *s, const struct op *op, const struct arg *args);
_Noreturn void serve_proxy(struct state *s, int socket);

/* Shared by several operations */
int fail_with(struct state *s, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
int keep_fd(int *slot, int fd);
int resolve(struct state *s, const char *path, uint64_t flags, uint64_t how);
int resolve_parent(struct state *s, const char *path, char name[256]);
int make_target(struct state *s, const char *path, bool directory, mode_t mode);
int open_null(struct state *s);
int proc_handle(struct state *s);
int write_proc(struct state *s, const char *path, const char *text, size_t length);
void explain_exec(struct state *s, const char *path, int error);
pid_t clone_process(uint64_t flags, int cgroup);

/* Modes */
int mode_run(int argc, char **argv);
int mode_shim(int argc, char **argv);
int mode_init(int argc, char **argv);

/* The kernel's own numbers where Debian's headers are older than the kernel. */
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

#define OP(name, schema) int op_##name(struct state *s, const struct arg *a);
OPERATIONS(OP)
#undef OP

#endif
