/* Chooses the mode by the first argument. */
#include "launcher.h"

#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(int, char **);
  } MODES[] = {{"run", mode_run}, {"shim", mode_shim}, {"init", mode_init}};
  for (size_t i = 0; argc > 1 && i < sizeof(MODES) / sizeof(*MODES); i++) {
    if (strcmp(argv[1], MODES[i].name) == 0) return MODES[i].run(argc, argv);
  }
  static const char USAGE[] = "usage: launcher run FD | launcher shim … | launcher init [--] PROGRAM [ARGUMENT…]\n";
  return write(STDERR_FILENO, USAGE, sizeof(USAGE) - 1) < 0 ? 1 : 2;
}
