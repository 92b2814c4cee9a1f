/* Whoever is connected to the shim's socket: requests, and what is owed to the connections that wait or are attached. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void drop_fds(struct client *c) {
  for (int i = 0; i < c->fd_count; i++) close_slot(&c->fds[i]);
  c->fd_count = 0;
}

void client_close(struct client *c) {
  drop_fds(c);
  close_slot(&c->fd);
  c->state = CLIENT_FREE;
  c->task = NULL;
}

/* Root and our own user may talk to us, whatever the mode of the socket came to be. */
static bool welcome(int fd) {
  struct ucred peer;
  socklen_t size = sizeof(peer);
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

void client_accept(struct shim *shim) {
  for (int i = 0; i < MAX_CLIENTS; i++) {
    struct client *c = &shim->clients[i];
    if (c->state != CLIENT_FREE) continue;
    int fd = accept4(shim->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      shim->crowded = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM; /* it stays ready: not at once again */
      return;
    }
    if (!welcome(fd)) {
      close(fd);
      return;
    }
    *c = (struct client){.state = CLIENT_ASKING, .fd = fd};
    return;
  }
}

static void reply(struct client *c, uint8_t type, int error, const struct task *t) {
  struct shim_reply r = {.version = SHIM_VERSION, .type = type, .error = error < 0 ? -error : error};
  if (t) {
    r.state = t->state;
    r.pid = (uint32_t)t->pid;
    r.flags = (uint16_t)((t->stdio == STDIO_TERMINAL ? REPLY_TERMINAL : 0) | (t->unrecorded ? REPLY_UNRECORDED : 0) | (t->log_lost ? REPLY_LOG_LOST : 0));
  }
  if (t && t->state == TASK_ENDED) {
    r.status = t->status;
    r.seconds = t->ended.tv_sec;
    r.nanoseconds = (uint32_t)t->ended.tv_nsec;
  }
  if (send(c->fd, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sizeof(r)) client_close(c);
}

static int resize(struct task *t, uint32_t rows, uint32_t columns) {
  if (t->stdio != STDIO_TERMINAL) return -ENOTTY;
  t->size = (struct winsize){.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
  return t->out[0] >= 0 && ioctl(t->out[0], TIOCSWINSZ, &t->size) < 0 ? -errno : 0;
}

static int send_signal(const struct task *t, int signal) {
  if (t->pidfd < 0) return -ESRCH;
  return syscall(SYS_pidfd_send_signal, t->pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

static void attach(struct client *c, const struct shim_request *q, struct task *t) {
  if (t->stdio == STDIO_GIVEN) {
    reply(c, q->type, ENOTCONN, t);
    return;
  }
  reply(c, q->type, 0, t);
  if (c->state == CLIENT_FREE) return;
  c->state = CLIENT_ATTACHED;
  c->task = t;
  c->flags = q->flags;
  c->at = q->flags & ATTACH_REPLAY ? t->tail : t->head;
}

static void exec(struct shim *shim, struct client *c, const struct shim_request *q) {
  struct task_start start;
  struct task *t = NULL;
  int r = exec_descriptors(q, c->fds, c->fd_count, &start);
  if (!r && shim->tasks[0].state == TASK_ENDED) r = -ESRCH;
  if (!r && task_find(shim, q->id)) r = -EEXIST;
  if (!r && !(t = task_slot(shim))) r = -EAGAIN;
  if (!r) r = task_start(shim, t, &start);
  for (int i = 0; !r && start.log >= 0 && i < c->fd_count; i++) {
    if (c->fds[i] == start.log) c->fds[i] = -1; /* it is the task's now */
  }
  drop_fds(c);
  reply(c, q->type, r, r ? NULL : t);
}

static void answer(struct shim *shim, struct client *c, const struct shim_request *q) {
  struct task *t = task_find(shim, q->id);
  if (q->type == SHIM_EXEC) return exec(shim, c, q);
  if (!t) return reply(c, q->type, ENOENT, NULL);
  switch (q->type) {
    case SHIM_WAIT:
      c->state = CLIENT_WAITING;
      c->task = t;
      return;
    case SHIM_RESIZE: return reply(c, q->type, resize(t, q->a, q->b), t);
    case SHIM_SIGNAL: return reply(c, q->type, send_signal(t, (int)q->a), t);
    case SHIM_ATTACH: return attach(c, q, t);
    case SHIM_CLOSE_STDIN:
      t->close_in = true;
      stream_feed(t);
      return reply(c, q->type, 0, t);
    case SHIM_SHUTDOWN:
      if (shim->tasks[0].state != TASK_ENDED) return reply(c, q->type, EBUSY, t);
      /* Before the answer: after it the directory is the caller's, who may remove it or start another shim there. */
      unlinkat(shim->directory, "shim.sock", 0);
      shim->leaving = true;
      return reply(c, q->type, 0, t);
    default: return reply(c, q->type, 0, t);
  }
}

/* Keeps the descriptors of a message. Returns false when there are more than any request has. */
static bool keep_fds(struct client *c, struct msghdr *header) {
  bool fits = !(header->msg_flags & MSG_CTRUNC);
  for (struct cmsghdr *m = CMSG_FIRSTHDR(header); m; m = CMSG_NXTHDR(header, m)) {
    if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(m) + i * sizeof(int), sizeof(int));
      if (c->fd_count < MAX_FDS) c->fds[c->fd_count++] = fd;
      else close(fd), fits = false;
    }
  }
  return fits;
}

static void receive(struct shim *shim, struct client *c) {
  union {
    char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec iov = {c->bytes + c->have, REQUEST_SIZE - c->have};
  struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
  struct shim_request request;
  ssize_t n = recvmsg(c->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n <= 0 || !keep_fds(c, &header)) return client_close(c);
  c->have += (size_t)n;
  if (c->have < REQUEST_SIZE) return;
  c->have = 0;
  int r = request_decode(c->bytes, &request);
  if (r) reply(c, c->bytes[1], r, NULL);
  else answer(shim, c, &request);
  drop_fds(c);
}

/* Something arrived, or the other side went away. */
void client_hear(struct shim *shim, struct client *c) {
  if (c->state == CLIENT_ASKING) receive(shim, c);
  else if (c->state == CLIENT_WAITING) client_close(c); /* nothing is asked while waiting: it gave up */
  else if (c->state == CLIENT_ATTACHED) client_input(c);
}

void client_settle(struct client *c) {
  if (c->state == CLIENT_WAITING && c->task->state == TASK_ENDED) {
    c->state = CLIENT_ASKING;
    const struct task *t = c->task;
    c->task = NULL;
    reply(c, SHIM_WAIT, 0, t);
  }
  if (c->state != CLIENT_ATTACHED) return;
  client_output(c);
  if (c->gone) client_input(c); /* what it sent before it left is still delivered */
  bool left = c->gone && (c->input_done || !(c->flags & ATTACH_INPUT));
  bool too_slow = (c->flags & ATTACH_LOSSY) && c->at < c->task->tail;
  if (left || too_slow || (c->task->finished && c->at == c->task->head)) client_close(c);
}
