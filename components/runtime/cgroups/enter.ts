/** How a container's process enters its cgroup on v1 and hybrid hosts without being moved by another process. */
import { closeSync, constants } from "node:fs";
import { isErrno, SysError } from "@gantry/sys";
import { type CgroupState, distinctPaths } from "./cgroup.ts";
import { makeDirectories, openBelow, removeDirectory } from "./file.ts";

/** The launcher takes no more at once. */
const MAX_TASK_FILES = 32;

/** @returns descriptors of the `tasks` files; undefined where only `join` can do it, or knows what may be missing. */
export function taskFiles({ options, host, paths, root }: CgroupState): number[] | undefined {
  if (host.mode === "v2" || options.driver === "systemd" || options.rootless || options.userNamespace) return undefined;
  const directories = distinctPaths(paths).filter((path) => path !== paths[""]);
  if (directories.length > MAX_TASK_FILES) return undefined;
  const files: number[] = [];
  try {
    for (const path of directories) files.push(openBelow(root, `${path}/tasks`, constants.O_WRONLY));
    return files;
  } catch (error) {
    for (const fd of files) closeSync(fd);
    if (error instanceof SysError) return undefined;
    throw error;
  }
}

/** @returns undefined where there is no v2 half, or no right to it: no limit of ours is there, so nothing depends on it. */
export function unifiedFd({ host, options, paths, root, early }: CgroupState, make: boolean): number | undefined {
  const path = paths[""];
  if (host.mode === "v2" || path === undefined || options.driver === "systemd" || options.rootless) return undefined;
  try {
    if (make) early.push(...makeDirectories(path));
    return openBelow(root, path, constants.O_DIRECTORY | constants.O_RDONLY);
  } catch (error) {
    if (!isErrno(error, "EACCES", "EPERM", "EROFS", "ENOENT")) throw error;
    return undefined;
  }
}

export function dropUnified({ early }: CgroupState): void {
  for (const path of early.splice(0).reverse()) removeDirectory(path);
}
