/** Descriptors, files and what node:fs has no words for. */
import { constants, readSync, writeSync } from "node:fs";
import { AT_FDCWD, O_CLOEXEC } from "./constants.ts";
import { isErrno, SysError } from "./error.ts";
import { native } from "./native.ts";
import { syscall, trySyscall } from "./syscall.ts";

/** openat2(2), close-on-exec. `resolve` holds RESOLVE_* flags. */
export function openat2(dir: number, path: string, flags: number, resolve = 0, mode = 0): number {
  const how = new Uint32Array(6); // three 64-bit numbers whose upper halves are 0
  how[0] = flags | O_CLOEXEC;
  how[2] = mode;
  how[4] = resolve;
  return syscall("openat2", path, dir, path, new Uint8Array(how.buffer), 24);
}

const TCGETS = 0x5401;

/** True when a person may be looking. */
export function isTerminal(fd: number): boolean {
  return trySyscall("ioctl", fd, TCGETS, new Uint8Array(60)) === 0;
}

/** Writes to standard output, all of it; process.stdout would cost more to load than the rest of a command. */
export function print(text: string): void {
  writeFully(1, text);
}

/** The same to standard error. */
export function printError(text: string): void {
  writeFully(2, text);
}

function writeFully(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if (!isErrno(error, "EAGAIN", "EINTR")) throw error; // a pipe that somebody made non-blocking
    }
  }
}

/** Writes `text` with a single write(2), as files of cgroupfs and procfs want it. @throws SysError with `path`. */
export function writeOnce(fd: number, text: string, path: string): void {
  for (;;) {
    try {
      writeSync(fd, text);
      return;
    } catch (error) {
      if (isErrno(error, "EINTR")) continue;
      throw error instanceof Error && "errno" in error && typeof error.errno === "number"
        ? new SysError("write", Math.abs(error.errno), path)
        : error;
    }
  }
}

/** Reads a whole small file that reports size 0 (procfs, cgroupfs) from an open descriptor. */
export function readAll(fd: number): string {
  const parts: Buffer[] = [];
  for (;;) {
    const buffer = Buffer.allocUnsafe(16384);
    const n = readSync(fd, buffer, 0, buffer.length, null);
    if (n === 0) return Buffer.concat(parts).toString();
    parts.push(buffer.subarray(0, n));
  }
}

/** A pipe as [read end, write end], close-on-exec. */
export function pipe(): [number, number] {
  const fds = new Int32Array(2);
  syscall("pipe2", undefined, new Uint8Array(fds.buffer), O_CLOEXEC);
  return [fds[0]!, fds[1]!];
}

/** f_type of the file system that holds `path`. */
export function fileSystemType(path: string): number {
  const buffer = new BigInt64Array(15);
  syscall("statfs", path, path, new Uint8Array(buffer.buffer));
  return Number(buffer[0]);
}

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const ALL_SEALS = 0x0f;

/** A memfd that holds `bytes` and that nobody can change any more. */
export function sealedMemfd(name: string, bytes: Uint8Array): number {
  const fd = syscall("memfd_create", name, name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  syscall("fcntl", name, fd, F_ADD_SEALS, ALL_SEALS);
  return fd;
}

/** A sealed memfd that holds the launcher. */
export function launcherFd(): number {
  const fd = native.launcher();
  if (fd < 0) throw new SysError("memfd_create", -fd, "launcher");
  return fd;
}

/** Takes an exclusive flock(2); with `wait` false returns false when somebody else holds it. */
export function lock(fd: number, wait = true): boolean {
  const LOCK_EX = 2;
  const LOCK_NB = 4;
  const result = trySyscall("flock", fd, LOCK_EX | (wait ? 0 : LOCK_NB));
  if (result === -11) return false;
  if (result < 0) throw new SysError("flock", -result);
  return true;
}

const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** Sets or clears close-on-exec. */
export function setCloseOnExec(fd: number, on: boolean): void {
  syscall("fcntl", undefined, fd, F_SETFD, on ? FD_CLOEXEC : 0);
}

/** mknod(2); `mode` includes the type. */
export function mknod(path: string, mode: number, device = 0n): void {
  syscall("mknodat", path, AT_FDCWD, path, mode, device);
}

/** mkfifo(3). */
export function mkfifo(path: string, mode: number): void {
  mknod(path, constants.S_IFIFO | mode);
}
