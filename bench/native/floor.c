/*
 * The least that a container of the default bundle costs: the namespaces, mounts, devices, masks and root switch of that
 * bundle, made with nothing but the calls themselves, then the program, then its end. No cgroup, no capabilities, no
 * filter, no state: what a runtime takes longer than this is its own.
 *
 * usage: floor [-c NAME] ROOTFS PROGRAM [ARGUMENT]…   (-c: also makes, joins and removes a cgroup in every v1 hierarchy)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAFE = MS_NOSUID | MS_NOEXEC | MS_NODEV, MAX_HIERARCHIES = 32 };
#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static char hierarchies[MAX_HIERARCHIES][64];
static int hierarchy_count;

static void check(int result, const char *what) {
  if (result >= 0) return;
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  _exit(1);
}

static void mount_at(const char *path, const char *type, unsigned long flags, const char *data) {
  check(mount(type, path, type, flags, data), path);
}

/* Where a hierarchy is mounted: a named one without the "name=" of its option. */
static void cgroup_path(char *path, size_t size, const char *hierarchy, const char *name) {
  if (strncmp(hierarchy, "name=", 5) == 0) hierarchy += 5;
  snprintf(path, size, "/sys/fs/cgroup/%s/%s", hierarchy, name);
}

/* The v1 hierarchies that are mounted in their usual place. */
static void find_hierarchies(void) {
  char line[512], path[128], *names, *end;
  FILE *file = fopen("/proc/self/cgroup", "re");
  while (file && fgets(line, sizeof line, file) && hierarchy_count < MAX_HIERARCHIES) {
    names = strchr(line, ':') + 1;
    end = strchr(names, ':');
    if (end == names) continue;
    *end = 0;
    cgroup_path(path, sizeof path, names, "cgroup.procs");
    if (access(path, F_OK) != 0) continue;
    snprintf(hierarchies[hierarchy_count++], sizeof *hierarchies, "%.63s", names);
  }
  if (file) fclose(file);
}

static void make_mounts(void) {
  mount_at("proc", "proc", 0, NULL);
  mount_at("dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
  check(mkdir("dev/pts", 0755) | mkdir("dev/shm", 0755) | mkdir("dev/mqueue", 0755), "dev");
  mount_at("dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
  mount_at("dev/shm", "tmpfs", SAFE, "mode=1777,size=65536k");
  mount_at("dev/mqueue", "mqueue", SAFE, NULL);
  mount_at("sys", "sysfs", SAFE | MS_RDONLY, NULL);
  if (hierarchy_count == 0) {
    mount_at("sys/fs/cgroup", "cgroup2", SAFE | MS_RDONLY, NULL);
    return;
  }
  mount_at("sys/fs/cgroup", "tmpfs", SAFE, "mode=755");
  for (int i = 0; i < hierarchy_count; i++) {
    char path[128];
    cgroup_path(path, sizeof path, hierarchies[i], "");
    check(mkdir(path + 1, 0755), path);
    check(mount("cgroup", path + 1, "cgroup", SAFE | MS_RDONLY, hierarchies[i]), path);
  }
  check(mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | SAFE | MS_RDONLY, NULL), "cgroup");
}

static void make_devices(void) {
  static const struct { const char *path; int major, minor; } NODES[] = {
      {"dev/null", 1, 3}, {"dev/zero", 1, 5}, {"dev/full", 1, 7}, {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
  static const char *const LINKS[][2] = {{"/proc/self/fd", "dev/fd"}, {"/proc/self/fd/0", "dev/stdin"},
      {"/proc/self/fd/1", "dev/stdout"}, {"/proc/self/fd/2", "dev/stderr"}, {"pts/ptmx", "dev/ptmx"}};
  umask(0);
  for (size_t i = 0; i < COUNT(NODES); i++) check(mknod(NODES[i].path, S_IFCHR | 0666, makedev(NODES[i].major, NODES[i].minor)), "mknod");
  for (size_t i = 0; i < COUNT(LINKS); i++) check(symlink(LINKS[i][0], LINKS[i][1]), "symlink");
  umask(022);
}

static void hide_paths(void) {
  static const char *const MASKED[] = {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
      "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"};
  static const char *const READONLY[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  for (size_t i = 0; i < COUNT(MASKED); i++) {
    if (mount("/dev/null", MASKED[i], NULL, MS_BIND, NULL) == 0 || errno == ENOENT) continue;
    check(mount("tmpfs", MASKED[i], "tmpfs", MS_RDONLY, NULL), MASKED[i]);
  }
  for (size_t i = 0; i < COUNT(READONLY); i++) {
    if (mount(READONLY[i], READONLY[i], NULL, MS_BIND | MS_REC, NULL) != 0) continue;
    check(mount(NULL, READONLY[i], NULL, MS_REMOUNT | MS_BIND | SAFE | MS_RDONLY, NULL), READONLY[i]);
  }
}

static void contain(const char *rootfs, char **argv) {
  check(mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL), "propagation");
  check(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL), rootfs);
  check(chdir(rootfs), rootfs);
  make_mounts();
  make_devices();
  check((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
  check(umount2(".", MNT_DETACH), "umount");
  check(chdir("/"), "/");
  check(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "/");
  hide_paths();
  check(sethostname("floor", 5), "hostname");
  check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
  setsid();
  execv(argv[0], argv);
  check(-1, argv[0]);
}

static void make_cgroups(const char *name, int *tasks) {
  char path[256];
  for (int i = 0; i < hierarchy_count; i++) {
    cgroup_path(path, sizeof path, hierarchies[i], name);
    check(mkdir(path, 0755), path);
    strncat(path, "/tasks", sizeof path - strlen(path) - 1);
    if (strcmp(hierarchies[i], "cpuset") == 0) continue; // wants its cpus and mems first: not the least any more
    check(*tasks++ = open(path, O_WRONLY | O_CLOEXEC), path);
  }
}

/*
 * A thread that moves itself, by writing 0 to `tasks`, needs no lock on all forks and exits of the machine, as writing a
 * pid to cgroup.procs does; taking that lock costs a grace period of RCU, often 5 ms.
 */
static void join_cgroups(const int *tasks) {
  while (*tasks >= 0) check((int)write(*tasks++, "0", 1), "tasks");
}

static void remove_cgroups(const char *name) {
  char path[256];
  for (int i = 0; i < hierarchy_count; i++) {
    cgroup_path(path, sizeof path, hierarchies[i], name);
    check(rmdir(path), path);
  }
}

int main(int argc, char **argv) {
  const char *cgroup = NULL;
  int status, tasks[MAX_HIERARCHIES + 1];
  memset(tasks, -1, sizeof tasks);
  if (argc > 3 && strcmp(argv[1], "-c") == 0) {
    cgroup = argv[2];
    argv += 2;
    argc -= 2;
  }
  if (argc < 3) return 2;
  find_hierarchies();
  if (cgroup) make_cgroups(cgroup, tasks);
  unsigned long flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
  pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
  check(pid, "clone");
  if (pid == 0) {
    join_cgroups(tasks);
    contain(argv[1], argv + 2);
  }
  check(waitpid(pid, &status, 0), "waitpid");
  if (cgroup) remove_cgroups(cgroup);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
