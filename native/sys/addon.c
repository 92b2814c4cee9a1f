/* The Node-API addon: the system calls that the JavaScript runtime lacks. It decides nothing; `components/sys` gives it types. */
#include "addon.h"

#include <stdlib.h>
#include <string.h>

napi_value fail(napi_env env, const char *message) {
  napi_throw_type_error(env, NULL, message);
  return NULL;
}

int64_t int_property(napi_env env, napi_value object, const char *name, int64_t fallback) {
  napi_value value;
  int64_t out;
  if (napi_get_named_property(env, object, name, &value) != napi_ok) return fallback;
  return napi_get_value_int64(env, value, &out) == napi_ok ? out : fallback;
}

int int_array(napi_env env, napi_value array, int *out, int max) {
  uint32_t length;
  if (napi_get_array_length(env, array, &length) != napi_ok || length > (uint32_t)max) return -1;
  for (uint32_t i = 0; i < length; i++) {
    napi_value item;
    int32_t number;
    if (napi_get_element(env, array, i, &item) != napi_ok || napi_get_value_int32(env, item, &number) != napi_ok) return -1;
    out[i] = number;
  }
  return (int)length;
}

char **string_array(napi_env env, napi_value array) {
  uint32_t length;
  if (napi_get_array_length(env, array, &length) != napi_ok || length > 1u << 20) return NULL;
  size_t need = (length + 1) * sizeof(char *), size;
  napi_value item;
  for (uint32_t i = 0; i < length; i++) {
    if (napi_get_element(env, array, i, &item) != napi_ok) return NULL;
    if (napi_get_value_string_utf8(env, item, NULL, 0, &size) != napi_ok) return NULL;
    need += size + 1;
  }
  char **list = malloc(need);
  if (!list) return NULL;
  char *text = (char *)(list + length + 1), *end = (char *)list + need;
  for (uint32_t i = 0; i < length; i++) {
    napi_get_element(env, array, i, &item);
    napi_get_value_string_utf8(env, item, text, (size_t)(end - text), &size);
    list[i] = text;
    text += size + 1;
  }
  list[length] = NULL;
  return list;
}

static napi_value init(napi_env env, napi_value exports) {
  static const struct {
    const char *name;
    napi_callback call;
  } FUNCTIONS[] = {
      {"syscall", sys_syscall}, {"syscallAsync", sys_syscall_async}, {"spawn", sys_spawn},
      {"launcher", sys_launcher}, {"supervise", sys_supervise},
  };
  for (size_t i = 0; i < COUNT(FUNCTIONS); i++) {
    napi_value function;
    napi_create_function(env, FUNCTIONS[i].name, NAPI_AUTO_LENGTH, FUNCTIONS[i].call, NULL, &function);
    napi_set_named_property(env, exports, FUNCTIONS[i].name, function);
  }
  return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
