/*
 * The foreground of `run` and `exec`: copies bytes between our stdio and the container, forwards signals, follows the
 * size of the terminal, reaps, and returns the wait status. It blocks, on purpose: a command that only waits needs no event loop.
 */
#define _GNU_SOURCE
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { MAX_COPIES = 3, CHUNK = 4096 /* PIPE_BUF: what a writable pipe takes without blocking */, BACKGROUND_MS = 100 };

struct copy {
  int from, to; /* -1 once finished */
  bool close_to;
  size_t at, length;
  char buffer[16 * CHUNK];
};

static int signal_pipe[2] = {-1, -1};

static void on_signal(int sig) {
  int saved = errno;
  unsigned char byte = (unsigned char)sig;
  ssize_t ignored = write(signal_pipe[1], &byte, 1); /* full pipe: signals of one kind merge, as everywhere in Unix */
  (void)ignored;
  errno = saved;
}

/*
 * Everything but what cannot be caught, faults of our own, SIGURG, SIGPWR, with which the garbage collector stops threads,
 * and what our terminal says to a job in the background: with a handler the call that caused it would be tried for ever.
 */
static bool forwarded(int sig) {
  switch (sig) {
    case SIGKILL: case SIGSTOP: case SIGSEGV: case SIGBUS: case SIGILL: case SIGFPE: case SIGTRAP:
    case SIGSYS: case SIGURG: case SIGPWR: case SIGPIPE: case SIGTTIN: case SIGTTOU: case 32: case 33:
      return false;
    default: return true;
  }
}

static void finish(struct copy *c) {
  if (c->close_to && c->to >= 0) close(c->to);
  c->from = c->to = -1;
}

static void pump_in(struct copy *c) {
  ssize_t n = read(c->from, c->buffer, sizeof(c->buffer));
  if (n > 0) c->at = 0, c->length = (size_t)n;
  else if (n == 0 || (errno != EAGAIN && errno != EINTR)) finish(c); /* EIO: the other side of a pty is gone */
}

static void pump_out(struct copy *c) {
  size_t want = c->length < CHUNK ? c->length : CHUNK;
  ssize_t n = write(c->to, c->buffer + c->at, want);
  if (n > 0) c->at += (size_t)n, c->length -= (size_t)n;
  else if (n < 0 && errno != EAGAIN && errno != EINTR) finish(c);
}

/* After the end of the process: hands over what is already in the pipes, waits for nothing more. */
static void drain(struct copy *c) {
  while (c->from >= 0) {
    if (c->length == 0) {
      struct pollfd p = {.fd = c->from, .events = POLLIN};
      if (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLIN | POLLHUP))) return;
      pump_in(c);
    } else {
      pump_out(c);
    }
  }
}

/* The terminal has another job in its foreground: whoever reads from it now is stopped. */
static bool in_background(int fd) {
  pid_t foreground = tcgetpgrp(fd);
  return foreground >= 0 && foreground != getpgrp();
}

static void resize(int master) {
  struct winsize size;
  if (master >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) ioctl(master, TIOCSWINSZ, &size);
}

static void forward_signals(int pidfd, int master) {
  unsigned char batch[64];
  ssize_t n = read(signal_pipe[0], batch, sizeof(batch));
  for (ssize_t i = 0; i < n; i++) {
    if (batch[i] == SIGWINCH && master >= 0) resize(master);
    else if (batch[i] != SIGCHLD) syscall(SYS_pidfd_send_signal, pidfd, (int)batch[i], NULL, 0);
  }
}

/* Reaps every child (as subreaper we inherit orphans); returns true with the status once `pid` itself has ended. */
static bool reap(int pid, int *status) {
  for (;;) {
    int one, got = waitpid(-1, &one, WNOHANG);
    if (got == pid) {
      *status = one;
      return true;
    }
    if (got == 0 || (got < 0 && errno != EINTR)) return got < 0 && errno == ECHILD;
  }
}

static int run(int pid, int pidfd, int master, struct copy *copies, int count) {
  int status = 0;
  for (bool ended = false; !ended;) {
    struct pollfd p[2 + MAX_COPIES] = {{.fd = pidfd, .events = POLLIN}, {.fd = signal_pipe[0], .events = POLLIN}};
    int timeout = -1;
    for (int i = 0; i < count; i++) {
      bool full = copies[i].length > 0;
      p[2 + i] = (struct pollfd){.fd = full ? copies[i].to : copies[i].from, .events = full ? POLLOUT : POLLIN};
      /* As a job in the background we leave the input alone; nothing tells that we were brought to the front, so we look. */
      if (!full && p[2 + i].fd == STDIN_FILENO && in_background(STDIN_FILENO)) p[2 + i].fd = -1, timeout = BACKGROUND_MS;
    }
    if (poll(p, 2 + (nfds_t)count, timeout) < 0 && errno != EINTR) return -errno;
    for (int i = 0; i < count; i++) {
      if (!p[2 + i].revents) continue;
      if (copies[i].length > 0) pump_out(&copies[i]);
      else pump_in(&copies[i]);
    }
    if (p[1].revents) forward_signals(pidfd, master);
    if (p[0].revents || p[1].revents) ended = reap(pid, &status);
  }
  for (int i = 0; i < count; i++) {
    if (copies[i].from != STDIN_FILENO) drain(&copies[i]); /* what is typed from now on is for someone else */
  }
  return status;
}

/* supervise({ pid, pidfd, master, copies: [[from, to, closeTo], …] }) → wait status, or -errno. */
napi_value sys_supervise(napi_env env, napi_callback_info info) {
  static struct copy copies[MAX_COPIES];
  napi_value options, list, entry, out;
  size_t argc = 1;
  uint32_t count = 0;
  struct sigaction before[NSIG], action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  struct termios cooked, raw;
  napi_get_cb_info(env, info, &argc, &options, NULL, NULL);
  int pid = (int)int_property(env, options, "pid", -1), pidfd = (int)int_property(env, options, "pidfd", -1);
  int master = (int)int_property(env, options, "master", -1);
  napi_get_named_property(env, options, "copies", &list);
  if (pid <= 0 || napi_get_array_length(env, list, &count) != napi_ok || count > MAX_COPIES) return fail(env, "supervise: options");
  for (uint32_t i = 0; i < count; i++) {
    int triple[3];
    if (napi_get_element(env, list, i, &entry) != napi_ok || int_array(env, entry, triple, 3) != 3) return fail(env, "supervise: copies");
    copies[i].from = triple[0], copies[i].to = triple[1], copies[i].close_to = triple[2];
    copies[i].at = copies[i].length = 0;
  }
  if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0) return fail(env, "supervise: pipe");
  for (int sig = 1; sig < NSIG; sig++) {
    if (forwarded(sig)) sigaction(sig, &action, &before[sig]);
  }
  bool terminal = master >= 0 && tcgetattr(STDIN_FILENO, &cooked) == 0;
  if (terminal) {
    raw = cooked;
    cfmakeraw(&raw);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    resize(master);
  }
  int status = run(pid, pidfd, master, copies, (int)count);
  if (terminal) tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
  for (int sig = 1; sig < NSIG; sig++) {
    if (forwarded(sig)) sigaction(sig, &before[sig], NULL);
  }
  close(signal_pipe[0]);
  close(signal_pipe[1]);
  napi_create_int32(env, status, &out);
  return out;
}
