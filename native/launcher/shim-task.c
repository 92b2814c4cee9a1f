/* The processes that the shim keeps: their start, what the launcher tells about them, their end and its record. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEPT_EXECS = 8 /* ended execs that are still answered for, before their slots are used again */ };

void close_slot(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

struct task *task_find(struct shim *shim, const char *id) {
  for (int i = 0; i < MAX_TASKS; i++) {
    if (shim->tasks[i].state != TASK_FREE && strcmp(shim->tasks[i].id, id) == 0) return &shim->tasks[i];
  }
  return NULL;
}

static bool in_use(const struct shim *shim, const struct task *task) {
  for (int i = 0; i < MAX_CLIENTS; i++) {
    if (shim->clients[i].state != CLIENT_FREE && shim->clients[i].task == task) return true;
  }
  return false;
}

static void task_release(struct task *t) {
  int *const fds[] = {&t->pidfd, &t->launch, &t->in, &t->out[0], &t->out[1], &t->slave, &t->log};
  for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) close_slot(fds[i]);
  t->state = TASK_FREE;
}

/* A place for one more exec: unused, or that of the exec that ended longest ago. NULL when all are running. */
struct task *task_slot(struct shim *shim) {
  struct task *free_slot = NULL, *oldest = NULL;
  int ended = 0;
  for (int i = 1; i < MAX_TASKS; i++) {
    struct task *t = &shim->tasks[i];
    if (t->state == TASK_FREE && !free_slot) free_slot = t;
    if (t->state != TASK_ENDED || !t->finished || in_use(shim, t)) continue;
    ended++;
    if (!oldest || t->ended.tv_sec < oldest->ended.tv_sec ||
        (t->ended.tv_sec == oldest->ended.tv_sec && t->ended.tv_nsec < oldest->ended.tv_nsec)) oldest = t;
  }
  if (!oldest || (free_slot && ended < KEPT_EXECS)) return free_slot;
  task_release(oldest);
  return oldest;
}

/* Closes every descriptor from `first` on but those in `keep`: a container must not hold the descriptors of another exec. */
static void close_others(int *keep, int count, int first) {
  for (int i = 1; i < count; i++) {
    for (int j = i; j > 0 && keep[j] < keep[j - 1]; j--) {
      int swap = keep[j];
      keep[j] = keep[j - 1];
      keep[j - 1] = swap;
    }
  }
  for (int i = 0; i < count; i++) {
    if (keep[i] < first) continue;
    if (keep[i] > first) syscall(SYS_close_range, (unsigned)first, (unsigned)keep[i] - 1, 0);
    first = keep[i] + 1;
  }
  syscall(SYS_close_range, (unsigned)first, ~0U, 0);
}

static _Noreturn void become_launcher(const struct shim *shim, const struct task_start *start, const int stdio[3], int launch) {
  int keep[] = {start->control, start->plan, start->extra[0], start->extra[1], launch};
  for (int fd = 0; fd < 3; fd++) {
    if (stdio[fd] >= 0 && stdio[fd] != fd && dup2(stdio[fd], fd) < 0) _exit(1);
    fcntl(fd, F_SETFD, 0);
  }
  close_others(keep, 5, start->first);
  prctl(PR_SET_NAME, "launcher", 0, 0, 0);
  sigprocmask(SIG_SETMASK, &shim->before, NULL);
  if (channel_send(start->control, MSG_PID, UINT32_MAX, ROLE_LAUNCHER, (uint64_t)getpid(), "") < 0) _exit(1);
  struct launch l = {.control = start->control, .plan = start->plan, .extra = {start->extra[0], start->extra[1]}, .shim = launch};
  _exit(run_launch(&l));
}

/*
 * The writing end is opened for reading as well, so that the pipe never lacks a reader: without it the end of the shim
 * would kill the container by SIGPIPE at its next word.
 */
static int output_pipe(int *ours, int *theirs) {
  int ends[2];
  char path[32];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
  int both = open(path, O_RDWR | O_CLOEXEC);
  if (both >= 0) {
    close(ends[1]);
    ends[1] = both;
  }
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  *ours = ends[0];
  *theirs = ends[1];
  return 0;
}

static int make_pipes(struct task *t, int stdio[3]) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  stdio[0] = ends[0];
  t->in = ends[1];
  fcntl(t->in, F_SETFL, O_NONBLOCK);
  int r = output_pipe(&t->out[0], &stdio[1]);
  return r ? r : output_pipe(&t->out[1], &stdio[2]);
}

static void task_reset(struct task *t, const struct task_start *start) {
  /* What an earlier user of the slot had written must not be seen again, and its pages are given back. */
  madvise(t->ring, sizeof(t->ring), MADV_DONTNEED);
  memset((uint8_t *)t + offsetof(struct task, input), 0, sizeof(*t) - offsetof(struct task, input));
  t->pidfd = t->launch = t->in = t->out[0] = t->out[1] = t->slave = t->log = -1;
  t->stdio = start->stdio;
  strcpy(t->id, start->id);
}

/* Forks the process that runs the plan. Its children become ours, since the launcher clones with CLONE_PARENT. */
int task_start(struct shim *shim, struct task *t, const struct task_start *start) {
  int pair[2] = {-1, -1}, stdio[3] = {-1, -1, -1}, r = 0;
  struct stat st;
  task_reset(t, start);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) r = -errno;
  if (!r && start->stdio == STDIO_PIPES) r = make_pipes(t, stdio);
  pid_t pid = r ? -1 : clone_process(0, -1);
  if (pid == 0) become_launcher(shim, start, start->stdio == STDIO_GIVEN ? start->given : stdio, pair[1]);
  if (!r && pid < 0) r = -errno;
  for (int i = 0; i < 3; i++) close_slot(&stdio[i]);
  close_slot(&pair[1]);
  t->launch = pair[0];
  if (r) {
    task_release(t);
    return r;
  }
  fcntl(t->launch, F_SETFL, O_NONBLOCK);
  t->state = TASK_LAUNCHING;
  t->pid = pid;
  t->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  t->log = start->log;
  t->log_regular = t->log >= 0 && fstat(t->log, &st) == 0 && S_ISREG(st.st_mode);
  return 0;
}

/* The status of a process that was reaped before it was announced. */
static bool was_reaped(struct shim *shim, pid_t pid, int *status) {
  for (size_t i = 0; i < sizeof(shim->strangers) / sizeof(*shim->strangers); i++) {
    if (shim->strangers[i].pid != pid) continue;
    *status = shim->strangers[i].status;
    shim->strangers[i].pid = 0;
    return true;
  }
  return false;
}

/*
 * The process announced last is the one that becomes the program. Only a child of ours can be: whatever took over the
 * launcher cannot make us signal others.
 */
static void announced(struct shim *shim, struct task *t, pid_t pid) {
  siginfo_t info;
  int status = 0;
  bool child = pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
  if (!child && !was_reaped(shim, pid, &status)) return;
  close_slot(&t->pidfd);
  t->pid = pid;
  t->reaped = !child;
  t->status = status;
  if (child) t->pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* not reaped yet, so the number is still its own */
  clock_gettime(CLOCK_REALTIME, &t->ended);
}

static void take_master(struct task *t, int master) {
  fcntl(master, F_SETFL, O_NONBLOCK);
  if (t->size.ws_row) ioctl(master, TIOCSWINSZ, &t->size);
  t->out[0] = master;
  t->in = fcntl(master, F_DUPFD_CLOEXEC, 3);
  t->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

/* Messages of the launcher; its silence means that the program runs, or that there will be none. */
void task_hear(struct shim *shim, struct task *t) {
  struct message m;
  for (;;) {
    int fd = -1, r = channel_receive(t->launch, &m, &fd);
    if (r == -EAGAIN) return;
    if (r < 0) break;
    if (m.type == MSG_PID) announced(shim, t, (pid_t)m.value);
    if (m.type == MSG_FD && t->stdio == STDIO_TERMINAL && t->out[0] < 0) take_master(t, fd);
    else close_slot(&fd);
  }
  close_slot(&t->launch);
  if (!t->reaped) t->state = TASK_RUNNING;
}

static void ended(struct shim *shim, pid_t pid, int status) {
  bool launching = false;
  for (int i = 0; i < MAX_TASKS; i++) {
    struct task *t = &shim->tasks[i];
    if ((t->state == TASK_LAUNCHING || t->state == TASK_RUNNING) && !t->reaped && t->pid == pid) {
      t->reaped = true;
      t->status = status;
      clock_gettime(CLOCK_REALTIME, &t->ended);
      return;
    }
    launching |= t->state == TASK_LAUNCHING;
  }
  if (!launching) return; /* an orphan of the container */
  shim->strangers[shim->next_stranger].pid = pid;
  shim->strangers[shim->next_stranger].status = status;
  shim->next_stranger = (shim->next_stranger + 1) % (sizeof(shim->strangers) / sizeof(*shim->strangers));
}

void task_reap(struct shim *shim) {
  pid_t pid;
  int status;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) ended(shim, pid, status);
}

/* `exit` for the container, `exit.<id>` for an exec: one line of JSON, complete or not there at all. */
static int record(const struct shim *shim, const struct task *t) {
  char text[160], name[8 + ID_SIZE];
  struct tm tm;
  int signal = WIFSIGNALED(t->status) ? WTERMSIG(t->status) : 0;
  gmtime_r(&t->ended.tv_sec, &tm);
  int n = snprintf(text, sizeof(text), "{\"status\":%d,\"signal\":%d,\"pid\":%d,\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ\"}\n",
                   signal ? 128 + signal : WEXITSTATUS(t->status), signal, t->pid, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                   tm.tm_hour, tm.tm_min, tm.tm_sec, t->ended.tv_nsec);
  snprintf(name, sizeof(name), *t->id ? "exit.%s" : "exit", t->id);
  int fd = openat(shim->directory, ".exit", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return -errno;
  int r = write(fd, text, (size_t)n) == n && fsync(fd) == 0 ? 0 : -EIO;
  close(fd);
  if (!r && renameat(shim->directory, ".exit", shim->directory, name) < 0) r = -errno;
  return r ? r : fsync(shim->directory) < 0 ? -errno : 0;
}

/* The end is known once the process is reaped and nobody can announce another. */
void task_settle(struct shim *shim, struct task *t) {
  if (t->state == TASK_FREE || t->state == TASK_ENDED || !t->reaped || t->launch >= 0) return;
  t->state = TASK_ENDED;
  t->dry = 0;
  t->unrecorded = record(shim, t) < 0;
  close_slot(&t->pidfd);
}
