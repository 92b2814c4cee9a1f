/** Cgroup files: opened below the cgroup root and nowhere else, written with one write(2). */
import { closeSync, constants, readFileSync } from "node:fs";
import {
  AT_FDCWD,
  CGROUP2_SUPER_MAGIC,
  isErrno,
  O_PATH,
  openat2,
  pollReadable,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  SysError,
  syscall,
  trySyscall,
  writeOnce,
} from "@gantry/sys";

const CGROUP_SUPER_MAGIC = 0x27e0eb;
const AT_REMOVEDIR = 0x200;

/** An open handle on the top of the cgroup tree. */
export interface CgroupRoot {
  readonly fd: number;
  /** With a slash at its end. */
  readonly prefix: string;
  readonly resolve: number;
}

/** Opens the directory that all cgroup files lie below; cgroup v2 has no links and one mount, so neither is followed there. */
export function openRoot(path: string, v2: boolean): CgroupRoot {
  const fd = openat2(AT_FDCWD, path, constants.O_DIRECTORY | O_PATH);
  const resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (v2 ? RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS : 0);
  return { fd, prefix: `${path}/`, resolve };
}

/** Opens `path`, absolute. @throws SysError that names it. */
export function openBelow(root: CgroupRoot, path: string, flags: number): number {
  if (!path.startsWith(root.prefix))
    return path === root.prefix.slice(0, -1) ? openSelf(root, flags) : openElsewhere(path, flags);
  try {
    return openat2(root.fd, path.slice(root.prefix.length), flags, root.resolve);
  } catch (error) {
    throw error instanceof SysError ? new SysError(error.call, error.errno, path) : error;
  }
}

function openSelf(root: CgroupRoot, flags: number): number {
  return openat2(root.fd, ".", flags);
}

/** A hierarchy mounted outside the usual place: taken only if it really is a cgroup file system. */
function openElsewhere(path: string, flags: number): number {
  const fd = openat2(AT_FDCWD, path, flags, RESOLVE_NO_MAGICLINKS);
  const stat = new BigInt64Array(15);
  const result = trySyscall("fstatfs", fd, new Uint8Array(stat.buffer));
  if (result === 0 && [CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC].includes(Number(stat[0]))) return fd;
  closeSync(fd);
  throw new SysError("open", result < 0 ? -result : EXDEV, path);
}
const EXDEV = 18;

/** Writes `value` with a single write(2). @throws SysError that names the file. */
export function writeFile(root: CgroupRoot, path: string, value: string): void {
  const fd = openBelow(root, path, constants.O_WRONLY);
  try {
    writeOnce(fd, value, path);
  } finally {
    closeSync(fd);
  }
}

/** The whole text of a file. @throws SysError that names it. */
export function readFile(root: CgroupRoot, path: string): string {
  const fd = openBelow(root, path, constants.O_RDONLY);
  try {
    return readFileSync(fd, "utf8");
  } catch (error) {
    throw withPath(error, path);
  } finally {
    closeSync(fd);
  }
}

/** The same, or undefined when there is no such file, or its cgroup went away meanwhile. */
export function tryReadFile(root: CgroupRoot, path: string): string | undefined {
  try {
    return readFile(root, path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENODEV")) return undefined;
    throw error;
  }
}

function withPath(error: unknown, path: string): unknown {
  return error instanceof Error && "errno" in error && typeof error.errno === "number"
    ? new SysError("read", Math.abs(error.errno), path)
    : error;
}

const EEXIST = 17;
const ENOENT = 2;

/** mkdir(2), mode 0755. @returns false when the directory was there already. */
export function makeDirectory(path: string): boolean {
  const result = trySyscall("mkdirat", AT_FDCWD, path, 0o755);
  if (result === -EEXIST) return false;
  if (result < 0) throw new SysError("mkdir", -result, path);
  return true;
}

/** Makes `path` and its missing parents. @returns the directories made, outermost first. */
export function makeDirectories(path: string): string[] {
  const result = trySyscall("mkdirat", AT_FDCWD, path, 0o755);
  if (result >= 0) return [path];
  if (result === -EEXIST) return [];
  const parent = path.slice(0, path.lastIndexOf("/"));
  if (result !== -ENOENT || parent === "") throw new SysError("mkdir", -result, path);
  const made = makeDirectories(parent);
  if (makeDirectory(path)) made.push(path);
  return made;
}

/** rmdir(2). @returns 0, or −errno. */
export function removeDirectory(path: string): number {
  return trySyscall("unlinkat", AT_FDCWD, path, AT_REMOVEDIR);
}

/** Gives a file to a user, leaving its group. */
export function changeOwner(path: string, uid: number): void {
  syscall("fchownat", path, AT_FDCWD, path, uid, -1, 0);
}

/** Blocks this thread; for the short waits that the kernel offers no event for. */
export function pause(ms: number): void {
  pollReadable([], ms);
}
