/*
 * Mounts, by the descriptor-based interface (fsopen, open_tree, move_mount, mount_setattr): a mount is made unattached,
 * given its final attributes, and only then attached to a target that was resolved inside the root. There is no moment
 * at which it is visible with weaker flags, and no path that could be swapped.
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

static int set_attr(int fd, const char *path, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation, int userns) {
  struct mount_attr attr = {.attr_set = set, .attr_clr = clear, .propagation = propagation};
  if (userns >= 0) {
    attr.attr_set |= MOUNT_ATTR_IDMAP;
    attr.userns_fd = (uint64_t)userns;
  }
  return syscall(SYS_mount_setattr, fd, path, flags, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int op_propagation(struct state *s, const struct arg *a) {
  (void)s;
  return mount(NULL, a[0].s, NULL, (unsigned long)a[1].u, NULL) < 0 ? -errno : 0;
}

/* Our copy of the mount that holds the rootfs must not propagate what we mount below it: walk up to its mount point. */
int op_parent_private(struct state *s, const struct arg *a) {
  (void)s;
  char path[PATH_SIZE];
  if (a[0].length >= sizeof(path)) return -ENAMETOOLONG;
  strcpy(path, a[0].s);
  for (;;) {
    if (mount(NULL, *path ? path : "/", NULL, MS_PRIVATE, NULL) == 0) return 0;
    if (errno != EINVAL || !*path) return -errno;
    char *slash = strrchr(path, '/');
    if (!slash) return -EINVAL;
    *slash = 0;
  }
}

int op_open_root(struct state *s, const struct arg *a) {
  int fd = (int)syscall(SYS_open_tree, AT_FDCWD, a[0].s, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
  if (fd < 0) return -errno;
  if (syscall(SYS_move_mount, fd, "", AT_FDCWD, a[0].s, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
    int error = -errno;
    close(fd);
    return error;
  }
  return keep_fd(&s->root, fd);
}

/* What the file system itself says about a refused parameter stands in the log of its context, as "e text". */
static int fs_failure(struct state *s, int fs, const char *parameter) {
  int error = -errno;
  char log[256];
  ssize_t n = read(fs, log, sizeof(log) - 1);
  if (n > 0) {
    while (n > 0 && log[n - 1] == '\n') n--;
    log[n] = 0;
    return fail_with(s, error, "%s", n > 2 && log[1] == ' ' ? log + 2 : log);
  }
  return parameter ? fail_with(s, error, "parameter \"%s\"", parameter) : error;
}

static int set_parameter(int fs, const char *parameter) {
  const char *equals = strchr(parameter, '=');
  char key[256];
  if (!equals) return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, parameter, NULL, 0);
  if ((size_t)(equals - parameter) >= sizeof(key)) {
    errno = EINVAL;
    return -1;
  }
  memcpy(key, parameter, (size_t)(equals - parameter));
  key[equals - parameter] = 0;
  return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, equals + 1, 0);
}

/* A tmpfs without a mode of its own takes that of the directory it will cover. */
static int inherit_mode(struct state *s, int fs, const char *path) {
  struct stat st;
  char mode[16];
  int covered = resolve(s, path, O_PATH | O_DIRECTORY, 0);
  if (covered < 0) return covered == -ENOENT ? 0 : covered;
  int r = fstat(covered, &st) < 0 ? -errno : 0;
  close(covered);
  snprintf(mode, sizeof(mode), "mode=%o", st.st_mode & 07777);
  return r ? r : set_parameter(fs, mode) < 0 ? fs_failure(s, fs, mode) : 0;
}

/* A user namespace may not make a sysfs of a network namespace that it does not own: it may see the one that it has. */
static int host_sysfs(struct state *s, uint64_t attributes) {
  int r = keep_fd(&s->mount, (int)syscall(SYS_open_tree, AT_FDCWD, "/sys", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  return r ? r : set_attr(s->mount, "", AT_EMPTY_PATH | AT_RECURSIVE, attributes, 0, 0, -1);
}

int op_new_fs(struct state *s, const struct arg *a) {
  int fs = (int)syscall(SYS_fsopen, a[0].s, FSOPEN_CLOEXEC), r = 0;
  if (fs < 0 && errno == EPERM && (a[4].u & 1)) return host_sysfs(s, a[3].u);
  if (fs < 0) return errno == ENODEV ? fail_with(s, -ENODEV, "unknown file system type \"%s\"", a[0].s) : -errno;
  if (a[1].length && syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", a[1].s, 0) < 0) r = fs_failure(s, fs, "source");
  for (uint32_t i = 0; !r && i < a[2].length; i++) {
    if (set_parameter(fs, a[2].list[i]) < 0) r = fs_failure(s, fs, a[2].list[i]);
  }
  if (!r && a[5].length) r = inherit_mode(s, fs, a[5].s);
  if (!r && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) r = fs_failure(s, fs, NULL);
  int fd = r ? -1 : (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, (unsigned)a[3].u);
  if (!r && fd < 0) r = fs_failure(s, fs, NULL);
  close(fs);
  return r ? r : keep_fd(&s->mount, fd);
}

int op_clone_tree(struct state *s, const struct arg *a) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (a[1].u & 1 ? AT_RECURSIVE : 0) | (a[1].u & 2 ? AT_SYMLINK_NOFOLLOW : 0);
  return keep_fd(&s->mount, (int)syscall(SYS_open_tree, AT_FDCWD, a[0].s, flags));
}

static int clone_fd(int fd, unsigned flags) {
  int copy = (int)syscall(SYS_open_tree, fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | flags);
  return copy < 0 ? -errno : copy;
}

int op_clone_null(struct state *s, const struct arg *a) {
  (void)a;
  int fd = open_null(s);
  if (fd < 0) return fd;
  fd = clone_fd(fd, 0);
  return fd < 0 ? fd : keep_fd(&s->mount, fd);
}

/* EPERM: a flag is locked by an outer user namespace. Then only what was asked for by name is cleared. */
int op_mount_attr(struct state *s, const struct arg *a) {
  unsigned flags = AT_EMPTY_PATH | (a[0].u ? AT_RECURSIVE : 0);
  int r = set_attr(s->mount, "", flags, a[1].u, a[2].u, a[3].u, -1);
  return r == -EPERM && a[2].u != a[4].u ? set_attr(s->mount, "", flags, a[1].u, a[4].u, a[3].u, -1) : r;
}

int op_idmap_ns(struct state *s, const struct arg *a) {
  int fd = open(a[0].s, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int r = set_attr(s->mount, "", AT_EMPTY_PATH | (a[1].u ? AT_RECURSIVE : 0), 0, 0, 0, fd);
  close(fd);
  return r;
}

/* The pid is that of our own pid namespace, so is the procfs it is looked up in. */
static int write_map(int proc, pid_t pid, const char *file, const char *map) {
  char path[32];
  snprintf(path, sizeof(path), "%d/%s", pid, file);
  int fd = openat(proc, path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int r = write(fd, map, strlen(map)) < 0 ? -errno : 0;
  close(fd);
  return r;
}

static int own_mapping(struct state *s, pid_t pid, const char *uids, const char *gids) {
  char path[32];
  int proc = proc_handle(s);
  int r = proc < 0 ? proc : write_map(proc, pid, "uid_map", uids);
  if (!r) r = write_map(proc, pid, "gid_map", gids);
  if (r) return r;
  snprintf(path, sizeof(path), "%d/ns/user", pid);
  int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

/* An id-mapped mount is described by a user namespace: a child lives just long enough to own one with these maps. */
int op_idmap(struct state *s, const struct arg *a) {
  pid_t parent = getpid(), pid = clone_process(CLONE_NEWUSER, -1);
  if (pid < 0) return -errno;
  if (pid == 0) {
    /* If we are killed meanwhile, nobody else knows of it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent) _exit(1);
    for (;;) pause();
  }
  int fd = own_mapping(s, pid, a[0].s, a[1].s);
  int r = fd < 0 ? fd : set_attr(s->mount, "", AT_EMPTY_PATH | (a[2].u ? AT_RECURSIVE : 0), 0, 0, 0, fd);
  if (fd >= 0) close(fd);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  return r;
}

enum attach_flag { REAL_DIRECTORY = 1, ON_PROC_FILE = 2, NO_FOLLOW = 4 };

/* The rules of what may be mounted on /proc, decided on the opened target, after every symlink (CVE-2019-16884). */
static int check_target(struct state *s, int target, uint64_t flags) {
  struct statfs fs, mounted;
  struct stat st, root;
  if (fstatfs(target, &fs) < 0 || fstat(target, &st) < 0 || fstat(s->root, &root) < 0) return -errno;
  if (st.st_dev == root.st_dev && st.st_ino == root.st_ino) return fail_with(s, -EINVAL, "nothing can be mounted on the root itself");
  if (fs.f_type != PROC_SUPER_MAGIC) return 0;
  bool is_proc = fstatfs(s->mount, &mounted) == 0 && mounted.f_type == PROC_SUPER_MAGIC;
  if (st.st_ino == 1 && is_proc) return 0;
  if ((flags & ON_PROC_FILE) && !S_ISDIR(st.st_mode)) return 0;
  return fail_with(s, -EPERM, "cannot be mounted because it is inside /proc");
}

int op_attach(struct state *s, const struct arg *a) {
  struct stat st;
  bool directory = a[1].u == 1;
  if (a[1].u == 0) {
    if (fstat(s->mount, &st) < 0) return -errno;
    directory = S_ISDIR(st.st_mode);
  }
  if (a[3].u & NO_FOLLOW) {
    int plain = resolve(s, a[0].s, O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);
    if (plain == -ELOOP || (plain >= 0 && fstat(plain, &st) == 0 && S_ISLNK(st.st_mode))) {
      if (plain >= 0) close(plain);
      return fail_with(s, -ELOOP, "the destination is or goes through a symbolic link");
    }
    if (plain >= 0) close(plain);
  }
  int target = make_target(s, a[0].s, directory, (mode_t)a[2].u);
  if (target < 0) return target;
  int r = 0;
  if (a[3].u & REAL_DIRECTORY) {
    /* Exactly what was proven to be a directory is mounted on: the path may lead elsewhere by the next time. */
    int plain = resolve(s, a[0].s, O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);
    if (plain < 0 || fstat(plain, &st) < 0 || !S_ISDIR(st.st_mode)) r = fail_with(s, -ENOTDIR, "must be mounted on ordinary directory");
    if (plain >= 0) keep_fd(&target, plain);
  }
  if (!r) r = check_target(s, target, a[3].u);
  if (!r && syscall(SYS_move_mount, s->mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) r = -errno;
  close(target);
  return r;
}

int op_remount(struct state *s, const struct arg *a) {
  int target = resolve(s, a[0].s, O_PATH, 0);
  if (target < 0) return target;
  int r = 0;
  if (a[2].length) {
    int fs = (int)syscall(SYS_fspick, target, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
    if (fs < 0) r = -errno;
    for (uint32_t i = 0; !r && i < a[2].length; i++) {
      if (set_parameter(fs, a[2].list[i]) < 0) r = fs_failure(s, fs, a[2].list[i]);
    }
    if (!r && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0) r = fs_failure(s, fs, NULL);
    if (fs >= 0) close(fs);
  }
  if (!r && (a[1].u || a[3].u)) r = set_attr(target, "", AT_EMPTY_PATH, a[1].u, a[3].u, 0, -1);
  close(target);
  return r;
}

int op_late_readonly(struct state *s, const struct arg *a) {
  int target = resolve(s, a[0].s, O_PATH, 0);
  if (target < 0) return target;
  int r = set_attr(target, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0, 0, -1);
  close(target);
  return r;
}

int op_readonly_path(struct state *s, const struct arg *a) {
  int target = resolve(s, a[0].s, O_PATH, 0);
  if (target < 0) return target;
  int copy = clone_fd(target, AT_RECURSIVE);
  int r = copy < 0 ? copy : set_attr(copy, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0, 0, -1);
  if (!r && syscall(SYS_move_mount, copy, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) r = -errno;
  if (copy >= 0) close(copy);
  close(target);
  return r;
}

/* One empty read-only tmpfs serves every masked directory: a fresh one for each would cost a superblock each. */
static int empty_directory(struct state *s) {
  for (int inodes = 1; s->empty < 0 && inodes <= 2; inodes++) {
    int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0) return -errno;
    bool ok = set_parameter(fs, "nr_blocks=1") == 0 && set_parameter(fs, inodes == 1 ? "nr_inodes=1" : "nr_inodes=2") == 0 &&
              set_parameter(fs, "ro") == 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0;
    if (ok) s->empty = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
    int error = errno;
    close(fs);
    if (s->empty < 0 && inodes == 2) return -error;
  }
  return s->empty;
}

/*
 * A mount that covers: a copy of `cover`. Linux before 6.15 copies only what is mounted somewhere, so there the first use
 * of the empty directory takes the original, which from then on can be copied. *own is false then: it is not ours to close.
 */
static int copy_cover(struct state *s, int cover, bool *own) {
  int copy = clone_fd(cover, 0);
  *own = copy >= 0;
  return copy == -EINVAL && cover == s->empty ? cover : copy;
}

int op_mask_path(struct state *s, const struct arg *a) {
  bool own = false;
  struct stat st;
  int target = resolve(s, a[0].s, O_PATH, 0);
  if (target < 0) return target;
  int r = fstat(target, &st) < 0 ? -errno : 0;
  int cover = r ? r : S_ISDIR(st.st_mode) ? empty_directory(s) : open_null(s);
  int copy = cover < 0 ? cover : copy_cover(s, cover, &own);
  r = copy < 0 ? copy : 0;
  if (!r && syscall(SYS_move_mount, copy, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) r = -errno;
  if (own) close(copy);
  close(target);
  return r;
}

int op_cover(struct state *s, const struct arg *a) {
  if (umount2(a[0].s, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) return 0;
  bool own = false;
  int empty = empty_directory(s), copy = empty < 0 ? empty : copy_cover(s, empty, &own);
  if (copy < 0) return copy;
  int r = syscall(SYS_move_mount, copy, "", AT_FDCWD, a[0].s, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
  if (own) close(copy);
  return r;
}
