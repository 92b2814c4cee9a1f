/* Messages between launcher and runtime, from a peer that sends anything, with up to three descriptors. */
#define _GNU_SOURCE
#include "../launcher.h"
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_descriptors(void) {
  int n = 0;
  for (int fd = 3; fd < 64; fd++) n += lseek(fd, 0, SEEK_CUR) >= 0;
  return n;
}

static void send_with(int socket, const uint8_t *bytes, size_t size, int fds, int fd) {
  char control[CMSG_SPACE(3 * sizeof(int))] __attribute__((aligned(8))) = {0};
  struct iovec iov = {(void *)(uintptr_t)bytes, size};
  struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
  if (fds) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE((size_t)fds * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN((size_t)fds * sizeof(int));
    for (int i = 0; i < fds; i++) memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &fd, sizeof(int));
  }
  HOLDS(sendmsg(socket, &header, MSG_NOSIGNAL) == (ssize_t)size);
}

int fail_with(struct state *s, int error, const char *format, ...) {
  (void)s, (void)format;
  return error;
}

/* The first byte says how many descriptors come along; no more than the one that the receiver takes may stay open. */
void fuzz_channel(const uint8_t *bytes, size_t size) {
  static int file = -1;
  int pair[2], received = -1;
  struct message m;
  if (size < 2 || size > 4096) return;
  if (file < 0) file = memfd_create("fuzz", 0);
  int before = open_descriptors();
  HOLDS(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
  send_with(pair[0], bytes + 1, size - 1, bytes[0] & 3, file);
  int r = channel_receive(pair[1], &m, &received);
  if (r == 0) HOLDS(m.length < DETAIL_SIZE && strnlen(m.text, DETAIL_SIZE) <= m.length);
  else HOLDS(received == -1);
  if (received >= 0) close(received);
  send_with(pair[0], bytes + 1, size - 1, 0, -1);
  struct state s = {.control = pair[1]};
  channel_wait_go(&s);
  send_with(pair[0], bytes + 1, size - 1, bytes[0] & 3, file);
  channel_wait_go_joining(&s);
  close(pair[0]);
  HOLDS(channel_receive(pair[1], &m, &received) < 0 && received == -1);
  close(pair[1]);
  HOLDS(open_descriptors() == before);
}
