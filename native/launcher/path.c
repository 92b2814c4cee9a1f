/*
 * Paths of the container. The tree below the root may be rewritten by somebody else while we work, so a path is turned
 * into a descriptor exactly once, by openat2 with RESOLVE_IN_ROOT, and from then on only the descriptor is used
 * (CVE-2021-30465, CVE-2019-16884, CVE-2024-45310).
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { MAX_LINKS = 40, MAX_RETRIES = 64 };

static int openat2(int dir, const char *path, uint64_t flags, uint64_t how) {
  struct open_how request = {.flags = flags | O_CLOEXEC, .resolve = how};
  for (int attempt = 0;; attempt++) {
    int fd = (int)syscall(SYS_openat2, dir, path, &request, sizeof(request));
    /* EAGAIN: something on the way was renamed meanwhile and the kernel could not prove that we stayed inside. */
    if (fd >= 0 || errno != EAGAIN || attempt == MAX_RETRIES) return fd < 0 ? -errno : fd;
  }
}

/* Opens a path below the container's root. `how` adds RESOLVE_* flags. Returns an fd or -errno. */
int resolve(struct state *s, const char *path, uint64_t flags, uint64_t how) {
  return openat2(s->root, *path ? path : ".", flags, how | RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/* Splits a path, opens (or makes) its parent directory below the root, and copies the last component to `name`. */
int resolve_parent(struct state *s, const char *path, char name[256]) {
  char parent[PATH_SIZE];
  const char *slash = strrchr(path, '/');
  const char *last = slash ? slash + 1 : path;
  if (strlen(last) > 255 || *last == 0 || (size_t)(last - path) >= sizeof(parent)) return -EINVAL;
  memcpy(parent, path, (size_t)(last - path));
  parent[last - path] = 0;
  strcpy(name, last);
  return make_target(s, parent, true, 0755);
}

/* A component is missing: either it is a symlink to something missing (then the path changes), or it has to be made. */
static int make_component(int dir, const char *name, bool directory, mode_t mode, char *link, size_t size) {
  ssize_t n = readlinkat(dir, name, link, size - 1);
  if (n >= 0) {
    link[n] = 0;
    return 1;
  }
  link[0] = 0;
  if (errno == EINVAL) return 0; /* no symlink: somebody made it meanwhile, such as another container with the same rootfs */
  if (errno != ENOENT) return -errno;
  if (directory) {
    if (mkdirat(dir, name, mode) < 0 && errno != EEXIST) return -errno;
    return 0;
  }
  int fd = openat(dir, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0) return errno == EEXIST ? 0 : -errno;
  close(fd);
  return 0;
}

/* Replaces path[0, end) by what the symlink found there says, keeping what follows. */
static int splice_link(char *path, size_t start, size_t end, const char *link) {
  char result[PATH_SIZE];
  bool absolute = link[0] == '/';
  int n = snprintf(result, sizeof(result), "%.*s%s%s", absolute ? 0 : (int)start, path, link, path + end);
  if (n < 0 || (size_t)n >= sizeof(result)) return -ENAMETOOLONG;
  strcpy(path, result);
  return 0;
}

/*
 * Opens the target of a mount below the root (O_PATH), making missing directories, and the last component as directory
 * or empty file. Every mkdir acts on a directory descriptor that was verified to be inside.
 */
int make_target(struct state *s, const char *wanted, bool directory, mode_t mode) {
  char path[PATH_SIZE], link[PATH_SIZE];
  if (strlen(wanted) >= sizeof(path)) return -ENAMETOOLONG;
  int fd = resolve(s, wanted, O_PATH, 0);
  if (fd != -ENOENT) return fd;
  strcpy(path, wanted);
  for (int links = 0; links < MAX_LINKS;) {
    size_t start = 0;
    bool restart = false;
    int dir = resolve(s, ".", O_PATH | O_DIRECTORY, 0);
    while (dir >= 0 && !restart) {
      while (path[start] == '/') start++;
      size_t end = start + strcspn(path + start, "/");
      if (start == end) return dir; /* the path ended in slashes */
      bool last = path[end + strspn(path + end, "/")] == 0;
      char saved = path[end];
      path[end] = 0;
      int next = resolve(s, path, O_PATH, 0);
      int made = next == -ENOENT ? make_component(dir, path + start, directory || !last, mode, link, sizeof(link)) : 0;
      if (next == -ENOENT && made == 0) next = openat2(dir, path + start, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
      path[end] = saved;
      close(dir);
      if (made < 0) return made;
      if (made == 1) {
        int r = splice_link(path, start, end, link);
        if (r) return r;
        links++;
        restart = true;
      } else if (next < 0 || last) {
        return next;
      } else {
        dir = next;
        start = end;
      }
    }
    if (!restart) return dir;
  }
  return -ELOOP;
}

static bool is_null_device(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/* The host's /dev/null, proven to be the device 1:3: what covers masked files must not be something else (CVE-2025-31133). */
int open_null(struct state *s) {
  if (s->null_fd >= 0) return s->null_fd;
  int fd = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -errno;
  if (!is_null_device(fd)) {
    close(fd);
    return fail_with(s, -EPERM, "/dev/null is not the null device");
  }
  s->null_fd = fd;
  return fd;
}

static int mount_proc(void) {
  int fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
  if (fs < 0) return -errno;
  int r = syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
  int fd = r ? r : (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  if (fd < 0 && !r) fd = -errno;
  close(fs);
  return fd;
}

/*
 * A procfs that nobody else can mount over: one of our own, attached nowhere; where the kernel refuses (a user namespace
 * that sees only parts of /proc), the visible one, proven to be the root of a procfs (CVE-2025-52881).
 */
int proc_handle(struct state *s) {
  struct statfs fs;
  struct stat st;
  if (s->proc >= 0) return s->proc;
  int fd = mount_proc();
  if (fd < 0) {
    fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -errno;
    if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC || fstat(fd, &st) < 0 || st.st_ino != 1) {
      close(fd);
      return fail_with(s, -EPERM, "/proc is not a procfs");
    }
  }
  s->proc = fd;
  return fd;
}

int write_proc(struct state *s, const char *path, const char *text, size_t length) {
  int proc = proc_handle(s);
  if (proc < 0) return proc;
  int fd = openat2(proc, path, O_WRONLY, RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS);
  if (fd < 0) return fd;
  struct statfs fs;
  int r = fstatfs(fd, &fs) < 0 ? -errno : fs.f_type != PROC_SUPER_MAGIC ? -EPERM : 0;
  if (!r && write(fd, text, length) < 0) r = -errno;
  close(fd);
  return r;
}

int op_write_file(struct state *s, const struct arg *a) {
  if (a[2].u) return write_proc(s, a[0].s, a[1].s, a[1].length);
  int fd = open(a[0].s, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int r = write(fd, a[1].s, a[1].length) < 0 ? -errno : 0;
  close(fd);
  return r;
}

int op_sysctl(struct state *s, const struct arg *a) {
  char path[PATH_SIZE];
  if ((size_t)snprintf(path, sizeof(path), "sys/%s", a[0].s) >= sizeof(path)) return -ENAMETOOLONG;
  return write_proc(s, path, a[1].s, a[1].length);
}
