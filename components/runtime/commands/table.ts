/** Every command and flag of the runtime's command line: what runc(8) has, and ours after it. One row each. */
import type { CommandSyntax, Flag } from "./flags.ts";

const bool = (names: string, usage: string): Flag => ({ names: names.split(", "), kind: "bool", usage });
const string = (names: string, usage: string): Flag => ({ names: names.split(", "), kind: "string", usage });
const list = (names: string, usage: string): Flag => ({ names: names.split(", "), kind: "list", usage });
const number = (names: string, usage: string): Flag => ({ names: names.split(", "), kind: "number", usage });

export const GLOBAL_FLAGS: readonly Flag[] = [
  bool("debug", "enable debug logging"),
  string("log", "set the log file to write logs to (default: stderr)"),
  string("log-format", "set the log format: text or json (default: text)"),
  string("root", "root directory for storage of container state"),
  string("criu", "obsolete; the criu program is looked up on PATH"),
  bool("systemd-cgroup", "let systemd manage the control groups; cgroupsPath is then slice:prefix:name"),
  string("rootless", "ignore missing rights to control groups: true, false or auto (default: auto)"),
  bool("version, v", "print the version"),
  bool("help, h", "show help"),
];

const BUNDLE = string("bundle, b", "path to the bundle directory (default: current directory)");
const CONSOLE = string("console-socket", "unix socket that receives the terminal's master descriptor");
const PIDFD = string("pidfd-socket", "unix socket that receives a pidfd of the container's process");
const PID_FILE = string("pid-file", "file to write the process id to");
const NO_PIVOT = bool("no-pivot", "do not use pivot_root to change the root; for a root on a ramdisk");
const NO_KEYRING = bool("no-new-keyring", "do not make a new session keyring");
const PRESERVE = number("preserve-fds", "pass N more descriptors, from 3 on, to the container");
const DETACH = bool("detach, d", "leave the process running in the background");
const NO_SUBREAPER = bool("no-subreaper", "do not reap orphans of the container");
const FORMAT = string("format, f", "table or json (default: table)");
const TRACE = string("trace", "file to append one line of JSON to for each kernel operation, with its time in ns");

const JSON_FLAG = bool("json", "as JSON");

const CREATE = [BUNDLE, CONSOLE, PIDFD, PID_FILE, NO_PIVOT, NO_KEYRING, PRESERVE, TRACE];
const ID = "<container-id>";

const CRIU_COMMON: readonly Flag[] = [
  string("image-path", "directory of the checkpoint's images"),
  string("work-path", "directory for CRIU's logs and working files"),
  bool("tcp-established", "allow open TCP connections"),
  bool("ext-unix-sk", "allow external unix sockets"),
  bool("shell-job", "allow jobs of a shell"),
  bool("lazy-pages", "use userfaultfd to restore memory lazily"),
  bool("file-locks", "handle file locks"),
  string("manage-cgroups-mode", "soft, full, strict or ignore"),
  list("empty-ns", "create a namespace, but do not restore its properties"),
  bool("auto-dedup", "drop duplicates of memory pages"),
];

const command = (
  name: string,
  args: string,
  count: readonly [number, number],
  usage: string,
  flags: readonly Flag[] = [],
  stopsAtPositional = false,
): CommandSyntax => ({ name, arguments: args, count, usage, flags, stopsAtPositional });

export const COMMANDS: readonly CommandSyntax[] = [
  command("checkpoint", ID, [1, 1], "checkpoint a running container", [
    ...CRIU_COMMON,
    string("parent-path", "directory of the images of an earlier pre-dump"),
    bool("leave-running", "leave the process running after the checkpoint"),
    bool("tcp-skip-in-flight", "skip connections that are not established yet"),
    bool("link-remap", "remap one link back to its inode"),
    number("status-fd", "descriptor that gets a byte when the lazy pages server is ready"),
    string("page-server", "ADDRESS:PORT of the page server"),
    bool("pre-dump", "dump memory only, leave the process running"),
  ]),
  command("create", ID, [1, 1], "create a container", CREATE),
  command("delete", ID, [1, 1], "delete what a container holds", [bool("force, f", "kill it first if it still runs")]),
  command("events", ID, [1, 1], "show events and statistics of a container", [
    string("interval", "time between statistics (default: 5s)"),
    bool("stats", "show the statistics once and end"),
  ]),
  command(
    "exec",
    `${ID} <command> [command options]`,
    [1, Number.POSITIVE_INFINITY],
    "run another process in a container",
    [
      CONSOLE,
      PIDFD,
      string("cwd", "working directory in the container"),
      list("env, e", "set an environment variable"),
      bool("tty, t", "allocate a terminal"),
      string("user, u", "user: UID[:GID]"),
      list("additional-gids, g", "additional group ids"),
      string("process, p", "file with the process as JSON"),
      DETACH,
      PID_FILE,
      string("process-label", "SELinux label of the process"),
      string("apparmor", "AppArmor profile of the process"),
      bool("no-new-privs", "set no_new_privs"),
      list("cap, c", "add a capability"),
      PRESERVE,
      list("cgroup", "run in a sub-cgroup: [CONTROLLER[,CONTROLLER]:]PATH"),
      bool("ignore-paused", "allow it in a paused container"),
    ],
    true,
  ),
  command("features", "", [0, 0], "show what this runtime can do, as JSON"),
  command(
    "kill",
    `${ID} [signal]`,
    [1, 2],
    "send a signal (default: SIGTERM) to the container's first process",
    [bool("all, a", "obsolete: do not fail when it is not running")],
    true,
  ),
  command("list", "", [0, 0], "list the containers below the root", [FORMAT, bool("quiet, q", "show ids only")]),
  command("pause", ID, [1, 1], "suspend all processes of a container"),
  command(
    "ps",
    `${ID} [ps options]`,
    [1, Number.POSITIVE_INFINITY],
    "show the processes of a container",
    [FORMAT],
    true,
  ),
  command("restore", ID, [1, 1], "restore a container from a checkpoint", [
    CONSOLE,
    ...CRIU_COMMON,
    BUNDLE,
    DETACH,
    PID_FILE,
    NO_SUBREAPER,
    NO_PIVOT,
    string("lsm-profile", "TYPE:NAME of the profile to restore with"),
    string("lsm-mount-context", "SELinux context of the mounts"),
  ]),
  command("resume", ID, [1, 1], "resume the processes of a paused container"),
  command("run", ID, [1, 1], "create and run a container", [
    ...CREATE,
    DETACH,
    bool("keep", "do not delete the container when it has ended"),
    NO_SUBREAPER,
  ]),
  command("spec", "", [0, 0], "write a new config.json", [
    BUNDLE,
    bool("rootless", "for a container of an ordinary user"),
  ]),
  command("start", ID, [1, 1], "run the program of a created container"),
  command("state", ID, [1, 1], "show the state of a container"),
  command("update", ID, [1, 1], "change the limits of a container", [
    string("resources, r", "file with the resources as JSON, - for standard input"),
    string("blkio-weight", "block IO weight, 10 to 1000"),
    string("cpu-period", "CPU period in microseconds"),
    string("cpu-quota", "CPU time in microseconds within a period"),
    string("cpu-burst", "CPU time that may be saved up, in microseconds"),
    string("cpu-share", "CPU shares"),
    string("cpu-rt-period", "realtime period in microseconds"),
    string("cpu-rt-runtime", "realtime time in microseconds within a period"),
    string("cpuset-cpus", "CPUs to use"),
    string("cpuset-mems", "memory nodes to use"),
    string("kernel-memory", "obsolete; ignored"),
    string("kernel-memory-tcp", "obsolete; ignored"),
    string("memory", "memory limit in bytes"),
    string("memory-reservation", "soft memory limit in bytes"),
    string("memory-swap", "memory and swap in bytes; -1 for no limit"),
    string("cpu-idle", "1 for the idle class, 0 for not"),
    string("pids-limit", "most processes; -1 for no limit"),
    string("l3-cache-schema", "Intel RDT L3 cache schema"),
    string("mem-bw-schema", "Intel RDT memory bandwidth schema"),
  ]),
  // Ours.
  command("doctor", "", [0, 0], "show what this host offers, and what will not work", [JSON_FLAG]),
  command("lint", "", [0, 0], "judge a bundle: what would be refused, what is ignored, what is unsafe", [
    BUNDLE,
    JSON_FLAG,
  ]),
  command("verify", ID, [1, 1], "compare a running container with its configuration", [JSON_FLAG]),
  command("plan", ID, [0, 1], "show the kernel operations of a create, each with the field it comes from", [
    BUNDLE,
    NO_PIVOT,
    NO_KEYRING,
    PRESERVE,
    JSON_FLAG,
  ]),
];
