/** The processes of a cgroup. */
import { readdirSync } from "node:fs";
import { isErrno } from "@gantry/sys";
import { type CgroupRoot, readFile } from "./file.ts";

/** Pids in `directory`, and below it when `recursive`. Sub-cgroups that vanish meanwhile count as empty; so does an absent one. */
export function listPids(root: CgroupRoot, directory: string, recursive: boolean): number[] {
  const pids = readPids(root, directory);
  if (recursive)
    for (const child of childDirectories(directory)) pids.push(...listPids(root, `${directory}/${child}`, true));
  return pids;
}

/** Names of the sub-cgroups; none when the directory is gone. */
export function childDirectories(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENODEV")) return [];
    throw error;
  }
}

/** A threaded v2 cgroup lists no processes, but its threads. */
function readPids(root: CgroupRoot, directory: string): number[] {
  let text: string;
  try {
    text = readFile(root, `${directory}/cgroup.procs`);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENODEV")) return [];
    if (!isErrno(error, "EOPNOTSUPP", "ENOTSUP")) throw error;
    text = readFile(root, `${directory}/cgroup.threads`);
  }
  return text === "" ? [] : text.trimEnd().split("\n").map(Number);
}
