/** Removing cgroups, innermost first. */
import { FailedPrecondition } from "@gantry/oci";
import { errnoText } from "@gantry/sys";
import { type CgroupState, distinctPaths } from "./cgroup.ts";
import { pause, removeDirectory } from "./file.ts";
import { childDirectories } from "./pids.ts";

const ENOENT = 2;
const EINTR = 4;
const EBUSY = 16;
const TRIES = 10;

/** @throws FailedPrecondition naming what could not be removed; the rest is removed all the same. */
export function destroyCgroup({ host, paths }: CgroupState): void {
  const tops = [...host.hierarchies, ...(host.unified === undefined ? [] : [host.unified])].map((h) => h.mountPoint);
  const failed: string[] = [];
  for (const path of distinctPaths(paths)) {
    if (tops.includes(path)) continue; // a container in the root cgroup
    const errno = removeTree(path);
    if (errno !== 0) failed.push(`${path}: ${errnoText(errno)}`);
  }
  if (failed.length > 0) throw new FailedPrecondition(`cannot remove the container's cgroup: ${failed.join("; ")}`);
}

/** @returns 0 or the errno. Absent is fine. Processes that are about to vanish are given about a second. */
export function removeTree(path: string): number {
  const errno = remove(path);
  if (errno === 0) return 0;
  for (const child of childDirectories(path)) {
    const inner = removeTree(`${path}/${child}`);
    if (inner !== 0) return inner;
  }
  let left = errno;
  for (let attempt = 0, delay = 1; attempt <= TRIES; attempt++, delay *= 2) {
    left = remove(path);
    if (left !== EBUSY) break;
    if (attempt < TRIES) pause(delay);
  }
  return left;
}

function remove(path: string): number {
  for (;;) {
    const result = -removeDirectory(path);
    if (result === ENOENT) return 0;
    if (result !== EINTR) return result;
  }
}
