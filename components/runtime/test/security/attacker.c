/*
 * What an attacker does, one subcommand each.
 *   swap A B       exchanges two names, over and over, until it is killed (or its parent dies, or ten seconds are over)
 *   euid           prints the effective user id
 *   caps           prints the effective capabilities, in hexadecimal
 *   setgroups      tries to give up all supplementary groups; prints 0 or the errno
 *   peek PID       tries to look at a process: prints the errno of reading /proc/PID/exe, and of taking its descriptor 0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Noreturn void swap(const char *a, const char *b) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(10);
  puts("swapping");
  fflush(stdout);
  for (;;) syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2 /* RENAME_EXCHANGE */);
}

static int caps(void) {
  char line[256];
  FILE *status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof(line), status)) {
    if (strncmp(line, "CapEff:\t", 8) == 0) fputs(line + 8, stdout);
  }
  return 0;
}

static int peek(int pid) {
  char path[64], target[256];
  snprintf(path, sizeof(path), "/proc/%d/exe", pid);
  int link = readlink(path, target, sizeof(target)) < 0 ? errno : 0;
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  int taken = pidfd < 0 || syscall(SYS_pidfd_getfd, pidfd, 0, 0) < 0 ? errno : 0;
  printf("%d %d\n", link, taken);
  return 0;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "swap") == 0 && argc == 4) swap(argv[2], argv[3]);
  if (strcmp(what, "euid") == 0) return printf("%d\n", (int)geteuid()) < 0;
  if (strcmp(what, "caps") == 0) return caps();
  if (strcmp(what, "setgroups") == 0) return printf("%d\n", setgroups(0, NULL) < 0 ? errno : 0) < 0;
  if (strcmp(what, "peek") == 0 && argc == 3) return peek(atoi(argv[2]));
  return 2;
}
