/* PID 1 inside a container: runs one program, forwards signals to it, reaps whatever is left to it, ends as it ended. */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void forwardable(sigset_t *set) {
  static const int OWN[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU};
  sigfillset(set);
  for (size_t i = 0; i < sizeof(OWN) / sizeof(*OWN); i++) sigdelset(set, OWN[i]);
}

_Noreturn void reap_as_init(pid_t child) {
  sigset_t set;
  int status = 0;
  forwardable(&set);
  sigprocmask(SIG_SETMASK, &set, NULL);
  syscall(SYS_close_range, 3, ~0U, 0);
  for (bool ended = false; !ended;) {
    siginfo_t info;
    if (sigwaitinfo(&set, &info) < 0) continue;
    if (info.si_signo != SIGCHLD) {
      kill(child, info.si_signo);
      continue;
    }
    pid_t pid;
    int one;
    while ((pid = waitpid(-1, &one, WNOHANG)) > 0) {
      if (pid == child) status = one, ended = true;
    }
  }
  _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* init [--] PROGRAM [ARGUMENT…]: the same as a program of its own, as `docker-init` is used; --version for the engine's check. */
int mode_init(int argc, char **argv) {
  int first = 2;
  if (argc > first && strcmp(argv[first], "--version") == 0) {
    puts("tini version 0.19.0 (gantry)");
    return 0;
  }
  if (argc > first && strcmp(argv[first], "--") == 0) first++;
  if (argc <= first) {
    fputs("init: no program given\n", stderr);
    return 2;
  }
  sigset_t set, before;
  forwardable(&set);
  sigprocmask(SIG_SETMASK, &set, &before);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  pid_t pid = clone_process(0, -1);
  if (pid < 0) {
    fprintf(stderr, "init: fork: %s\n", strerror(errno));
    return 1;
  }
  if (pid > 0) reap_as_init(pid);
  sigprocmask(SIG_SETMASK, &before, NULL);
  setpgid(0, 0);
  int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (terminal >= 0) {
    pid_t group = getpid();
    signal(SIGTTOU, SIG_IGN);
    ioctl(terminal, TIOCSPGRP, &group);
    signal(SIGTTOU, SIG_DFL);
  }
  execvp(argv[first], argv + first);
  int error = errno;
  fprintf(stderr, "init: exec %s: %s\n", argv[first], strerror(error));
  _exit(error == ENOENT ? 127 : 126);
}
