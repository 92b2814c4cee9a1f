/*
 * One primitive for every system call: syscall(nr, ...args) → result, or -errno.
 * An argument is a number, a bigint, a string (passed as a C string), a Uint8Array (passed as its address), or
 * { bytes, pointers: [[offset, Uint8Array | nested], …] } for a struct that holds addresses of other buffers.
 */
#include "addon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_ARGS = 7, MAX_STRINGS = 6, MAX_DEPTH = 4 };

struct call {
  long nr;
  long arg[6];
  char *owned[MAX_STRINGS]; /* strings copied out of JavaScript */
  int owned_count;
};

static bool decode(napi_env env, napi_value value, struct call *call, long *out, int depth);

/* Writes the addresses of inner buffers into a struct; the garbage collector does not move array buffers. */
static bool decode_struct(napi_env env, napi_value value, struct call *call, long *out, int depth) {
  napi_value bytes, pointers, entry, item;
  void *base;
  size_t length;
  uint32_t count;
  if (depth >= MAX_DEPTH || napi_get_named_property(env, value, "bytes", &bytes) != napi_ok) return false;
  if (napi_get_typedarray_info(env, bytes, NULL, &length, &base, NULL, NULL) != napi_ok) return false;
  if (napi_get_named_property(env, value, "pointers", &pointers) != napi_ok) return false;
  if (napi_get_array_length(env, pointers, &count) != napi_ok) return false;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t offset;
    long address;
    if (napi_get_element(env, pointers, i, &entry) != napi_ok || napi_get_element(env, entry, 0, &item) != napi_ok) return false;
    if (napi_get_value_uint32(env, item, &offset) != napi_ok || offset + sizeof(address) > length) return false;
    if (napi_get_element(env, entry, 1, &item) != napi_ok || !decode(env, item, call, &address, depth + 1)) return false;
    memcpy((char *)base + offset, &address, sizeof(address));
  }
  *out = (long)base;
  return true;
}

static bool decode_string(napi_env env, napi_value value, struct call *call, long *out) {
  size_t size;
  if (call->owned_count == MAX_STRINGS || napi_get_value_string_utf8(env, value, NULL, 0, &size) != napi_ok) return false;
  char *text = malloc(size + 1);
  if (!text) return false;
  call->owned[call->owned_count++] = text;
  napi_get_value_string_utf8(env, value, text, size + 1, &size);
  *out = (long)text;
  return strlen(text) == size; /* a NUL inside would cut a path short without a word */
}

static bool decode(napi_env env, napi_value value, struct call *call, long *out, int depth) {
  napi_valuetype type;
  bool lossless, typed;
  int64_t number;
  uint64_t wide;
  if (napi_typeof(env, value, &type) != napi_ok) return false;
  switch (type) {
    case napi_number:
      if (napi_get_value_int64(env, value, &number) != napi_ok) return false;
      *out = (long)number;
      return true;
    case napi_bigint:
      if (napi_get_value_bigint_uint64(env, value, &wide, &lossless) != napi_ok) return false;
      *out = (long)wide;
      return true;
    case napi_null:
      *out = 0;
      return true;
    case napi_string: return decode_string(env, value, call, out);
    case napi_object:
      if (napi_is_typedarray(env, value, &typed) != napi_ok) return false;
      if (typed) {
        void *data;
        if (napi_get_typedarray_info(env, value, NULL, NULL, &data, NULL, NULL) != napi_ok) return false;
        *out = (long)data;
        return true;
      }
      return decode_struct(env, value, call, out, depth);
    default: return false;
  }
}

static void release(struct call *call) {
  for (int i = 0; i < call->owned_count; i++) free(call->owned[i]);
}

static bool decode_call(napi_env env, napi_value *argv, size_t argc, struct call *call) {
  memset(call, 0, sizeof(*call));
  for (size_t i = 0; i < argc; i++) {
    if (!decode(env, argv[i], call, i ? &call->arg[i - 1] : &call->nr, 0)) {
      release(call);
      return false;
    }
  }
  return true;
}

static long perform(const struct call *call) {
  const long *a = call->arg;
  long result = syscall(call->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
  return result < 0 ? -errno : result;
}

napi_value sys_syscall(napi_env env, napi_callback_info info) {
  napi_value argv[MAX_ARGS], out;
  size_t argc = MAX_ARGS;
  struct call call;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  if (argc > MAX_ARGS) argc = MAX_ARGS;
  if (!decode_call(env, argv, argc, &call)) return fail(env, "syscall: argument that cannot be passed to the kernel");
  long result = perform(&call);
  release(&call);
  napi_create_int64(env, result, &out);
  return out;
}

/* The same off the main thread, for calls that block. Buffers stay referenced until it is done. */
struct job {
  struct call call;
  long result;
  napi_deferred deferred;
  napi_async_work work;
  napi_ref args[MAX_ARGS];
  size_t argc;
};

static void job_run(napi_env env, void *data) {
  (void)env;
  struct job *job = data;
  job->result = perform(&job->call);
}

static void job_done(napi_env env, napi_status status, void *data) {
  (void)status;
  struct job *job = data;
  napi_value out;
  for (size_t i = 0; i < job->argc; i++) {
    if (job->args[i]) napi_delete_reference(env, job->args[i]);
  }
  napi_create_int64(env, job->result, &out);
  napi_resolve_deferred(env, job->deferred, out);
  napi_delete_async_work(env, job->work);
  release(&job->call);
  free(job);
}

napi_value sys_syscall_async(napi_env env, napi_callback_info info) {
  napi_value argv[MAX_ARGS], promise, name;
  size_t argc = MAX_ARGS;
  struct job *job = calloc(1, sizeof(*job));
  if (!job) return fail(env, "syscallAsync: out of memory");
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  if (argc > MAX_ARGS) argc = MAX_ARGS;
  if (!decode_call(env, argv, argc, &job->call)) {
    free(job);
    return fail(env, "syscallAsync: argument that cannot be passed to the kernel");
  }
  job->argc = argc;
  for (size_t i = 0; i < argc; i++) {
    napi_valuetype type;
    if (napi_typeof(env, argv[i], &type) == napi_ok && type == napi_object) napi_create_reference(env, argv[i], 1, &job->args[i]);
  }
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_string_utf8(env, "syscall", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, job_run, job_done, job, &job->work);
  napi_queue_async_work(env, job->work);
  return promise;
}
