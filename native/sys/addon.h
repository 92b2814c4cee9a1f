/* What the files of the addon share: argument decoding and the functions each file registers. */
#ifndef GANTRY_SYS_ADDON_H
#define GANTRY_SYS_ADDON_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* Throws a TypeError into JavaScript and returns NULL, so that callers can `return fail(...)`. */
napi_value fail(napi_env env, const char *message);

/* Reads a property of an object as an integer; absent or not a number gives `fallback`. */
int64_t int_property(napi_env env, napi_value object, const char *name, int64_t fallback);

/* Copies an array of integers into `out`; returns its length, or -1 when longer than `max` or not an array. */
int int_array(napi_env env, napi_value array, int *out, int max);

/* Copies an array of strings into one malloc'd block that ends in NULL; the caller frees it. NULL on bad input. */
char **string_array(napi_env env, napi_value array);

napi_value sys_syscall(napi_env env, napi_callback_info info);
napi_value sys_syscall_async(napi_env env, napi_callback_info info);
napi_value sys_spawn(napi_env env, napi_callback_info info);
napi_value sys_launcher(napi_env env, napi_callback_info info);
napi_value sys_supervise(napi_env env, napi_callback_info info);

#endif
