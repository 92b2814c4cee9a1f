/* Decodes what arrives on the shim's socket. Nothing here acts: this part is fuzzed. */
#include "shim.h"

#include <errno.h>
#include <string.h>

/* An id becomes part of a file name. */
static bool id_valid(const char id[ID_SIZE]) {
  size_t n = strnlen(id, ID_SIZE);
  if (n == ID_SIZE || id[0] == '.') return false;
  for (size_t i = 0; i < n; i++) {
    char c = id[i];
    if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '+' || c == '.' || c == '-')) return false;
  }
  return true;
}

/* Returns 0, -EPROTO for another version of the protocol, -EINVAL for what no client of ours sends. */
int request_decode(const uint8_t bytes[REQUEST_SIZE], struct shim_request *request) {
  static const uint16_t FLAGS[] = {
      [SHIM_ATTACH] = ATTACH_INPUT | ATTACH_INPUT_ENDS | ATTACH_REPLAY | ATTACH_LOSSY, [SHIM_EXEC] = EXEC_LOG, [SHIM_SHUTDOWN] = 0};
  _Static_assert(sizeof(*request) == REQUEST_SIZE && sizeof(struct shim_reply) == REPLY_SIZE, "no padding");
  memcpy(request, bytes, REQUEST_SIZE);
  if (request->version != SHIM_VERSION) return -EPROTO;
  if (request->type < SHIM_STATUS || request->type > SHIM_SHUTDOWN) return -EINVAL;
  if (request->flags & ~FLAGS[request->type] || !id_valid(request->id)) return -EINVAL;
  if (request->type == SHIM_EXEC && (request->a > STDIO_TERMINAL || request->id[0] == 0)) return -EINVAL;
  if (request->type == SHIM_SIGNAL && request->a > 64) return -EINVAL;
  return 0;
}

/* The descriptors that come with an EXEC: control, plan, the log if announced, three for given stdio, then up to two more. */
int exec_descriptors(const struct shim_request *request, const int *fds, int count, struct task_start *start) {
  int at = 0, needed = 2 + (request->flags & EXEC_LOG ? 1 : 0) + (request->a == STDIO_GIVEN ? 3 : 0);
  if (count < needed || count > needed + 2) return -EINVAL;
  *start = (struct task_start){.id = request->id, .stdio = (enum stdio)request->a, .given = {-1, -1, -1}, .log = -1, .extra = {-1, -1}, .first = 3};
  start->control = fds[at++];
  start->plan = fds[at++];
  if (request->flags & EXEC_LOG) start->log = fds[at++];
  for (int i = 0; i < 3 && start->stdio == STDIO_GIVEN; i++) start->given[i] = fds[at++];
  for (int i = 0; at < count; i++) start->extra[i] = fds[at++];
  return 0;
}
