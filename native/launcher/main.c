/* Chooses the mode by the first argument, or by the name under which we were called: `docker-init` is a copy of us. */
#include "launcher.h"

#include <string.h>
#include <unistd.h>

static bool named_init(const char *path) {
  static const char *const NAMES[] = {"docker-init", "tini", "tini-static", "catatonit", "gantry-init"};
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++) {
    if (strcmp(name, NAMES[i]) == 0) return true;
  }
  return false;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(int, char **);
  } MODES[] = {{"run", mode_run}, {"shim", mode_shim}, {"init", mode_init}};
  if (argc > 0 && named_init(argv[0])) return mode_init(argc, argv);
  for (size_t i = 0; argc > 1 && i < sizeof(MODES) / sizeof(*MODES); i++) {
    if (strcmp(argv[1], MODES[i].name) == 0) return MODES[i].run(argc - 1, argv + 1);
  }
  static const char USAGE[] = "usage: launcher run FD | launcher shim FD STDIO [NAME] | launcher init [OPTION…] [--] PROGRAM [ARGUMENT…]\n";
  return write(STDERR_FILENO, USAGE, sizeof(USAGE) - 1) < 0 ? 1 : 2;
}
