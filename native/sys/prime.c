/*
 * Moving a process into a cgroup v1 hierarchy takes a lock whose first taker after a quiet moment waits for an RCU grace
 * period: 4 ms and more, most of what a start costs. The next takers do not. So we take it once, on a thread of its
 * own, while the configuration is still being read: a write that names a process that cannot exist changes nothing.
 */
#define _GNU_SOURCE
#include "addon.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static void *take(void *data) {
  int fd = (int)(intptr_t)data;
  ssize_t refused = write(fd, "2147483647", 10); /* ESRCH, always */
  (void)refused;
  close(fd);
  return NULL;
}

/* prime(fd of a cgroup.procs, open for writing): returns at once; the descriptor is closed when it is done. */
napi_value sys_prime(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  size_t argc = 1;
  int32_t fd;
  pthread_t thread;
  pthread_attr_t attributes;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  if (argc != 1 || napi_get_value_int32(env, argv[0], &fd) != napi_ok) return fail(env, "prime: descriptor");
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 64 * 1024);
  if (pthread_create(&thread, &attributes, take, (void *)(intptr_t)fd) != 0) close(fd); /* only slower then */
  pthread_attr_destroy(&attributes);
  return NULL;
}
