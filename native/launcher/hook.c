/* Hooks in the container's namespaces, and the wait for `start`. */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The state document on stdin, with the pid that nobody knew when the plan was made, ended by EOF. */
static int state_file(struct state *s, const struct arg *before, const struct arg *after) {
  char pid[24];
  int fd = memfd_create("state", MFD_CLOEXEC), n = snprintf(pid, sizeof(pid), "%d", s->host_pid);
  if (fd < 0) return -errno;
  if (write(fd, before->s, before->length) < 0 || write(fd, pid, (size_t)n) < 0 || write(fd, after->s, after->length) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
    int error = -errno;
    close(fd);
    return error;
  }
  return fd;
}

static _Noreturn void hook_child(const struct arg *a, int in, int out) {
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) _exit(126);
  syscall(SYS_close_range, 3, ~0U, 4u /* CLOSE_RANGE_CLOEXEC */); /* descriptors preserved for the program are not the hook's */
  execve(a[0].s, a[1].list, a[2].list);
  dprintf(2, "%s", strerror(errno));
  _exit(127);
}

static int wait_hook(struct state *s, pid_t pid, int pidfd, int timeout_ms) {
  struct pollfd p = {.fd = pidfd, .events = POLLIN};
  int status, n;
  do n = poll(&p, 1, timeout_ms);
  while (n < 0 && errno == EINTR);
  if (n == 0) kill(pid, SIGKILL);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (n == 0) return fail_with(s, -ETIMEDOUT, "hook ran past specified timeout of %d.%ds", timeout_ms / 1000, timeout_ms % 1000 / 100);
  if (WIFSIGNALED(status)) return fail_with(s, -ECANCELED, "signal: %s", strsignal(WTERMSIG(status)));
  return WEXITSTATUS(status) ? fail_with(s, -ECANCELED, "exit status %d", WEXITSTATUS(status)) : 0;
}

int op_hook(struct state *s, const struct arg *a) {
  int in = state_file(s, &a[3], &a[4]), pidfd = -1;
  if (in < 0) return in;
  int out = memfd_create("hook", MFD_CLOEXEC);
  if (out < 0) {
    int error = -errno;
    close(in);
    return error;
  }
  struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD};
  pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
  if (pid < 0) {
    int error = -errno;
    close(in), close(out);
    return error;
  }
  if (pid == 0) hook_child(a, in, out);
  int r = wait_hook(s, pid, pidfd, a[5].u ? (int)a[5].u : -1);
  size_t used = strlen(s->detail);
  char said[400];
  ssize_t n = pread(out, said, sizeof(said) - 1, 0);
  while (n > 0 && said[n - 1] == '\n') n--;
  if (r && n > 0) snprintf(s->detail + used, sizeof(s->detail) - used, ", stdout: , stderr: %.*s", (int)n, said);
  close(in), close(out), close(pidfd);
  return r;
}

/* `start` writes one byte. Reading needs no path, so nothing in the container can stand in the way. */
int op_fifo_wait(struct state *s, const struct arg *a) {
  (void)a;
  char byte;
  ssize_t n;
  close(s->control);
  s->control = -1;
  do n = read(s->fifo, &byte, 1);
  while (n < 0 && errno == EINTR);
  return n == 1 ? 0 : n < 0 ? -errno : -EPIPE;
}
