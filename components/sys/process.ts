/** Processes: signals by pidfd, waiting, limits, and the start of the launcher. */
import { SysError } from "./error.ts";
import { native } from "./native.ts";
import { syscall, syscallAsync, trySyscall } from "./syscall.ts";

export const WNOHANG = 1;

/** A descriptor that stands for the process for good, whatever happens to its number. @throws SysError ESRCH */
export function pidfdOpen(pid: number): number {
  return syscall("pidfd_open", String(pid), pid, 0);
}

/** @throws SysError ESRCH when the process is gone. */
export function pidfdSignal(pidfd: number, signal: number): void {
  syscall("pidfd_send_signal", undefined, pidfd, signal, null, 0);
}

/** Takes a copy of a descriptor out of another process; undefined while it has none of that number. */
export function pidfdGetfd(pidfd: number, fd: number): number | undefined {
  const result = trySyscall("pidfd_getfd", pidfd, fd, 0);
  if (result === -9) return undefined;
  if (result < 0) throw new SysError("pidfd_getfd", -result);
  return result;
}

/** wait4(2). Returns undefined when there is no such child, or (WNOHANG) it has not ended. */
export function waitPid(pid: number, options = 0): { pid: number; status: number } | undefined {
  const status = new Int32Array(1);
  for (;;) {
    const result = trySyscall("wait4", pid, new Uint8Array(status.buffer), options, null);
    if (result === -4) continue;
    if (result === -10 || result === 0) return undefined;
    if (result < 0) throw new SysError("wait4", -result, String(pid));
    return { pid: result, status: status[0]! };
  }
}

/** The shell's reading of a wait status: the exit code, or 128 + signal. */
export function exitCode(status: number): number {
  return (status & 0x7f) === 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
}

/** Resolves when the process behind `pidfd` has ended (it may still be a zombie). Blocks a worker thread, not the loop. */
export async function pidfdWait(pidfd: number): Promise<void> {
  const poll = new Int32Array([pidfd, 1]);
  await syscallAsync("ppoll", undefined, new Uint8Array(poll.buffer), 1, null, null, 0);
}

/** Waits at most `timeoutMs` (−1 = for ever) for one of `fds` to become readable; returns the readable ones. */
export function pollReadable(fds: readonly number[], timeoutMs: number): number[] {
  const entries = new Int32Array(fds.flatMap((fd) => [fd, 1]));
  const time =
    timeoutMs < 0
      ? null
      : new Uint8Array(
          new BigInt64Array([BigInt(Math.floor(timeoutMs / 1000)), BigInt((timeoutMs % 1000) * 1e6)]).buffer,
        );
  const n = trySyscall("ppoll", new Uint8Array(entries.buffer), fds.length, time, null, 0);
  if (n < 0 && n !== -4) throw new SysError("ppoll", -n);
  return fds.filter((_, i) => entries[i * 2 + 1]! >>> 16 !== 0);
}

export interface Limits {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** Sets a resource limit of another process, with our privileges. */
export function setLimit(pid: number, resource: number, limits: Limits): void {
  syscall(
    "prlimit64",
    String(pid),
    pid,
    resource,
    new Uint8Array(new BigUint64Array([limits.soft, limits.hard]).buffer),
    null,
  );
}

/** A resource limit of a process; pid 0 is ourselves. */
export function getLimit(pid: number, resource: number): Limits {
  const out = new BigUint64Array(2);
  syscall("prlimit64", String(pid), pid, resource, null, new Uint8Array(out.buffer));
  return { soft: out[0]!, hard: out[1]! };
}

const PR_SET_CHILD_SUBREAPER = 36;

/** Orphaned descendants become our children. */
export function becomeSubreaper(): void {
  syscall("prctl", undefined, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

export interface SpawnOptions {
  readonly execFd: number;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  /** Descriptor i of the child is `fds[i]` of ours; −1 leaves it closed. All others are closed. */
  readonly fds: readonly number[];
}

/** Starts an executable by descriptor. Returns its pid; the caller reaps it. */
export function spawnFd(options: SpawnOptions): number {
  const pid = native.spawn(options);
  if (pid < 0) throw new SysError("execveat", -pid, options.argv[0]);
  return pid;
}

export interface Supervision {
  readonly pid: number;
  readonly pidfd: number;
  /** Pty master, or −1. Its size follows our terminal, which is in raw mode meanwhile. */
  readonly master: number;
  /** Byte streams to copy: from, to, and whether `to` is closed when `from` ends. At most three. */
  readonly copies: readonly (readonly [from: number, to: number, closeTo: 0 | 1])[];
}

/** Blocks until the child ends: copies its stdio, forwards our signals to it, reaps. Returns its wait status. */
export function supervise(supervision: Supervision): number {
  return native.supervise(supervision);
}

/** Ends the process at once, without the runtime's own farewell. Everything must be written by then. */
export function exitNow(status: number): never {
  trySyscall("exit_group", status);
  throw new Error("unreachable");
}
