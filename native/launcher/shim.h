/*
 * What the files of the shim share: the processes it keeps, whoever is connected to its socket, and the messages.
 * Everything is static: nothing is allocated after the start, and pages that are never touched cost nothing.
 */
#ifndef GANTRY_SHIM_H
#define GANTRY_SHIM_H

#include "launcher.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>

enum { MAX_TASKS = 32, MAX_CLIENTS = 64, RING_SIZE = 1 << 16, CHUNK_SIZE = 8192, FRAME_HEAD = 8, ID_SIZE = 84, MAX_FDS = 8 };

/* A request: 96 bytes, little endian, answered by a reply of 32 bytes. */
enum shim_request_type { SHIM_STATUS = 1, SHIM_WAIT, SHIM_RESIZE, SHIM_SIGNAL, SHIM_CLOSE_STDIN, SHIM_ATTACH, SHIM_EXEC, SHIM_SHUTDOWN };
enum { SHIM_VERSION = 1, REQUEST_SIZE = 96, REPLY_SIZE = 32 };
enum attach_flag { ATTACH_INPUT = 1, ATTACH_INPUT_ENDS = 2, ATTACH_REPLAY = 4, ATTACH_LOSSY = 8 };
enum exec_flag { EXEC_LOG = 1 };
enum reply_flag { REPLY_TERMINAL = 1, REPLY_UNRECORDED = 2, REPLY_LOG_LOST = 4 };

struct shim_request {
  uint8_t version, type;
  uint16_t flags;
  uint32_t a, b;
  char id[ID_SIZE]; /* "" is the container's own process, anything else an exec */
};

struct shim_reply {
  uint8_t version, type;
  uint16_t flags;
  int32_t error; /* 0 or errno */
  uint32_t state, pid;
  int32_t status; /* as wait(2) gives it */
  uint32_t nanoseconds;
  int64_t seconds; /* when it ended */
};

enum stdio { STDIO_GIVEN, STDIO_PIPES, STDIO_TERMINAL };
enum task_state { TASK_FREE, TASK_LAUNCHING, TASK_RUNNING, TASK_ENDED };

/* One process whose end we keep: the container's (tasks[0]) or an exec. */
struct task {
  uint8_t ring[RING_SIZE]; /* what the process wrote last: bytes [tail, head) of the stream */
  uint8_t input[4096];     /* what a client sent and the process has not taken yet */
  uint64_t head, tail, log_at, after_end;
  size_t input_at, input_length;
  char id[ID_SIZE];
  enum task_state state;
  enum stdio stdio;
  pid_t pid;
  int pidfd, launch, in, out[2], slave, log;
  int status;
  uint32_t dry; /* bit i: output i had nothing to read after the end */
  bool reaped, close_in, finished, unrecorded, log_regular, log_lost;
  struct timespec ended;
  struct winsize size;
};

enum client_state { CLIENT_FREE, CLIENT_ASKING, CLIENT_WAITING, CLIENT_ATTACHED };

struct client {
  enum client_state state;
  int fd;
  struct task *task;
  uint64_t at; /* position in the stream of the task */
  uint16_t flags;
  bool input_done, blocked, gone;
  size_t have;
  uint8_t bytes[REQUEST_SIZE];
  int fds[MAX_FDS], fd_count;
};

struct shim {
  int listener, directory, signals, inotify;
  bool leaving, crowded; /* crowded: a connection could not be taken for lack of descriptors or memory */
  sigset_t before; /* the signal mask that launched processes start with */
  struct {
    pid_t pid;
    int status;
  } strangers[16]; /* reaped before the launcher could tell whose they are */
  unsigned next_stranger;
  struct task tasks[MAX_TASKS];
  struct client clients[MAX_CLIENTS];
};

/* How a task is started; `log` passes to the task when that succeeds, the other descriptors stay the caller's. */
struct task_start {
  const char *id;
  enum stdio stdio;
  int given[3]; /* for STDIO_GIVEN */
  int log, control, plan, extra[2];
  int first; /* descriptors from 3 to here are for the container */
};

/* shim-message.c */
int request_decode(const uint8_t bytes[REQUEST_SIZE], struct shim_request *request);
int exec_descriptors(const struct shim_request *request, const int *fds, int count, struct task_start *start);

/* shim-task.c */
int task_start(struct shim *shim, struct task *task, const struct task_start *start);
struct task *task_find(struct shim *shim, const char *id);
struct task *task_slot(struct shim *shim);
void task_hear(struct shim *shim, struct task *task);
void task_reap(struct shim *shim);
void task_settle(struct shim *shim, struct task *task);

/* shim-stream.c */
bool stream_room(struct shim *shim, struct task *task);
void stream_read(struct task *task, int output);
void stream_finish(struct shim *shim, struct task *task);
void stream_log(struct task *task);
void stream_feed(struct task *task);
bool stream_accepts(const struct task *task);
void client_output(struct client *client);
void client_input(struct client *client);

/* shim-client.c */
void client_accept(struct shim *shim);
void client_hear(struct shim *shim, struct client *client);
void client_settle(struct client *client);
void client_close(struct client *client);

void close_slot(int *fd);

#endif
