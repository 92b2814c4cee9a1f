/* tmpcopyup: a tmpfs starts with what the image had in its place. */
#define _GNU_SOURCE
#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_DEPTH = 128 };

struct entry {
  uint64_t inode;
  int64_t offset;
  unsigned short length;
  unsigned char type;
  char name[];
};

static int copy_directory(int from, int to, int depth);

static int copy_content(int in, int out, off_t size) {
  while (size > 0) {
    ssize_t n = sendfile(out, in, NULL, (size_t)size);
    if (n <= 0) return n < 0 ? -errno : 0;
    size -= n;
  }
  return 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st) {
  /* The image's tree may be shared and change under us: what is now a fifo must not hold us up, a device not be read. */
  struct stat now;
  int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (in < 0) return -errno;
  if (fstat(in, &now) < 0 || !S_ISREG(now.st_mode)) {
    close(in);
    return -ESTALE;
  }
  int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, st->st_mode & 07777);
  int r = out < 0 ? -errno : copy_content(in, out, st->st_size);
  if (out >= 0) close(out);
  close(in);
  return r;
}

static int copy_link(int from, int to, const char *name) {
  char target[PATH_SIZE];
  ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);
  if (n < 0) return -errno;
  target[n] = 0;
  return symlinkat(target, to, name) < 0 ? -errno : 0;
}

static int copy_subdirectory(int from, int to, const char *name, mode_t mode, int depth) {
  if (mkdirat(to, name, mode & 07777) < 0) return -errno;
  int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (in < 0) return -errno;
  int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int r = out < 0 ? -errno : copy_directory(in, out, depth + 1);
  if (out >= 0) close(out);
  close(in);
  return r;
}

static int copy_entry(int from, int to, const char *name, int depth) {
  struct stat st;
  if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return -errno;
  int r = S_ISDIR(st.st_mode)   ? copy_subdirectory(from, to, name, st.st_mode, depth)
          : S_ISLNK(st.st_mode) ? copy_link(from, to, name)
          : S_ISREG(st.st_mode) ? copy_file(from, to, name, &st)
          : mknodat(to, name, st.st_mode, st.st_rdev) < 0 ? -errno
                                                          : 0;
  if (r) return r;
  if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0) return -errno;
  /* After the owner, whose change clears setuid bits; and against the umask. */
  if (!S_ISLNK(st.st_mode) && fchmodat(to, name, st.st_mode & 07777, 0) < 0) return -errno;
  struct timespec times[2] = {st.st_atim, st.st_mtim};
  return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_directory(int from, int to, int depth) {
  char buffer[2048] __attribute__((aligned(8)));
  if (depth > MAX_DEPTH) return -ELOOP;
  for (;;) {
    long n = syscall(SYS_getdents64, from, buffer, sizeof(buffer));
    if (n <= 0) return n < 0 ? -errno : 0;
    for (long at = 0; at < n;) {
      const struct entry *e = (const void *)(buffer + at);
      at += e->length;
      if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0) continue;
      int r = copy_entry(from, to, e->name, depth);
      if (r) return r;
    }
  }
}

/* Gives the tmpfs at hand the content of the directory that it will cover. */
int op_copy_up(struct state *s, const struct arg *a) {
  int from = resolve(s, a[0].s, O_RDONLY | O_DIRECTORY, 0);
  if (from < 0) return from == -ENOENT ? 0 : from;
  int to = openat(s->mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int r = to < 0 ? -errno : copy_directory(from, to, 0);
  if (to >= 0) close(to);
  close(from);
  return r;
}
