/** Removing cgroups, innermost first. */
import { FailedPrecondition } from "@gantry/oci";
import { errnoText } from "@gantry/sys";
import { type CgroupState, distinctPaths } from "./cgroup.ts";
import { pause, removeDirectory } from "./file.ts";
import { childDirectories } from "./pids.ts";

const ENOENT = 2;
const EINTR = 4;
const EBUSY = 16;

/** Processes that are about to vanish are given about a second: 1 + 2 + 4 … + 512 ms. */
const RETRIES = 10;

/** @throws FailedPrecondition naming what could not be removed; the rest is removed all the same. */
export function destroyCgroup({ host, paths }: CgroupState): void {
  const tops = [...host.hierarchies, ...(host.unified === undefined ? [] : [host.unified])].map((h) => h.mountPoint);
  // A container may live in a root cgroup, which stays.
  let left = distinctPaths(paths).filter((path) => !tops.includes(path));
  for (let attempt = 0, delayMs = 1; ; attempt++, delayMs *= 2) {
    const failed = left.map((path) => ({ path, errno: removeTree(path) })).filter(({ errno }) => errno !== 0);
    if (failed.length === 0) return;
    if (attempt === RETRIES || failed.every(({ errno }) => errno !== EBUSY)) throw refused(failed);
    left = failed.map(({ path }) => path);
    pause(delayMs);
  }
}

function refused(failed: readonly { readonly path: string; readonly errno: number }[]): FailedPrecondition {
  const reasons = failed.map(({ path, errno }) => `${path}: ${errnoText(errno)}`);
  return new FailedPrecondition(`cannot remove the container's cgroup: ${reasons.join("; ")}`);
}

/** @returns 0 or the errno. Absent is fine. */
export function removeTree(path: string): number {
  const errno = remove(path);
  if (errno === 0) return 0;
  const children = childDirectories(path);
  for (const child of children) {
    const inner = removeTree(`${path}/${child}`);
    if (inner !== 0) return inner;
  }
  return children.length === 0 ? errno : remove(path);
}

function remove(path: string): number {
  for (;;) {
    const result = -removeDirectory(path);
    if (result === ENOENT) return 0;
    if (result !== EINTR) return result;
  }
}
