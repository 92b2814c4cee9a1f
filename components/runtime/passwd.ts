/** Home directories, from a passwd file of the container. */
import { closeSync, constants } from "node:fs";
import { AT_FDCWD, isErrno, openat2, RESOLVE_IN_ROOT, readAll } from "@gantry/sys";

/** The home directory of `uid`: in the file `passwd`, or in that of the rootfs when it is "". "/" when there is none. */
export function homeOf(passwd: string, rootfs: string, uid: number): string {
  if (passwd !== "") return homeIn(AT_FDCWD, passwd, 0, uid);
  const root = openat2(AT_FDCWD, rootfs, constants.O_DIRECTORY);
  try {
    return homeIn(root, "etc/passwd", RESOLVE_IN_ROOT, uid);
  } finally {
    closeSync(root);
  }
}

/** passwd(5): name:password:uid:gid:comment:home:shell. A file that is missing or no file at all is no error. */
export function homeIn(dir: number, path: string, resolve: number, uid: number): string {
  let text: string;
  try {
    const fd = openat2(dir, path, constants.O_NONBLOCK, resolve);
    try {
      text = readAll(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "EISDIR", "ELOOP", "EINVAL", "EAGAIN", "ENXIO")) return "/";
    throw error;
  }
  for (const line of text.split("\n")) {
    const fields = line.split(":");
    if (fields.length >= 6 && Number(fields[2]) === uid && /^\d+$/.test(fields[2]!)) return fields[5] || "/";
  }
  return "/";
}
