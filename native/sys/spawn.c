/*
 * Starts the launcher. The launcher travels inside the addon as bytes and runs from a sealed memfd, so no process in a
 * container ever has a file of the host as its /proc/self/exe (CVE-2019-5736).
 */
#define _GNU_SOURCE
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

extern const char launcher_start[], launcher_end[];
__asm__(".section .rodata\n.balign 16\n.global launcher_start\n.hidden launcher_start\nlauncher_start:\n.incbin \"" LAUNCHER_PATH
        "\"\n.global launcher_end\n.hidden launcher_end\nlauncher_end:\n.byte 0\n.previous\n");

enum { MAX_FDS = 1024, STACK_SIZE = 64 * 1024 };

/* launcher() → fd of a sealed, executable memfd (or -errno). */
napi_value sys_launcher(napi_env env, napi_callback_info info) {
  (void)info;
  static const int SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  napi_value out;
  const char *at = launcher_start;
  int fd = memfd_create("runc_cloned:/proc/self/exe", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (fd < 0 && errno == EINVAL) fd = memfd_create("runc_cloned:/proc/self/exe", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  int result = fd < 0 ? -errno : fd;
  while (result >= 0 && at < launcher_end) {
    ssize_t n = write(fd, at, (size_t)(launcher_end - at));
    if (n < 0 && errno != EINTR) result = -errno;
    if (n > 0) at += n;
  }
  if (result >= 0 && fchmod(fd, 0500) < 0) result = -errno;
  if (result >= 0 && fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_EXEC) < 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0) result = -errno;
  if (result < 0 && fd >= 0) close(fd);
  napi_create_int32(env, result, &out);
  return out;
}

struct child {
  int exec_fd;
  char **argv, **envp;
  int fds[MAX_FDS];
  int count;
  int parent_death_signal;
  int error;
};

/* Runs on its own stack in the parent's memory until execveat: only async-signal-safe calls. */
static int child_main(void *data) {
  struct child *c = data;
  sigset_t none;
  struct sigaction ignore_default = {.sa_handler = SIG_DFL};
  for (int sig = 1; sig < NSIG; sig++) sigaction(sig, &ignore_default, NULL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (c->parent_death_signal) prctl(PR_SET_PDEATHSIG, c->parent_death_signal);
  /* Move every source out of the way of the targets first, then place them; dup2 clears CLOEXEC. */
  int floor = c->count;
  int exec_fd = fcntl(c->exec_fd, F_DUPFD_CLOEXEC, floor);
  if (exec_fd < 0) goto failed;
  for (int i = 0; i < c->count; i++) {
    if (c->fds[i] < 0 || c->fds[i] == i) continue;
    c->fds[i] = fcntl(c->fds[i], F_DUPFD_CLOEXEC, floor);
    if (c->fds[i] < 0) goto failed;
  }
  for (int i = 0; i < c->count; i++) {
    if (c->fds[i] < 0) close(i);
    else if (c->fds[i] == i) fcntl(i, F_SETFD, 0);
    else if (dup2(c->fds[i], i) < 0) goto failed;
  }
  syscall(SYS_close_range, floor, ~0U, 4u /* CLOSE_RANGE_CLOEXEC */);
  syscall(SYS_execveat, exec_fd, "", c->argv, c->envp, AT_EMPTY_PATH);
failed:
  c->error = errno ? errno : EIO;
  _exit(127);
}

/* spawn({ execFd, argv, env, fds, parentDeathSignal }) → pid, or -errno. Child fd i is the caller's fds[i]; -1 closes it. */
napi_value sys_spawn(napi_env env, napi_callback_info info) {
  napi_value options, value, out;
  size_t argc = 1;
  struct child c = {0};
  napi_get_cb_info(env, info, &argc, &options, NULL, NULL);
  c.exec_fd = (int)int_property(env, options, "execFd", -1);
  c.parent_death_signal = (int)int_property(env, options, "parentDeathSignal", 0);
  if (napi_get_named_property(env, options, "argv", &value) != napi_ok || !(c.argv = string_array(env, value))) return fail(env, "spawn: argv");
  if (napi_get_named_property(env, options, "env", &value) != napi_ok || !(c.envp = string_array(env, value))) {
    free(c.argv);
    return fail(env, "spawn: env");
  }
  napi_get_named_property(env, options, "fds", &value);
  c.count = int_array(env, value, c.fds, MAX_FDS);
  char *stack = c.count < 0 ? NULL : mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  int result = -EINVAL;
  if (stack && stack != MAP_FAILED) {
    /* No signal handler of ours may run in the child while it shares our memory. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int pid = clone(child_main, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, &c);
    result = pid < 0 ? -errno : c.error ? -c.error : pid;
    if (pid > 0 && c.error) waitpid(pid, NULL, 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, STACK_SIZE);
  }
  free(c.argv);
  free(c.envp);
  napi_create_int32(env, result, &out);
  return out;
}
