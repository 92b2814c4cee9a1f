/** Descriptors that become readable when something happens elsewhere in the kernel. */
import { closeSync } from "node:fs";
import { SysError } from "./error.ts";
import { syscall, trySyscall } from "./syscall.ts";

const EFD_CLOEXEC = 0x80000;
const IN_CLOEXEC = 0x80000;
const IN_NONBLOCK = 0x800;
const IN_MODIFY = 2;

/** An eventfd(2), close-on-exec; 8 bytes are read from it after each signal. */
export function createEventFd(): number {
  return syscall("eventfd2", undefined, 0, EFD_CLOEXEC);
}

/** An inotify(7) descriptor, non-blocking, that tells when one of `paths` is modified. @throws SysError naming the path. */
export function watchModified(paths: readonly string[]): number {
  const fd = syscall("inotify_init1", undefined, IN_CLOEXEC | IN_NONBLOCK);
  for (const path of paths) {
    const result = trySyscall("inotify_add_watch", fd, path, IN_MODIFY);
    if (result >= 0) continue;
    closeSync(fd);
    throw new SysError("inotify_add_watch", -result, path);
  }
  return fd;
}
