/*
 * The shim's loop against clients and a process that do anything in any order. An input is a program of small steps.
 * Besides memory, three things are held: what a client receives is the stream, byte for byte, from where it attached;
 * the loop comes to rest by itself; and no descriptor is lost.
 */
#include "../shim.c"

#include "fuzz.h"

#include <sys/mman.h>
#include <sys/socket.h>

enum { PEERS = 5, MAX_STREAM = 1 << 20, REST = 400 /* turns within which the loop must have nothing left to do */ };

struct peer {
  int fd;
  struct client *client;
  bool attached, known; /* known: we saw where in the stream it began */
  uint64_t at;
};

static struct shim shim;
static struct peer peers[PEERS];
static int outputs[2], input; /* the process's ends of its pipes */
static uint8_t stream[MAX_STREAM];
static uint64_t seen;

/* Nothing is started here: an exec gets as far as the fork. */
pid_t clone_process(uint64_t flags, int cgroup) {
  (void)flags, (void)cgroup;
  errno = EAGAIN;
  return -1;
}

int run_launch(const struct launch *launch) {
  (void)launch;
  abort();
}

static int open_descriptors(void) {
  int n = 0;
  for (int fd = 3; fd < 64; fd++) n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

static void make_output(int i, struct task *t) {
  int ends[2];
  HOLDS(pipe2(ends, O_NONBLOCK) == 0);
  fcntl(ends[0], F_SETPIPE_SZ, 16384);
  t->out[i] = ends[0];
  outputs[i] = ends[1];
}

static void set_up(uint8_t how) {
  struct task *t = &shim.tasks[0];
  int ends[2];
  shim.listener = shim.directory = shim.signals = shim.inotify = -1;
  *t = (struct task){.state = TASK_RUNNING, .stdio = how & 1 ? STDIO_TERMINAL : STDIO_PIPES, .pidfd = -1, .launch = -1, .slave = -1, .log = -1};
  HOLDS(pipe2(ends, O_NONBLOCK) == 0);
  t->in = ends[1];
  input = ends[0];
  make_output(0, t);
  make_output(1, t);
  if (how & 2) {
    t->log = memfd_create("log", MFD_CLOEXEC);
    t->log_regular = true;
  }
  seen = 0;
  for (int i = 0; i < PEERS; i++) peers[i] = (struct peer){.fd = -1};
}

static void tear_down(void) {
  for (int i = 0; i < MAX_CLIENTS; i++) {
    if (shim.clients[i].state != CLIENT_FREE) client_close(&shim.clients[i]);
  }
  struct task *t = &shim.tasks[0];
  int *const fds[] = {&t->in, &t->out[0], &t->out[1], &t->slave, &t->log, &outputs[0], &outputs[1], &input};
  for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) close_slot(fds[i]);
  for (int i = 0; i < PEERS; i++) close_slot(&peers[i].fd);
  for (int i = 1; i < MAX_TASKS; i++) HOLDS(shim.tasks[i].state == TASK_FREE);
}

/* Notes what came into the ring since last time. */
static void follow_stream(void) {
  struct task *t = &shim.tasks[0];
  HOLDS(t->tail <= t->head && t->head - t->tail <= RING_SIZE && t->head - seen <= RING_SIZE);
  for (; seen < t->head; seen++) stream[seen % MAX_STREAM] = t->ring[seen % RING_SIZE];
}

/* Turns of the loop until nothing is ready. */
static void rest(void) {
  static struct watches w;
  for (int turn = 0; turn < REST; turn++) {
    collect(&shim, &w);
    int ready = poll(w.polls, w.count, 0);
    if (ready < 0 && errno == EINTR) continue; /* the fuzzer's own alarm */
    HOLDS(ready >= 0);
    for (nfds_t i = 0; i < w.count; i++) {
      if (w.polls[i].revents) dispatch(&shim, w.of[i].what, w.of[i].index, w.polls[i].revents);
    }
    settle(&shim);
    follow_stream();
    if (ready == 0) return;
  }
  HOLDS(!"the loop does not come to rest");
}

static void connect_peer(struct peer *p) {
  int pair[2];
  if (p->fd >= 0) return;
  for (int i = 0; i < MAX_CLIENTS; i++) {
    struct client *c = &shim.clients[i];
    if (c->state != CLIENT_FREE) continue;
    int small = 1; /* so that a client that does not read is felt soon */
    HOLDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    *c = (struct client){.state = CLIENT_ASKING, .fd = pair[1]};
    *p = (struct peer){.fd = pair[0], .client = c};
    return;
  }
}

/* Reads a reply, or part of the stream, which must be what the process wrote. */
static void read_peer(struct peer *p, size_t most) {
  uint8_t bytes[16384];
  struct shim_reply reply;
  int unread = 0;
  if (p->fd < 0) return;
  if (!p->attached) {
    if (recv(p->fd, &reply, sizeof(reply), MSG_DONTWAIT) != (ssize_t)sizeof(reply)) return;
    HOLDS(reply.version == SHIM_VERSION && reply.error >= 0 && reply.error < 4096);
    if (reply.type != SHIM_ATTACH || reply.error) return;
    p->attached = true;
    p->known = p->client->state == CLIENT_ATTACHED && p->client->fd >= 0 && ioctl(p->fd, FIONREAD, &unread) == 0;
    p->at = p->client->at - (uint64_t)unread;
    return;
  }
  ssize_t n = recv(p->fd, bytes, most < sizeof(bytes) ? most : sizeof(bytes), MSG_DONTWAIT);
  for (ssize_t i = 0; i < n && p->known; i++) {
    HOLDS(p->at < seen);
    if (seen - p->at <= MAX_STREAM) HOLDS(bytes[i] == stream[p->at % MAX_STREAM]);
    p->at++;
  }
}

static void send_request(struct peer *p, const uint8_t *step) {
  static const char *const IDS[] = {"", "", "", "exec", "../x", ".hidden"};
  struct shim_request q = {.version = SHIM_VERSION, .type = step[1] % 10, .flags = step[2], .a = step[3] % 70, .b = step[3]};
  char control[CMSG_SPACE(7 * sizeof(int))] __attribute__((aligned(8))) = {0};
  struct iovec iov = {&q, sizeof(q)};
  struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
  size_t fds = q.type == SHIM_EXEC ? step[3] / 32 : 0;
  if (p->fd < 0 || p->attached || q.type == SHIM_SHUTDOWN) return;
  strcpy(q.id, IDS[step[2] / 16 % 6]);
  if (q.type == SHIM_ATTACH) q.flags &= 15;
  if (fds) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(fds * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(fds * sizeof(int))};
    for (size_t i = 0; i < fds; i++) memcpy(CMSG_DATA(c) + i * sizeof(int), &outputs[outputs[0] < 0], sizeof(int));
    if (outputs[0] < 0 && outputs[1] < 0) return;
  }
  if (sendmsg(p->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return;
}

static void write_output(int i, uint8_t value, size_t n) {
  uint8_t bytes[8192];
  memset(bytes, value, sizeof(bytes));
  if (outputs[i] < 0) return;
  ssize_t written = write(outputs[i], bytes, n < sizeof(bytes) ? n : sizeof(bytes));
  (void)written;
}

/* As much as the shim takes, up to one and a half times its ring. */
static void flood(uint8_t value) {
  for (int i = 0; i < 12; i++) {
    write_output(0, (uint8_t)(value + i), 8192);
    rest();
  }
}

static void end_process(void) {
  struct task *t = &shim.tasks[0];
  if (t->state != TASK_RUNNING) return;
  t->reaped = true;
  t->status = 7 << 8;
}

/* Four bytes are a step: what and who, then three arguments. */
static void perform(const uint8_t *step) {
  struct peer *p = &peers[step[0] / 16 % PEERS];
  uint8_t bytes[4096];
  switch (step[0] % 12) {
    case 0: return connect_peer(p);
    case 1: /* bytes that are no request */
      memset(bytes, step[1], sizeof(bytes));
      if (p->fd >= 0 && send(p->fd, bytes, step[2] * 16u + 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return;
      return;
    case 2: return send_request(p, step);
    case 3:
    case 4: return write_output(step[0] % 12 - 3, step[1], step[2] * 64u + 1);
    case 5: return read_peer(p, step[1] * 64u + 1);
    case 6: return close_slot(&p->fd);
    case 7:
      if (p->fd >= 0) shutdown(p->fd, SHUT_WR);
      return;
    case 8: return end_process();
    case 9:
      if (input >= 0 && read(input, bytes, step[1] * 16u + 1) < 0) return;
      return;
    case 10: return step[1] & 1 ? flood(step[2]) : close_slot(&input);
    default: return close_slot(&outputs[step[1] & 1]);
  }
}

void fuzz_shim(const uint8_t *bytes, size_t size) {
  static bool first = true;
  struct shim_request request;
  uint8_t exact[REQUEST_SIZE] = {0};
  signal(SIGPIPE, SIG_IGN);
  memcpy(exact, bytes, size < REQUEST_SIZE ? size : REQUEST_SIZE);
  if (request_decode(exact, &request) == 0) HOLDS(strlen(request.id) < ID_SIZE && !strchr(request.id, '/') && request.id[0] != '.');
  if (size < 1 || size > 2048) return;
  int before = open_descriptors();
  set_up(bytes[0]);
  for (size_t at = 1; at + 4 <= size; at += 4) {
    perform(bytes + at);
    rest();
  }
  tear_down();
  HOLDS(first || open_descriptors() == before);
  first = false;
}
