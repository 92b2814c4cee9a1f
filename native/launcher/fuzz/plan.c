/*
 * The plan decoder. An input is a plan without the head of its header (magic, version, hash, sizes), which is put in
 * front here: a corpus stays good when the launcher changes, and the mutator spends no time on a checksum. Every byte that
 * a decoded operation refers to is read, as the operations would.
 */
#include "../launcher.h"
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { HEAD = 32 };

static const char *const SCHEMA[] = {
#define OP(name, schema) schema,
    OPERATIONS(OP)
#undef OP
};

static volatile unsigned sink;

static void read_all(const char *bytes, size_t n) {
  for (size_t i = 0; i < n; i++) sink += (unsigned char)bytes[i];
}

static void read_argument(char kind, const struct arg *arg) {
  if (kind == 'u') return;
  if (kind == 'l') {
    for (uint32_t i = 0; i < arg->length; i++) read_all(arg->list[i], strlen(arg->list[i]));
    HOLDS(arg->list[arg->length] == NULL);
    return;
  }
  read_all(arg->s, (size_t)arg->length + 1);
  HOLDS(arg->s[arg->length] == 0);
  if (kind == 's') HOLDS(strlen(arg->s) == arg->length);
}

/* A plan that passed the check can be walked to its end, any number of times, with the same result. */
static void walk(const struct plan *plan) {
  struct cursor cursor;
  struct op op;
  struct arg args[MAX_ARGS];
  for (int round = 0; round < 2; round++) {
    uint32_t count = 0;
    plan_rewind(&cursor, plan);
    while (plan_next(&cursor, &op, args)) {
      HOLDS(op.code < OP_COUNT);
      for (int i = 0; SCHEMA[op.code][i]; i++) read_argument(SCHEMA[op.code][i], &args[i]);
      count++;
    }
    HOLDS(count == plan->count && cursor.at == plan->size);
  }
}

static void check(const uint8_t *bytes, size_t size) {
  struct plan plan;
  int r = plan_check(&plan, bytes, size);
  HOLDS(r == 0 || r == -EPROTO || r == -ESTALE);
  if (r) return;
  walk(&plan);
  size_t pointers = 1; /* as plan_check counts them, to give the table back */
  struct cursor cursor;
  struct op op;
  struct arg args[MAX_ARGS];
  plan_rewind(&cursor, &plan);
  while (plan_next(&cursor, &op, args)) {
    for (int i = 0; SCHEMA[op.code][i]; i++) pointers += SCHEMA[op.code][i] == 'l' ? args[i].length + 1u : 0;
  }
  munmap(plan.lists, pointers * sizeof(char *));
}

/* count:u32 flags:u32, then the records. */
void fuzz_plan(const uint8_t *bytes, size_t size) {
  check(bytes, size);
  if (size < 8) return;
  uint32_t version = PLAN_VERSION, total = (uint32_t)(HEAD + size - 8);
  uint64_t hash = PLAN_HASH;
  uint8_t *plan = malloc(total);
  if (!plan) return;
  memcpy(plan, "GNTRPLAN", 8);
  memcpy(plan + 8, &version, 4);
  memcpy(plan + 12, bytes + 4, 4);
  memcpy(plan + 16, &hash, 8);
  memcpy(plan + 24, bytes, 4);
  memcpy(plan + 28, &total, 4);
  memcpy(plan + HEAD, bytes + 8, size - 8);
  check(plan, total);
  free(plan);
}
