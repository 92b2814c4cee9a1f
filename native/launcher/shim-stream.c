/*
 * What a task reads and writes. Its output is one stream of bytes, of which the ring holds the end: raw for a terminal;
 * for pipes cut into frames of stream:u8 0 0 0 length:u32be, the way the Docker API mixes them. A client that asked for
 * no loss, and the log, hold the process up when they are too slow; nobody else does.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_AFTER_END = 1 << 20 /* the largest pipe: what the task wrote before its end is no more than that */ };

static uint32_t ring_frame(const struct task *t) {
  uint8_t b[4];
  for (uint64_t i = 0; i < 4; i++) b[i] = t->ring[(t->tail + 4 + i) % RING_SIZE];
  return FRAME_HEAD + ((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]);
}

/* Makes room for one more chunk by forgetting the oldest output, as far as everybody who must see it has. */
bool stream_room(struct shim *shim, struct task *t) {
  const uint64_t need = FRAME_HEAD + CHUNK_SIZE;
  uint64_t limit = t->log >= 0 ? t->log_at : t->head;
  for (int i = 0; i < MAX_CLIENTS; i++) {
    const struct client *c = &shim->clients[i];
    if (c->state == CLIENT_ATTACHED && c->task == t && !(c->flags & ATTACH_LOSSY) && !c->gone && c->at < limit) limit = c->at;
  }
  while (RING_SIZE - (t->head - t->tail) < need) {
    uint64_t size = t->stdio == STDIO_TERMINAL ? need - (RING_SIZE - (t->head - t->tail)) : ring_frame(t);
    if (t->tail + size > limit) return false;
    t->tail += size;
  }
  return true;
}

static void append(struct task *t, const uint8_t *bytes, size_t n) {
  size_t at = t->head % RING_SIZE, first = RING_SIZE - at < n ? RING_SIZE - at : n;
  memcpy(t->ring + at, bytes, first);
  memcpy(t->ring, bytes + first, n - first);
  t->head += n;
}

/* Somebody hung the terminal up (as login programs do) while the task lives on: a fresh peer makes the master usable again. */
static bool reopen_slave(struct task *t) {
  close_slot(&t->slave);
  t->slave = ioctl(t->out[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  return t->slave >= 0;
}

/* Takes a chunk of output. The caller made room. */
void stream_read(struct task *t, int output) {
  uint8_t chunk[CHUNK_SIZE];
  ssize_t n = read(t->out[output], chunk, sizeof(chunk));
  if (n < 0 && errno == EINTR) return;
  t->dry &= ~(1u << output);
  if (n < 0 && errno == EAGAIN) {
    t->dry |= 1u << output;
  } else if (n <= 0) {
    if (t->stdio != STDIO_TERMINAL || t->state == TASK_ENDED || !reopen_slave(t)) close_slot(&t->out[output]);
  } else {
    uint8_t head[FRAME_HEAD] = {(uint8_t)(output + 1), 0, 0, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n};
    if (t->stdio == STDIO_PIPES) append(t, head, FRAME_HEAD);
    append(t, chunk, (size_t)n);
    if (t->state == TASK_ENDED) t->after_end += (uint64_t)n;
  }
}

/* After the end of the task: hands over what it had written, and waits for nothing that others may write later. */
void stream_finish(struct shim *shim, struct task *t) {
  if (t->state != TASK_ENDED || t->finished) return;
  for (int i = 0; i < 2; i++) {
    while (t->out[i] >= 0 && !(t->dry >> i & 1) && t->after_end < MOST_AFTER_END && stream_room(shim, t)) stream_read(t, i);
    if (t->out[i] >= 0 && !(t->dry >> i & 1) && t->after_end < MOST_AFTER_END) return;
  }
  t->finished = true;
  close_slot(&t->in);
  close_slot(&t->slave);
}

/* A log that cannot be written any more ends there: a hole in it could not be told from what was written. */
void stream_log(struct task *t) {
  while (t->log >= 0 && t->log_at < t->head) {
    size_t at = t->log_at % RING_SIZE, n = RING_SIZE - at, most = t->log_regular ? RING_SIZE : 4096 /* PIPE_BUF: does not block */;
    if (n > t->head - t->log_at) n = (size_t)(t->head - t->log_at);
    ssize_t written = write(t->log, t->ring + at, n < most ? n : most);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0) {
      t->log_lost = true;
      close_slot(&t->log);
      return;
    }
    t->log_at += (uint64_t)written;
    if (!t->log_regular) return;
  }
}

/* Before the terminal is there, input has nowhere to go yet. */
bool stream_accepts(const struct task *t) {
  return t->input_length == 0 && !(t->stdio == STDIO_TERMINAL && t->out[0] < 0 && t->launch >= 0);
}

/* Hands pending input to the task. */
void stream_feed(struct task *t) {
  while (t->input_length > 0) {
    ssize_t n = t->in < 0 ? -1 : write(t->in, t->input + t->input_at, t->input_length);
    if (n < 0 && t->in >= 0 && errno == EINTR) continue;
    if (n < 0 && t->in >= 0 && errno == EAGAIN) return;
    if (n < 0) {
      if (t->stdio == STDIO_PIPES) close_slot(&t->in); /* nobody reads it any more */
      n = (ssize_t)t->input_length;
    }
    t->input_at += (size_t)n;
    t->input_length -= (size_t)n;
  }
  if (t->close_in && t->stdio == STDIO_PIPES) close_slot(&t->in);
}

void client_output(struct client *c) {
  struct task *t = c->task;
  while (!c->blocked && !c->gone && c->at < t->head) {
    size_t at = c->at % RING_SIZE, n = RING_SIZE - at;
    if (n > t->head - c->at) n = (size_t)(t->head - c->at);
    ssize_t sent = send(c->fd, t->ring + at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) c->at += (uint64_t)sent;
    else if (errno == EAGAIN) c->blocked = true;
    else if (errno != EINTR) c->gone = true;
  }
}

void client_input(struct client *c) {
  struct task *t = c->task;
  while (!c->input_done && stream_accepts(t)) {
    ssize_t n = recv(c->fd, t->input, sizeof(t->input), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      c->input_done = true;
      if ((c->flags & ATTACH_INPUT_ENDS) && n == 0) t->close_in = true;
    } else if (c->flags & ATTACH_INPUT) {
      t->input_at = 0;
      t->input_length = (size_t)n;
    }
    stream_feed(t);
  }
}
