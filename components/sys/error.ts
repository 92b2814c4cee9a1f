let names: Map<number, string> | undefined;

/** "ENOENT" for 2; "errno 4095" for a number without a name. */
export function errnoName(errno: number): string {
  // Required here: nothing that goes well needs it.
  const { constants } = require("node:os") as typeof import("node:os");
  // EWOULDBLOCK is another name of EAGAIN, and not the one that anybody looks for.
  names ??= new Map(
    Object.entries(constants.errno).flatMap(([name, number]) =>
      name === "EWOULDBLOCK" ? [] : [[number, name] as const],
    ),
  );
  return names.get(errno) ?? `errno ${errno}`;
}

/** A system call that failed. The message reads `openat2 /sys/fs/cgroup/x: no such file or directory (ENOENT)`. */
export class SysError extends Error {
  readonly code: string;

  constructor(
    readonly call: string,
    readonly errno: number,
    readonly path?: string,
  ) {
    super(`${call}${path === undefined ? "" : ` ${path}`}: ${errnoText(errno)}`);
    this.name = "SysError";
    this.code = errnoName(errno);
  }
}

/** True when `error` came from the kernel (ours or node's) with one of these errno names. */
export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && codes.includes(error.code);
}

/** What strerror(3) says, in lower case, for the errors that a container runtime meets. */
const TEXTS: Readonly<Record<string, string>> = {
  EPERM: "operation not permitted",
  ENOENT: "no such file or directory",
  ESRCH: "no such process",
  EINTR: "interrupted system call",
  EIO: "input/output error",
  ENXIO: "no such device or address",
  E2BIG: "argument list too long",
  ENOEXEC: "exec format error",
  EBADF: "bad file descriptor",
  ECHILD: "no child processes",
  EAGAIN: "resource temporarily unavailable",
  ENOMEM: "cannot allocate memory",
  EACCES: "permission denied",
  EFAULT: "bad address",
  EBUSY: "device or resource busy",
  EEXIST: "file exists",
  EXDEV: "invalid cross-device link",
  ENODEV: "no such device",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EINVAL: "invalid argument",
  ENFILE: "too many open files in system",
  EMFILE: "too many open files",
  ENOTTY: "inappropriate ioctl for device",
  ETXTBSY: "text file busy",
  EFBIG: "file too large",
  ENOSPC: "no space left on device",
  EROFS: "read-only file system",
  EMLINK: "too many links",
  EPIPE: "broken pipe",
  ERANGE: "numerical result out of range",
  ENAMETOOLONG: "file name too long",
  ENOSYS: "function not implemented",
  ENOTEMPTY: "directory not empty",
  ELOOP: "too many levels of symbolic links",
  ENODATA: "no data available",
  EPROTO: "protocol error",
  EOVERFLOW: "value too large for defined data type",
  ENOTSOCK: "socket operation on non-socket",
  EOPNOTSUPP: "operation not supported",
  EADDRINUSE: "address already in use",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  ETIMEDOUT: "connection timed out",
  ESTALE: "stale file handle",
  EDQUOT: "disk quota exceeded",
  ECANCELED: "operation canceled",
};

/** The text of an error number: "permission denied", or its name where we have no words. */
export function errnoText(errno: number): string {
  const name = errnoName(errno);
  return TEXTS[name] ?? name;
}
