/*
 * Decodes a plan. Nothing is executed before the whole plan has been walked once: every opcode known, every argument
 * inside the buffer, every string ended by a NUL it does not contain. Lengths are compared by subtraction, so that no
 * sum can wrap (compare CVE-2021-43784, a length overflow in such a message).
 *
 * Layout, little endian:  magic[8] version:u32 flags:u32 hash:u64 count:u32 size:u32, then `count` records of
 * code:u16 flags:u16 ignore:u16[4] length:u32 args[length].  Arguments: u = u64; s, b = length:u32 bytes NUL; l = count:u32 of s.
 */
#include "launcher.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { HEADER_SIZE = 32, RECORD_SIZE = 16, MAX_PLAN = 64 << 20 };

static const char *const SCHEMA[] = {
#define OP(name, schema) schema,
    OPERATIONS(OP)
#undef OP
};

#define OP(name, schema) _Static_assert(sizeof(schema) - 1 <= MAX_ARGS, "more arguments than " #name " may have");
OPERATIONS(OP)
#undef OP

struct in {
  const uint8_t *at;
  size_t left;
};

static bool take(struct in *in, void *out, size_t n) {
  if (in->left < n) return false;
  memcpy(out, in->at, n);
  in->at += n;
  in->left -= n;
  return true;
}

static bool take_bytes(struct in *in, struct arg *arg, bool text) {
  if (!take(in, &arg->length, 4) || in->left < 1 || arg->length > in->left - 1) return false;
  arg->s = (const char *)in->at;
  in->at += arg->length;
  in->left -= arg->length;
  uint8_t end;
  if (!take(in, &end, 1) || end != 0) return false;
  return !text || memchr(arg->s, 0, arg->length) == NULL;
}

/* With `lists` NULL only counts the pointers that the list needs. */
static bool take_list(struct in *in, struct arg *arg, char ***lists, size_t *pointers) {
  if (!take(in, &arg->length, 4) || arg->length > in->left / 5) return false;
  if (lists) arg->list = *lists;
  for (uint32_t i = 0; i < arg->length; i++) {
    struct arg item;
    if (!take_bytes(in, &item, true)) return false;
    if (lists) (*lists)[i] = (char *)item.s;
  }
  if (lists) {
    (*lists)[arg->length] = NULL;
    *lists += arg->length + 1;
  }
  if (pointers) *pointers += arg->length + 1;
  return true;
}

static bool take_args(const char *schema, struct in in, struct arg *args, char ***lists, size_t *pointers) {
  for (int i = 0; schema[i]; i++) {
    struct arg *arg = &args[i];
    *arg = (struct arg){0};
    bool ok = schema[i] == 'u'   ? take(&in, &arg->u, 8)
              : schema[i] == 'l' ? take_list(&in, arg, lists, pointers)
                                 : take_bytes(&in, arg, schema[i] == 's');
    if (!ok) return false;
  }
  return in.left == 0;
}

static bool take_record(struct in *in, struct op *op, struct in *args) {
  uint32_t length;
  if (!take(in, &op->code, 2) || !take(in, &op->flags, 2) || !take(in, op->ignore, 8) || !take(in, &length, 4)) return false;
  if (op->code >= OP_COUNT || length > in->left) return false;
  *args = (struct in){in->at, length};
  op->args = in->at;
  in->at += length;
  in->left -= length;
  return true;
}

/* Checks a plan and makes the table of its lists. Returns 0, -EPROTO for a malformed plan, -ESTALE for another build's. */
int plan_check(struct plan *plan, const uint8_t *bytes, size_t size) {
  struct in in = {bytes, size};
  char magic[8];
  uint32_t version, flags, count, total;
  uint64_t hash;
  size_t pointers = 1;
  if (size > MAX_PLAN || !take(&in, magic, 8) || memcmp(magic, "GNTRPLAN", 8) != 0) return -EPROTO;
  if (!take(&in, &version, 4) || !take(&in, &flags, 4) || !take(&in, &hash, 8)) return -EPROTO;
  if (version != PLAN_VERSION || hash != PLAN_HASH) return -ESTALE;
  if (!take(&in, &count, 4) || !take(&in, &total, 4) || total != size || count > in.left / RECORD_SIZE) return -EPROTO;
  struct in records = in;
  for (uint32_t i = 0; i < count; i++) {
    struct op op;
    struct in args;
    struct arg decoded[MAX_ARGS];
    if (!take_record(&records, &op, &args) || !take_args(SCHEMA[op.code], args, decoded, NULL, &pointers)) return -EPROTO;
  }
  if (records.left != 0) return -EPROTO;
  char **lists = mmap(NULL, pointers * sizeof(char *), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (lists == MAP_FAILED) return -errno;
  *plan = (struct plan){.bytes = bytes, .size = size, .count = count, .flags = flags, .lists = lists};
  return 0;
}

void plan_rewind(struct cursor *cursor, const struct plan *plan) {
  *cursor = (struct cursor){.plan = plan, .at = HEADER_SIZE, .index = 0, .lists = plan->lists};
}

/* Decodes the next operation. The plan was checked before, so this cannot fail but at the end. */
bool plan_next(struct cursor *cursor, struct op *op, struct arg args[MAX_ARGS]) {
  if (cursor->index >= cursor->plan->count) return false;
  struct in in = {cursor->plan->bytes + cursor->at, cursor->plan->size - cursor->at}, raw;
  if (!take_record(&in, op, &raw) || !take_args(SCHEMA[op->code], raw, args, &cursor->lists, NULL)) return false;
  cursor->at = cursor->plan->size - in.left;
  cursor->index++;
  return true;
}
