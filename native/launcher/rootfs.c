/* Device nodes, links, and the change of root. */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

int op_mkdir(struct state *s, const struct arg *a) {
  int fd = make_target(s, a[0].s, true, (mode_t)a[1].u);
  if (fd < 0) return fd;
  struct stat st;
  int r = fstat(fd, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
  close(fd);
  return r;
}

/* Owner and mode are set on the inode we hold, proven to be the node we made: the name may point elsewhere by now. */
static int own_node(int fd, mode_t mode, dev_t device, uid_t uid, gid_t gid) {
  struct stat st;
  char path[32];
  if (fstat(fd, &st) < 0) return -errno;
  if ((st.st_mode & S_IFMT) != (mode & S_IFMT)) return -EEXIST;
  if ((S_ISCHR(mode) || S_ISBLK(mode)) && st.st_rdev != device) return -EEXIST;
  if ((st.st_uid != uid || st.st_gid != gid) && fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0) return -errno;
  if ((st.st_mode & 07777) == (mode & 07777)) return 0;
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* the host's /proc: the root has not changed yet */
  return chmod(path, mode & 07777) < 0 ? -errno : 0;
}

int op_mknod(struct state *s, const struct arg *a) {
  char name[256];
  mode_t mode = (mode_t)a[1].u;
  int dir = resolve_parent(s, a[0].s, name);
  if (dir < 0) return dir;
  int r = mknodat(dir, name, mode, (dev_t)a[2].u) < 0 && errno != EEXIST ? -errno : 0;
  int fd = r ? r : openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (!r && fd < 0) r = -errno;
  if (!r) r = own_node(fd, mode, (dev_t)a[2].u, (uid_t)a[3].u, (gid_t)a[4].u);
  if (r == -EEXIST) fail_with(s, r, "something else is in the place of the device");
  if (fd >= 0) close(fd);
  close(dir);
  return r;
}

int op_symlink(struct state *s, const struct arg *a) {
  char name[256], there[PATH_SIZE];
  int dir = resolve_parent(s, a[0].s, name);
  if (dir < 0) return dir;
  int r = symlinkat(a[1].s, dir, name) < 0 ? -errno : 0;
  if (r == -EEXIST) {
    ssize_t n = readlinkat(dir, name, there, sizeof(there));
    if (n == (ssize_t)a[1].length && memcmp(there, a[1].s, a[1].length) == 0) r = 0;
  }
  close(dir);
  return r;
}

/* pivot_root(".", ".") stacks the old root on the new one; the old one is then taken away without a directory for it. */
int op_pivot_root(struct state *s, const struct arg *a) {
  (void)a;
  int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (old < 0) return -errno;
  int r = fchdir(s->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || fchdir(old) < 0 ? -errno : 0;
  if (!r && mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0) r = -errno; /* nothing we unmount may vanish on the host */
  if (!r && umount2(".", MNT_DETACH) < 0) r = -errno;
  if (!r && chdir("/") < 0) r = -errno;
  close(old);
  return r;
}

/* Without pivot_root the old tree stays reachable through any full proc or sysfs: the plan covered them before. */
int op_move_root(struct state *s, const struct arg *a) {
  (void)a;
  if (fchdir(s->root) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0) return -errno;
  return chroot(".") < 0 || chdir("/") < 0 ? -errno : 0;
}

int op_chroot(struct state *s, const struct arg *a) {
  (void)a;
  return fchdir(s->root) < 0 || chroot(".") < 0 || chdir("/") < 0 ? -errno : 0;
}

int op_root_propagation(struct state *s, const struct arg *a) {
  (void)s;
  return mount(NULL, "/", NULL, (unsigned long)a[0].u, NULL) < 0 ? -errno : 0;
}

/*
 * stdio that is the host's /dev/null becomes the container's: otherwise an fd of the host's file system would stay open.
 * For both ways whatever it was: engines hand over one that was opened for reading as standard output (go-runc, NullIO).
 */
int op_reopen_null(struct state *s, const struct arg *a) {
  (void)s, (void)a;
  struct stat st;
  for (int fd = 0; fd <= 2; fd++) {
    if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) continue;
    int fresh = open("/dev/null", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fresh < 0) return errno == ENOENT ? 0 : -errno;
    if (fstat(fresh, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) {
      close(fresh);
      return fail_with(s, -EPERM, "/dev/null of the container is not the null device");
    }
    if (dup2(fresh, fd) < 0) return -errno;
    close(fresh);
  }
  return 0;
}

int op_chown_fds(struct state *s, const struct arg *a) {
  (void)s;
  struct stat st;
  for (int fd = 0; fd <= 2; fd++) {
    if (fstat(fd, &st) < 0 || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) || st.st_uid == (uid_t)a[0].u) continue;
    /* Not ours to give (EPERM, EINVAL: unmapped owner) or on a read-only file system: then it stays as it is. */
    if (fchown(fd, (uid_t)a[0].u, (gid_t)-1) < 0 && errno != EPERM && errno != EINVAL && errno != EROFS) return -errno;
  }
  return 0;
}
