import { SysError } from "./error.ts";
import { type Argument, native } from "./native.ts";

/** Numbers that differ between architectures: [x86-64, arm64]. From 424 on they are the same everywhere. */
const NUMBERS = {
  umount2: [166, 39],
  mount: [165, 40],
  statfs: [137, 43],
  fstatfs: [138, 44],
  fchownat: [260, 54],
  mknodat: [259, 33],
  mkdirat: [258, 34],
  unlinkat: [263, 35],
  wait4: [61, 260],
  kill: [62, 129],
  prlimit64: [302, 261],
  prctl: [157, 167],
  sched_setaffinity: [203, 122],
  sched_getaffinity: [204, 123],
  socket: [41, 198],
  socketpair: [53, 199],
  connect: [42, 203],
  bind: [49, 200],
  listen: [50, 201],
  accept4: [288, 242],
  sendmsg: [46, 211],
  recvmsg: [47, 212],
  setsockopt: [54, 208],
  pipe2: [293, 59],
  poll: [7, -1],
  ppoll: [271, 73],
  dup3: [292, 24],
  fcntl: [72, 25],
  ioctl: [16, 29],
  flock: [73, 32],
  eventfd2: [290, 19],
  inotify_init1: [294, 26],
  inotify_add_watch: [254, 27],
  memfd_create: [319, 279],
  setns: [308, 268],
  unshare: [272, 97],
  bpf: [321, 280],
  setxattr: [188, 5],
  getxattr: [191, 8],
  lgetxattr: [192, 9],
  personality: [135, 92],
  seccomp: [317, 277],
  setrlimit: [160, 164],
  exit_group: [231, 94],
  getuid: [102, 174],
  geteuid: [107, 175],
  getegid: [108, 177],
  pidfd_send_signal: [424, 424],
  open_tree: [428, 428],
  move_mount: [429, 429],
  pidfd_open: [434, 434],
  close_range: [436, 436],
  openat2: [437, 437],
  pidfd_getfd: [438, 438],
  mount_setattr: [442, 442],
} as const;

export type Call = keyof typeof NUMBERS;
const column = process.arch === "arm64" ? 1 : 0;

/** Makes the call and returns its result. @throws SysError naming the call and `path`. */
export function syscall(call: Call, path: string | undefined, ...args: Argument[]): number {
  const result = native.syscall(NUMBERS[call][column], ...args);
  if (result < 0) throw new SysError(call, -result, path);
  return result;
}

/** The same, but returns −errno instead of throwing: for calls whose failure is an expected answer. */
export function trySyscall(call: Call, ...args: Argument[]): number {
  return native.syscall(NUMBERS[call][column], ...args);
}

/** Makes a call that blocks on another thread. */
export async function syscallAsync(call: Call, path: string | undefined, ...args: Argument[]): Promise<number> {
  const result = await native.syscallAsync(NUMBERS[call][column], ...args);
  if (result < 0) throw new SysError(call, -result, path);
  return result;
}
