/*
 * Installs a filter and shows what the kernel makes of it.
 *   probe FILTER FLAGS CALL...    CALL is abi:nr[,arg...], abi one of x64, i386
 * For each call, in a child of its own: installs the array of struct sock_filter in the file FILTER with FLAGS, makes
 * the call, and prints "RESULT ERRNO SIGNAL", each decimal. With no CALL: prints what installing returned instead.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct outcome {
  long result;
  long error;
};

static long install(const char *path, unsigned long flags) {
  static struct sock_filter code[BPF_MAXINSNS];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t bytes = read(fd, code, sizeof code);
  struct sock_fprog program = {.len = (unsigned short)(bytes / (ssize_t)sizeof code[0]), .filter = code};
  close(fd);
  if (bytes <= 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  if (flags == 0) return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

#if defined(__x86_64__)
static long call_i386(const long args[7]) {
  long result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(args[0]), "b"(args[1]), "c"(args[2]), "d"(args[3]), "S"(args[4]), "D"(args[5])
                   : "memory", "r8", "r9", "r10", "r11");
  return result;
}
#else
static long call_i386(const long args[7]) {
  (void)args;
  return -ENOSYS;
}
#endif

/* Writes to shared memory: after the filter, any other way out may be closed. */
static void make(const char *call, const char *filter, unsigned long flags, struct outcome *out) {
  int is_i386 = strncmp(call, "i386:", 5) == 0;
  long args[7] = {0};
  char *at = strchr(call, ':');
  for (int i = 0; i < 7 && at; i++, at = strchr(at + 1, ',')) args[i] = (long)strtoul(at + 1, NULL, 0);
  if (install(filter, flags) < 0) _exit(99);
  long result = is_i386 ? call_i386(args) : syscall(args[0], args[1], args[2], args[3], args[4], args[5], args[6]);
  out->error = is_i386 ? (result < 0 && result > -4096 ? -result : 0) : (result == -1 ? errno : 0);
  out->result = result;
  syscall(SYS_exit_group, 0);
  __builtin_trap();
}

int main(int argc, char **argv) {
  struct outcome *out = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct rlimit none = {0, 0};
  if (argc < 3 || out == MAP_FAILED) return 2;
  setrlimit(RLIMIT_CORE, &none);
  unsigned long flags = strtoul(argv[2], NULL, 0);
  if (argc == 3) {
    long result = install(argv[1], flags);
    printf("%ld\n", result < 0 ? -errno : result);
    return 0;
  }
  for (int i = 3; i < argc; i++) {
    int status = 0;
    *out = (struct outcome){-1, 0};
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) make(argv[i], argv[1], flags, out);
    if (child < 0 || waitpid(child, &status, 0) != child) return 2;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 99) return 99;
    printf("%ld %ld %d\n", out->result, out->error, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  }
  return 0;
}
