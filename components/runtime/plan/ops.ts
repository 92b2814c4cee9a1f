/**
 * The operations of a launch plan: one row per kernel operation that the launcher can perform, with the types of its
 * arguments. `native/launcher/ops.h` is generated from this table, so the two sides cannot disagree.
 *
 * Argument types: u = unsigned 64-bit integer, s = string without NUL, b = bytes, l = list of strings.
 */
export const OPS = {
  // Processes and namespaces
  open_ns: "usu", // slot, path, CLONE_NEW* that it must be
  setns: "uu", // slot, CLONE_NEW*
  setns_pid: "uu", // pid, mask of CLONE_NEW*: joins all of them in one call
  unshare: "u", // mask of CLONE_NEW*
  fork: "uuu", // mask of CLONE_NEW*, role of the child (1 = intermediate, 2 = init), cgroup fd slot + 1 (0 = none)
  sync: "us", // code, what we wait for (for messages); waits for the go of the runtime
  setsid: "",
  dumpable: "u", // 0 or 1
  become_root: "", // setresuid(0), setresgid(0) and no groups, inside a new user namespace
  write_file: "ssu", // path below the private procfs ("" = /proc/self/), text, flags (1 = below the container's procfs)
  affinity: "b", // CPU mask; empty = all
  keyring: "suu", // name, permission bits to add, 1 = join only
  loopback_up: "",

  // The root file system
  propagation: "su", // path, MS_* propagation
  parent_private: "s", // makes the mount that holds the path private, unless it is already
  open_root: "s", // binds the rootfs on itself; every later path is resolved below it
  new_fs: "ssluus", // type, source, parameters ("key=value" or "flag"), MOUNT_ATTR_*, flags (1 = the host's sysfs will do), directory whose mode it takes ("" = none)
  clone_tree: "su", // source path, flags (1 = recursive, 2 = no symlink at the end)
  clone_null: "", // /dev/null, verified
  mount_attr: "uuuuu", // recursive, attr_set, attr_clr, propagation, attr_clr to try when a flag is locked; on the mount at hand
  idmap: "ssu", // uid map, gid map, recursive
  idmap_ns: "su", // path of a user namespace, recursive
  attach: "suuu", // destination, kind (0 = like the source, 1 = directory, 2 = file), mode of a new directory, flags
  copy_up: "s", // destination, whose content the mount at hand takes
  remount: "sulu", // destination, MOUNT_ATTR_* set, parameters, attr_clr
  late_readonly: "s", // path
  mkdir: "su", // path, mode
  mknod: "suuuu", // path, mode with type, device, uid, gid
  symlink: "ss", // path, target
  chown_fds: "u", // gives fds 0 to 2 to a uid, except /dev/null
  reopen_null: "",
  pivot_root: "",
  cover: "s", // unmounts a path of the host's tree, or hides it
  move_root: "",
  chroot: "",
  root_propagation: "u",
  mask_path: "s",
  readonly_path: "s",

  // The process
  hostname: "s",
  domainname: "s",
  sysctl: "ss",
  apparmor: "s",
  selinux_exec: "s",
  selinux_keycreate: "s",
  umask: "u",
  console: "uuu", // rows, columns, flags (1 = mount on /dev/console)
  no_new_privs: "",
  scheduler: "b",
  io_priority: "u",
  personality: "u",
  memory_policy: "ub", // mode with flags, node mask
  seccomp: "ubu", // flags, struct sock_filter array, 1 = the runtime takes the listener
  bounding: "u", // mask of capabilities to keep
  keep_caps: "u",
  set_user: "uubu", // uid, gid, u32 array of groups, flags (1 = setgroups is denied: leave the groups; 2 = leave them if it is denied)
  capabilities: "uuu", // effective, permitted, inheritable
  ambient: "u",
  chdir: "su", // path, flags (1 = a refusal is not final, 2 = only if refused before, 4 = the root)
  cwd_inside: "",
  death_signal: "u",
  find_program: "sls", // argv[0], PATH directories, PATH as text for messages
  close_tools: "", // closes what only the set-up needed
  init: "", // stay as PID 1: reap, forward signals; the program runs as a child
  fifo_wait: "",
  hook: "sllbbu", // path, argv, env, state before the pid, state after it, timeout in ms (0 = none)
  exec: "ll", // argv, env
} as const;

export type OpName = keyof typeof OPS;
export const OP_NAMES = Object.keys(OPS) as OpName[];

/** Version of the plan format: raised when the meaning of an operation changes. */
export const PLAN_VERSION = 1;
