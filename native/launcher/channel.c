/* Messages between the launcher and the runtime: one datagram each on a SOCK_SEQPACKET socket. */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD = offsetof(struct message, text), MAX_CGROUPS = 32 };

/* write(2) and nothing more exotic: a seccomp filter may already be in force. */
int channel_send(int fd, uint32_t type, uint32_t op, int32_t error, uint64_t value, const char *text) {
  struct message m = {.type = type, .op = op, .error = error, .value = value};
  m.length = (uint32_t)strnlen(text, sizeof(m.text) - 1);
  memcpy(m.text, text, m.length);
  ssize_t n;
  do n = write(fd, &m, HEAD + m.length);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : 0;
}

int channel_send_fd(int socket, uint64_t kind, const char *text, int fd) {
  struct message m = {.type = MSG_FD, .value = kind, .length = (uint32_t)strnlen(text, DETAIL_SIZE - 1)};
  memcpy(m.text, text, m.length);
  char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
  struct iovec iov = {&m, HEAD + m.length};
  struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  struct cmsghdr *c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(c), &fd, sizeof(int));
  return sendmsg(socket, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The one descriptor that a message may carry. More than that are closed: the padding of one leaves room for two. */
static int take_fd(struct msghdr *header) {
  int first = -1;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
      int fd;
      memcpy(&fd, (uint8_t *)c + at, sizeof(int));
      if (first < 0) first = fd;
      else close(fd);
    }
  }
  return first;
}

/* Receives one message; a descriptor with it is the caller's, or -1. Returns -EPIPE at the end, -EPROTO for what is no message. */
int channel_receive(int fd, struct message *m, int *received_fd) {
  char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
  struct iovec iov = {m, sizeof(*m) - 1};
  struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  ssize_t n;
  *received_fd = -1;
  do n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) return -errno;
  int taken = take_fd(&header);
  if (n < HEAD || m->length > (size_t)n - HEAD) {
    if (taken >= 0) close(taken);
    return n == 0 ? -EPIPE : -EPROTO;
  }
  m->text[m->length] = 0;
  *received_fd = taken;
  return 0;
}

static int check_go(struct state *s, const struct message *m, ssize_t n) {
  if (n == 0) _exit(1); /* the runtime went away: a container nobody recorded must not start */
  if (n < 0) return -errno;
  if (n < HEAD || m->type != MSG_GO) return -EPROTO;
  if (m->value) s->host_pid = (pid_t)m->value;
  return 0;
}

/* read(2) for the same reason as above. */
int channel_wait_go(struct state *s) {
  struct message m;
  ssize_t n;
  do n = read(s->control, &m, sizeof(m));
  while (n < 0 && errno == EINTR);
  return check_go(s, &m, n);
}

/*
 * "0" moves the thread that writes it. Moving oneself needs no lock on all forks and exits of the machine, as moving
 * another process does: that lock waits for an RCU grace period, 5 ms and more.
 */
static int join_cgroups(struct state *s, const int *files, int count) {
  int r = 0;
  for (int i = 0; i < count; i++) {
    if (!r && write(files[i], "0", 1) < 0) r = fail_with(s, -errno, "unable to apply cgroup configuration: hierarchy %d", i);
    close(files[i]);
  }
  return r;
}

/* The same where no filter is in force yet; descriptors that come with the answer are `tasks` files of cgroups v1 to join. */
int channel_wait_go_joining(struct state *s) {
  struct message m;
  int files[MAX_CGROUPS], count = 0;
  char control[CMSG_SPACE(sizeof(files))] __attribute__((aligned(8))) = {0};
  struct iovec iov = {&m, sizeof(m)};
  struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  ssize_t n;
  do n = recvmsg(s->control, &header, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&header);
  if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
    count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(files, CMSG_DATA(c), (size_t)count * sizeof(int));
  }
  int r = check_go(s, &m, n);
  if (!r && (header.msg_flags & MSG_CTRUNC)) r = -EPROTO;
  int joined = join_cgroups(s, files, r ? 0 : count);
  for (int i = 0; r && i < count; i++) close(files[i]);
  return r ? r : joined;
}
