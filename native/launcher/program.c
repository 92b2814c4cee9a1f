/* Finding the program, executing it, and saying why that failed. */
#define _GNU_SOURCE
#include "launcher.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

static int check_program(const char *path) {
  struct stat st;
  if (stat(path, &st) < 0) return -errno;
  if (S_ISDIR(st.st_mode)) return -EISDIR;
  if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0) return 0;
  /* A filter that is in force already may refuse faccessat2 by EPERM, which no file gives as a reason: then the mode decides. */
  return errno != EPERM ? -errno : st.st_mode & 0111 ? 0 : -EACCES;
}

/* Looked up with the rights, root and working directory of the user, as execvp would: a refusal on the way outranks absence. */
int op_find_program(struct state *s, const struct arg *a) {
  if (strchr(a[0].s, '/')) {
    if (a[0].length >= sizeof(s->program)) return -ENAMETOOLONG;
    strcpy(s->program, a[0].s);
    int r = check_program(s->program);
    return r == -EACCES || r == -ENOENT || r == -ENOTDIR ? (explain_exec(s, s->program, -r), r) : r;
  }
  int result = -ENOENT;
  for (uint32_t i = 0; i < a[1].length; i++) {
    int n = snprintf(s->program, sizeof(s->program), "%s/%s", *a[1].list[i] ? a[1].list[i] : ".", a[0].s);
    if (n < 0 || (size_t)n >= sizeof(s->program)) continue;
    int r = check_program(s->program);
    if (r == 0) return 0;
    if (r == -EACCES) result = r;
  }
  return result;
}

/* Names the first element of a path that is missing or refuses the search. */
static void explain_path(struct state *s, const char *path) {
  char part[PATH_SIZE];
  struct stat st;
  for (const char *at = path + 1;; at++) {
    if (*at && *at != '/') continue;
    size_t n = (size_t)(at - path);
    memcpy(part, path, n);
    part[n] = 0;
    if (lstat(part, &st) < 0) {
      fail_with(s, 0, "\"%s\": %s", part, errno == EACCES ? "a directory above may not be searched" : strerror(errno));
      return;
    }
    if (S_ISLNK(st.st_mode) && stat(part, &st) < 0) {
      fail_with(s, 0, "\"%s\" is a symbolic link to something missing", part);
      return;
    }
    if (!*at) return;
    if (!S_ISDIR(st.st_mode)) {
      fail_with(s, 0, "\"%s\" is not a directory", part);
      return;
    }
  }
}

static void explain_script(struct state *s, char *head) {
  char *end = head + strcspn(head, "\n"), *name = head + 2 + strspn(head + 2, " \t");
  struct stat st;
  bool carriage = end > head && end[-1] == '\r';
  *end = 0;
  name[strcspn(name, " \t")] = 0;
  if (carriage) {
    fail_with(s, 0, "the first line of the script ends in CRLF (Windows line ends), so its interpreter is looked up with a carriage return in its name");
  } else if (stat(name, &st) < 0) {
    fail_with(s, 0, "the interpreter \"%s\" named in the first line of the script: %s", name, strerror(errno));
  } else if (access(name, X_OK) < 0) {
    fail_with(s, 0, "the interpreter \"%s\" named in the first line of the script is not executable", name);
  }
}

static void explain_elf(struct state *s, const uint8_t *image, size_t size) {
  const Elf64_Ehdr *header = (const void *)image;
  struct stat st;
#if defined(__x86_64__)
  enum { OWN = EM_X86_64 };
#elif defined(__aarch64__)
  enum { OWN = EM_AARCH64 };
#else
  enum { OWN = EM_NONE };
#endif
  if (size < sizeof(*header) || header->e_ident[EI_CLASS] != ELFCLASS64) return;
  if (OWN != EM_NONE && header->e_machine != OWN) {
    fail_with(s, 0, "the program is built for another architecture (ELF machine %u)", header->e_machine);
    return;
  }
  for (unsigned i = 0; i < header->e_phnum; i++) {
    Elf64_Phdr p;
    uint64_t at = header->e_phoff + (uint64_t)i * sizeof(p);
    if (at > size || size - at < sizeof(p)) return;
    memcpy(&p, image + at, sizeof(p));
    if (p.p_type != PT_INTERP) continue;
    if (p.p_offset >= size || p.p_filesz == 0 || p.p_filesz > size - p.p_offset || image[p.p_offset + p.p_filesz - 1]) return;
    const char *loader = (const char *)image + p.p_offset;
    if (stat(loader, &st) < 0) fail_with(s, 0, "its dynamic loader \"%s\" is missing in the container", loader);
    return;
  }
}

/* Puts into `detail` why the kernel refused to execute the file, when that can be found out. */
void explain_exec(struct state *s, const char *path, int error) {
  static uint8_t head[PATH_SIZE] __attribute__((aligned(8)));
  struct statvfs fs;
  s->detail[0] = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    if (path[0] == '/') explain_path(s, path);
    return;
  }
  ssize_t n = pread(fd, head, sizeof(head) - 1, 0);
  head[n > 0 ? n : 0] = 0;
  if (fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_NOEXEC)) fail_with(s, 0, "it lies on a file system mounted noexec");
  else if (n >= 2 && head[0] == '#' && head[1] == '!') explain_script(s, (char *)head);
  else if (n >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0) explain_elf(s, head, (size_t)n);
  else if (error == ENOEXEC) fail_with(s, 0, "neither an ELF program nor a script with a #! line");
  close(fd);
}

int op_exec(struct state *s, const struct arg *a) {
  execve(s->program, a[0].list, a[1].list);
  int error = errno;
  explain_exec(s, s->program, error);
  if (s->fifo < 0) {
    /* "program" or "program\nreason": the runtime is still there to say it. */
    size_t length = strlen(s->program);
    char reason[DETAIL_SIZE / 2];
    snprintf(reason, sizeof(reason), "%s", s->detail);
    return fail_with(s, -error, "%.*s%s%s", (int)(length < DETAIL_SIZE / 2 ? length : DETAIL_SIZE / 2 - 2), s->program, *reason ? "\n" : "", reason);
  }
  /* After create nobody listens any more but whoever reads the container's stderr. */
  char line[PATH_SIZE + DETAIL_SIZE];
  int n = snprintf(line, sizeof(line), "exec %s: %s%s%s\n", s->program, strerror(error), *s->detail ? ": " : "", s->detail);
  size_t length = n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1; /* what was cut off is not written from beyond the end */
  char *text = line + strlen("exec : ") + strlen(s->program);
  if (*text >= 'A' && *text <= 'Z') *text = (char)(*text + 32); /* in the case that the kernel's words have elsewhere */
  if (write(STDERR_FILENO, line, length) < 0) _exit(255);
  _exit(255); /* the status by which callers of runc know a program that could not be executed after its start */
}
