/*
 * PID 1 inside a container: runs one program, forwards signals to it, reaps whatever is left to it, ends as it ended.
 * Seen from outside it is tini: the same options, environment variables and exit codes.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct init {
  bool group;             /* signals go to the whole process group of the program */
  bool reports_reaping;
  uint8_t expected[256];  /* exit codes that are told as 0 */
  int parent_death_signal;
};

/* Everything but what the kernel sends for faults of our own, and the two by which a terminal stops a background reader. */
static void forwardable(sigset_t *set) {
  static const int OWN[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU};
  sigfillset(set);
  for (size_t i = 0; i < sizeof(OWN) / sizeof(*OWN); i++) sigdelset(set, OWN[i]);
}

/* Blocked before the fork, so that a signal in between is neither lost nor deadly, and only then waited for. */
static void block_signals(sigset_t *before) {
  sigset_t set;
  forwardable(&set);
  sigprocmask(SIG_SETMASK, &set, before);
  signal(SIGTTIN, SIG_IGN);
  signal(SIGTTOU, SIG_IGN);
}

/* The program gets a process group of its own and, if there is a terminal, its foreground: Ctrl-C is for it, not for us. */
static void become_program(const sigset_t *before) {
  setpgid(0, 0);
  tcsetpgrp(STDIN_FILENO, getpgrp()); /* fails without a controlling terminal: nothing to do then */
  signal(SIGTTIN, SIG_DFL);
  signal(SIGTTOU, SIG_DFL);
  sigprocmask(SIG_SETMASK, before, NULL);
}

/* Waits for one child. Without `block` returns false when none has ended; true with the status once `child` has. */
static bool reap(const struct init *init, pid_t child, bool block, int *status) {
  for (;;) {
    int one;
    pid_t pid = waitpid(-1, &one, block ? 0 : WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return pid < 0; /* no child left at all: then it is not there either */
    if (pid == child) {
      *status = one;
      return true;
    }
    if (init->reports_reaping) fprintf(stderr, "init: reaped process %d\n", pid);
  }
}

static _Noreturn void reap_as_init(const struct init *init, pid_t child) {
  sigset_t set;
  siginfo_t info;
  int status = 0;
  forwardable(&set);
  for (bool ended = false; !ended;) {
    if (sigwaitinfo(&set, &info) < 0) {
      /* A seccomp filter may refuse the call: then at least reap, rather than ask again for ever. */
      if (errno != EINTR) ended = reap(init, child, true, &status);
    } else if (info.si_signo == SIGCHLD) {
      ended = reap(init, child, false, &status);
    } else {
      kill(init->group ? -child : child, info.si_signo);
    }
  }
  int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  _exit(init->expected[code & 0xff] ? 0 : code);
}

/* The rest of the plan happens in the child: only the program itself is missing by now. */
int op_init(struct state *s, const struct arg *a) {
  static const struct init PLAIN;
  sigset_t before;
  (void)a;
  block_signals(&before);
  pid_t pid = clone_process(0, -1);
  if (pid < 0) return -errno;
  if (pid == 0) {
    become_program(&before);
    return 0;
  }
  prctl(PR_SET_NAME, "gantry-init", 0, 0, 0); /* for ps(1) */
  /* One by one as well: the filter may know close but not close_range, and others wait for the end of the first two. */
  if (s->control >= 0) close(s->control);
  if (s->shim >= 0) close(s->shim);
  syscall(SYS_close_range, 3, ~0U, 0);
  reap_as_init(&PLAIN, pid);
}

static int parse_signal(const char *text) {
  static const struct {
    const char *name;
    int number;
  } NAMES[] = {{"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"KILL", SIGKILL}, {"USR1", SIGUSR1},
               {"USR2", SIGUSR2}, {"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"CONT", SIGCONT}, {"PWR", SIGPWR}};
  if (strncmp(text, "SIG", 3) == 0) text += 3;
  for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++) {
    if (strcmp(text, NAMES[i].name) == 0) return NAMES[i].number;
  }
  return isdigit((unsigned char)*text) ? atoi(text) : -1;
}

static int parse_code(const char *text) {
  char *end;
  long code = strtol(text, &end, 10);
  return *text && !*end && code >= 0 && code <= 255 ? (int)code : -1;
}

static const char USAGE[] =
    "usage: init [-s] [-g] [-v] [-w] [-p SIGNAL] [-e CODE]... [--] PROGRAM [ARGUMENT...]\n"
    "  -s         adopt orphans even when not PID 1 (always done)\n"
    "  -g         forward signals to the program's whole process group\n"
    "  -p SIGNAL  get this signal when our parent ends\n"
    "  -e CODE    tell this exit code as 0\n"
    "  -w, -v     say which processes are reaped; more words\n";

/* Returns the index of the program, or -1 after `status` was set. */
static int parse_options(struct init *init, int argc, char **argv, int *status) {
  int option;
  *status = 0;
  if (argc == 2 && strcmp(argv[1], "--version") == 0) {
    puts("tini version 0.19.0 - git.gantry"); /* the shape that the engine looks for */
    return -1;
  }
  while ((option = getopt(argc, argv, "+hvwgsp:e:")) >= 0) {
    int value = option == 'p' ? parse_signal(optarg) : option == 'e' ? parse_code(optarg) : 0;
    if (option == 'h') {
      fputs(USAGE, stdout);
      return -1;
    }
    if (option == 'g') init->group = true;
    if (option == 'w') init->reports_reaping = true;
    if (option == 'p') init->parent_death_signal = value;
    if (option == 'e' && value >= 0) init->expected[value] = 1;
    if (option == '?' || value < 0) break;
  }
  if (option < 0 && optind < argc) return optind;
  fputs(option < 0 ? "init: no program given\n" : "init: option not understood\n", stderr);
  fputs(USAGE, stderr);
  *status = 1;
  return -1;
}

/* init [OPTION…] [--] PROGRAM [ARGUMENT…]: a program of its own, as `docker-init` is used. */
int mode_init(int argc, char **argv) {
  static struct init init;
  sigset_t before;
  int status, first = parse_options(&init, argc, argv, &status);
  if (first < 0) return status;
  if (getenv("TINI_KILL_PROCESS_GROUP")) init.group = true;
  if (init.parent_death_signal && prctl(PR_SET_PDEATHSIG, init.parent_death_signal, 0, 0, 0) < 0) {
    fprintf(stderr, "init: signal %d cannot announce the parent's end: %s\n", init.parent_death_signal, strerror(errno));
    return 1;
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  block_signals(&before);
  pid_t pid = clone_process(0, -1);
  if (pid < 0) {
    fprintf(stderr, "init: fork: %s\n", strerror(errno));
    return 1;
  }
  if (pid > 0) reap_as_init(&init, pid);
  become_program(&before);
  execvp(argv[first], argv + first);
  int error = errno;
  fprintf(stderr, "init: exec %s: %s\n", argv[first], strerror(error));
  _exit(error == ENOENT ? 127 : error == EACCES ? 126 : 1);
}
