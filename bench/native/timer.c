/*
 * Runs commands and measures them from outside: spawn to reaped, on the monotonic clock.
 *
 * A request is one line: arguments separated by 0x1f. The first is a folder of cgroups that the command joins before it
 * starts ("" for none), several separated by ':'. An answer is one line: nanoseconds, wait status, peak resident
 * kilobytes of the command and of what it waited for, microseconds of CPU. Standard error goes to the file argv[1].
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGS = 256 };

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Runs in the child, which shares our memory until it execs: nothing here may change what the parent uses. */
static void join_cgroups(const char *list) {
  while (*list) {
    char path[4096];
    size_t length = strcspn(list, ":");
    snprintf(path, sizeof path, "%.*s/cgroup.procs", (int)length, list);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) _exit(126);
    close(fd);
    list += length + (list[length] == ':');
  }
}

static void measure(char *cgroups, char **argv, int null, int errors) {
  struct rusage usage;
  int status;
  if (ftruncate(errors, 0) != 0) exit(1);
  long long start = now();
  pid_t pid = vfork();
  if (pid == 0) {
    dup2(null, 0);
    dup2(null, 1);
    dup2(errors, 2);
    join_cgroups(cgroups);
    execvp(argv[0], argv);
    _exit(127);
  }
  if (pid < 0 || wait4(pid, &status, 0, &usage) != pid) exit(1);
  long long end = now();
  long long cpu = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000ll + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  printf("%lld %d %ld %lld\n", end - start, status, usage.ru_maxrss, cpu);
  fflush(stdout);
}

int main(int argc, char **argv) {
  char *line = NULL;
  size_t size = 0;
  ssize_t length;
  if (argc != 2) return 2;
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  int errors = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  if (null < 0 || errors < 0) return 1;
  while ((length = getline(&line, &size, stdin)) > 0) {
    char *args[MAX_ARGS + 1], *rest = line;
    int count = 0;
    if (line[length - 1] == '\n') line[length - 1] = 0;
    for (char *word; count < MAX_ARGS && (word = strsep(&rest, "\x1f"));) args[count++] = word;
    args[count] = NULL;
    if (count < 2) return 2;
    measure(args[0], args + 1, null, errors);
  }
  return 0;
}
