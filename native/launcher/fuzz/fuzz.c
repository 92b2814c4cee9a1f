/*
 * The entry of the fuzz target: the first byte of an input says for which decoder the rest is. The rest is copied to a
 * block of exactly its size, so that AddressSanitizer sees a read of one byte too many.
 */
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  uint8_t *bytes = malloc(size - 1 + (size == 1));
  if (!bytes) return 0;
  memcpy(bytes, data + 1, size - 1);
  switch (data[0]) {
    case 'p': fuzz_plan(bytes, size - 1); break;
    case 'c': fuzz_channel(bytes, size - 1); break;
    case 's': fuzz_shim(bytes, size - 1); break;
    default: break;
  }
  free(bytes);
  return 0;
}
