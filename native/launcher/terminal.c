/*
 * The container's terminal. The pair is taken from the container's own devpts, its peer by descriptor and never by
 * name, so a /dev/pts/N or /dev/console put there by an image cannot be mistaken for it (CVE-2025-52565).
 */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static bool is_ptmx(int fd) {
  struct statfs fs;
  struct stat st;
  return fstatfs(fd, &fs) == 0 && fstat(fd, &st) == 0 && fs.f_type == DEVPTS_SUPER_MAGIC && st.st_ino == 2 &&
         S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2);
}

static int open_ptmx(struct state *s) {
  int probe = open("/dev/pts/ptmx", O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (probe < 0) return -errno;
  bool good = is_ptmx(probe);
  close(probe);
  if (!good) return fail_with(s, -EPERM, "/dev/pts/ptmx is not the multiplexer of a devpts");
  int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
  if (master < 0) return -errno;
  if (!is_ptmx(master)) {
    close(master);
    return fail_with(s, -EPERM, "/dev/pts/ptmx was replaced while it was opened");
  }
  return master;
}

static int mount_console(int peer) {
  int file = open("/dev/console", O_CREAT | O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0666);
  if (file >= 0) close(file);
  int target = open("/dev/console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (target < 0) return -errno;
  int copy = (int)syscall(SYS_open_tree, peer, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  int r = copy < 0 || syscall(SYS_move_mount, copy, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0 ? -errno : 0;
  if (copy >= 0) close(copy);
  close(target);
  return r;
}

int op_console(struct state *s, const struct arg *a) {
  struct winsize size = {.ws_row = (unsigned short)a[0].u, .ws_col = (unsigned short)a[1].u};
  int unlock = 0;
  unsigned number = 0;
  char name[32];
  int master = open_ptmx(s);
  if (master < 0) return master;
  if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, &number) < 0) return -errno;
  int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (peer < 0) return -errno;
  if (size.ws_row && size.ws_col && ioctl(master, TIOCSWINSZ, &size) < 0) return -errno;
  int r = a[2].u & 1 ? mount_console(peer) : 0;
  if (r) return r;
  snprintf(name, sizeof(name), "/dev/pts/%u", number);
  r = channel_send_fd(s->shim < 0 ? s->control : s->shim, 1, name, master);
  close(master);
  if (r) return r;
  for (int fd = 0; fd <= 2; fd++) {
    if (dup2(peer, fd) < 0) return -errno;
  }
  close(peer);
  return ioctl(0, TIOCSCTTY, 0) < 0 ? -errno : 0;
}
