/* Messages between the launcher and the runtime: one datagram each on a SOCK_SEQPACKET socket. */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD = offsetof(struct message, text) };

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

/* read(2) for the same reason as above. The runtime going away ends us: a container nobody recorded must not start. */
int channel_wait_go(struct state *s) {
  struct message m;
  ssize_t n;
  do n = read(s->control, &m, sizeof(m));
  while (n < 0 && errno == EINTR);
  if (n == 0) _exit(1);
  if (n < 0) return -errno;
  if (n < HEAD || m.type != MSG_GO) return -EPROTO;
  if (m.value) s->host_pid = (pid_t)m.value;
  return 0;
}
