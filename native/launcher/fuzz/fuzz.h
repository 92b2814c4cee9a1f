/* What the parts of the fuzz target share. Each takes whatever bytes it is given, and must survive them. */
#ifndef GANTRY_FUZZ_H
#define GANTRY_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* A statement about the code under test; unlike assert it stays whatever the flags. */
#define HOLDS(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                 \
    }                                                                          \
  } while (0)

void fuzz_plan(const uint8_t *bytes, size_t size);
void fuzz_channel(const uint8_t *bytes, size_t size);
void fuzz_shim(const uint8_t *bytes, size_t size);

#endif
