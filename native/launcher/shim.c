/*
 * The container's parent: forks the launcher, keeps the container's stdio and its exit status, answers one socket.
 * It outlives the daemon that started it, and needs it for nothing. README.md describes the protocol.
 *
 * shim FIRST STDIO [NAME]: fd FIRST is the listening socket `shim.sock`, FIRST+1 the container's directory in which it
 * lies, FIRST+2 a log or closed, FIRST+3 and on what `run` takes. STDIO is given, pipes or terminal; NAME is for ps(1).
 */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OWN_FDS = 3, RUN_FDS = 4, PAUSE_MS = 100, MAX_WATCHES = 3 + MAX_TASKS * 5 + MAX_CLIENTS };
enum watched { LAUNCH, OUTPUT, ERRORS, INPUT, LOG, CLIENT, SIGNALS, DIRECTORY, LISTENER };

struct watches {
  struct pollfd polls[MAX_WATCHES];
  struct {
    enum watched what;
    int index;
  } of[MAX_WATCHES];
  nfds_t count;
};

static void watch(struct watches *w, enum watched what, int index, int fd, short events) {
  if (fd < 0) return;
  w->of[w->count].what = what;
  w->of[w->count].index = index;
  w->polls[w->count++] = (struct pollfd){.fd = fd, .events = events};
}

static void watch_task(struct shim *shim, struct watches *w, int index) {
  struct task *t = &shim->tasks[index];
  watch(w, LAUNCH, index, t->launch, POLLIN);
  if ((t->out[0] >= 0 || t->out[1] >= 0) && stream_room(shim, t)) {
    watch(w, OUTPUT, index, t->out[0], POLLIN);
    watch(w, ERRORS, index, t->out[1], POLLIN);
  }
  if (t->input_length > 0) watch(w, INPUT, index, t->in, POLLOUT);
  if (t->log_at < t->head) watch(w, LOG, index, t->log, POLLOUT);
}

/* A client that has gone cannot be waited for (its hang-up would be reported for ever): its input waits for the task. */
static void watch_client(struct watches *w, int index, const struct client *c) {
  bool attached = c->state == CLIENT_ATTACHED;
  bool listen = !attached || (!c->input_done && stream_accepts(c->task));
  if (!c->gone) watch(w, CLIENT, index, c->fd, (short)((listen ? POLLIN : 0) | (attached && c->blocked ? POLLOUT : 0)));
}

/* The listener comes last, so that no slot is given to somebody new while events of its former owner are at hand. */
static void collect(struct shim *shim, struct watches *w) {
  bool room = false;
  w->count = 0;
  for (int i = 0; i < MAX_TASKS; i++) {
    if (shim->tasks[i].state != TASK_FREE) watch_task(shim, w, i);
  }
  for (int i = 0; i < MAX_CLIENTS; i++) {
    if (shim->clients[i].state != CLIENT_FREE) watch_client(w, i, &shim->clients[i]);
    else room = true;
  }
  watch(w, SIGNALS, 0, shim->signals, POLLIN);
  watch(w, DIRECTORY, 0, shim->inotify, POLLIN);
  if (room && !shim->crowded) watch(w, LISTENER, 0, shim->listener, POLLIN);
}

static void on_client(struct shim *shim, struct client *c, short events) {
  if (c->state == CLIENT_FREE) return;
  if (events & POLLOUT) c->blocked = false;
  if (c->state == CLIENT_ATTACHED && (events & (POLLHUP | POLLERR))) c->gone = true;
  else if (events & (POLLIN | POLLHUP | POLLERR)) client_hear(shim, c);
}

static void on_signal(struct shim *shim) {
  struct signalfd_siginfo info[8];
  while (read(shim->signals, info, sizeof(info)) > 0) continue;
  task_reap(shim);
}

/* Without its socket nobody can reach us: the container was deleted. */
static void on_directory(struct shim *shim) {
  char events[1024] __attribute__((aligned(8)));
  struct stat st;
  while (read(shim->inotify, events, sizeof(events)) > 0) continue;
  if (fstatat(shim->directory, "shim.sock", &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
    shim->leaving = true;
    close_slot(&shim->inotify);
  }
}

static void dispatch(struct shim *shim, enum watched what, int index, short events) {
  struct task *t = &shim->tasks[index < MAX_TASKS ? index : 0];
  switch (what) {
    case LAUNCH:
      if (t->launch >= 0) task_hear(shim, t);
      break;
    case OUTPUT:
    case ERRORS:
      if (t->out[what - OUTPUT] >= 0 && stream_room(shim, t)) stream_read(t, what - OUTPUT);
      break;
    case INPUT: stream_feed(t); break;
    case LOG: stream_log(t); break;
    case CLIENT: on_client(shim, &shim->clients[index], events); break;
    case SIGNALS: on_signal(shim); break;
    case DIRECTORY: on_directory(shim); break;
    case LISTENER: client_accept(shim); break;
  }
}

static void settle(struct shim *shim) {
  for (int i = 0; i < MAX_TASKS; i++) {
    struct task *t = &shim->tasks[i];
    if (t->state == TASK_FREE) continue;
    task_settle(shim, t);
    if (t->log_regular) stream_log(t);
    stream_finish(shim, t);
    if (t->log_regular) stream_log(t);
  }
  for (int i = 0; i < MAX_CLIENTS; i++) client_settle(&shim->clients[i]);
}

static _Noreturn void serve(struct shim *shim) {
  static struct watches w;
  while (!shim->leaving || shim->tasks[0].state != TASK_ENDED) {
    collect(shim, &w);
    int ready = poll(w.polls, w.count, shim->crowded ? PAUSE_MS : -1);
    if (ready < 0 && errno != EINTR) usleep(PAUSE_MS * 1000); /* the kernel lacks memory: no reason to leave a container alone */
    shim->crowded = false;
    for (nfds_t i = 0; i < w.count; i++) {
      if (w.polls[i].revents) dispatch(shim, w.of[i].what, w.of[i].index, w.polls[i].revents);
    }
    settle(shim);
  }
  _exit(0);
}

static _Noreturn void give_up(int control, int error, const char *what) {
  channel_send(control, MSG_ERROR, UINT32_MAX, error, 0, what);
  _exit(1);
}

static int parse_stdio(const char *text) {
  static const char *const NAMES[] = {[STDIO_GIVEN] = "given", [STDIO_PIPES] = "pipes", [STDIO_TERMINAL] = "terminal"};
  for (int i = 0; i <= STDIO_TERMINAL; i++) {
    if (strcmp(text, NAMES[i]) == 0) return i;
  }
  return -1;
}

/* Takes the place of descriptors that were not given, so that none of ours gets their numbers. */
static int fill_gaps(int from, int to) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return -errno;
  for (int fd = from; fd < to; fd++) {
    if (fd != null && fcntl(fd, F_GETFD) < 0 && dup3(null, fd, O_CLOEXEC) < 0) return -errno;
  }
  return null < from || null >= to ? close(null) : 0;
}

static int open_own(struct shim *shim) {
  sigset_t child;
  char path[32];
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  shim->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  if (shim->signals < 0) return -errno;
  snprintf(path, sizeof(path), "/proc/self/fd/%d", shim->directory);
  shim->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  /* Without /proc we would not notice our own deletion; the rest works all the same. */
  if (shim->inotify >= 0 && inotify_add_watch(shim->inotify, path, IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_ONLYDIR) < 0) close_slot(&shim->inotify);
  return fcntl(shim->listener, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* From here on nothing of whoever started us is held: no terminal, no directory, no descriptor. */
static void let_go(int first, bool logs) {
  if (!logs) close(first + 2);
  for (int fd = first + OWN_FDS; fd < first + OWN_FDS + RUN_FDS; fd++) close(fd);
  if (first > 3) syscall(SYS_close_range, 3, (unsigned)first - 1, 0);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; null >= 0 && fd < 3; fd++) dup2(null, fd);
  close_slot(&null);
  if (chdir("/") < 0) return; /* it then holds a directory: a nuisance, not an error */
}

int mode_shim(int argc, char **argv) {
  static struct shim shim;
  int first = argc >= 3 ? atoi(argv[1]) : 0, stdio = argc >= 3 ? parse_stdio(argv[2]) : -1;
  if (first < 3 || stdio < 0 || syscall(SYS_close_range, (unsigned)first, ~0U, 4u /* CLOSE_RANGE_CLOEXEC */) < 0) return 2;
  int control = first + OWN_FDS, log = fcntl(first + 2, F_GETFD) < 0 ? -1 : first + 2;
  pid_t pid = clone_process(0, -1);
  if (pid) return pid < 0;
  setsid();
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &shim.before); /* SIGTERM for everything in a service is not meant for the parents of containers */
  prctl(PR_SET_NAME, "gantry-shim", 0, 0, 0);
  shim.listener = first;
  shim.directory = first + 1;
  int r = prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : fill_gaps(0, first + OWN_FDS + RUN_FDS);
  if (!r) r = open_own(&shim);
  if (r) give_up(control, r, "shim: set-up");
  if (channel_send(control, MSG_PID, UINT32_MAX, ROLE_SHIM, (uint64_t)getpid(), "") < 0) _exit(1);
  struct task_start start = {.id = "", .stdio = (enum stdio)stdio, .given = {0, 1, 2}, .log = log, .control = control,
                             .plan = control + 1, .extra = {control + 2, control + 3}, .first = first};
  r = task_start(&shim, &shim.tasks[0], &start);
  if (r) give_up(control, r, "shim: start of the launcher");
  let_go(first, log >= 0);
  serve(&shim);
}
