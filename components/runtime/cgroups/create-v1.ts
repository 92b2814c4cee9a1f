/** Making the directories of all v1 hierarchies. */
import { FailedPrecondition, PermissionDenied } from "@gantry/oci";
import { isErrno } from "@gantry/sys";
import { applyWrites } from "./apply.ts";
import { type CgroupState, optional, requireUnused, tolerated } from "./cgroup.ts";
import { makeDirectories, readFile, writeFile } from "./file.ts";
import { findHierarchy } from "./paths.ts";
import type { CgroupWrite } from "./resources/write.ts";

/** In the order of making, so that a failure can take them back in reverse. */
export type CreatedDirectories = string[];

/** These go first: if a directory is there already, the others are not touched before it is known to be unused and not frozen. */
const TELLING = ["devices", "freezer"];

export function createV1(state: CgroupState, writes: readonly CgroupWrite[], made: CreatedDirectories): void {
  const telling = TELLING.filter((controller) => state.paths[controller] !== undefined);
  if (telling.map((controller) => makeOne(state, controller, made)).includes(false)) requireUnused(state);
  makeHierarchies(state, made);
  const early = writes.filter((w) => w.kind === "file" && w.policy?.beforeJoin === true);
  if (early.length > 0) applyWrites(state, early);
}

/** Makes what is missing, and has the cpuset take processes. */
export function makeHierarchies(state: CgroupState, made: CreatedDirectories): void {
  for (const controller in state.paths) if (!made.includes(state.paths[controller]!)) makeOne(state, controller, made);
  if (state.paths.cpuset !== undefined) inheritCpuset(state, state.paths.cpuset, made);
}

/** @returns false when the directory was there already. */
function makeOne(state: CgroupState, controller: string, made: CreatedDirectories): boolean {
  try {
    const news = makeDirectories(state.paths[controller]!);
    made.push(...news);
    return news.length > 0;
  } catch (error) {
    if (!optional(controller, error) && !tolerated(state, error)) throw creationError(error);
    delete state.paths[controller];
    return true;
  }
}

function creationError(error: unknown): unknown {
  if (!isErrno(error, "EACCES", "EPERM", "EROFS")) return error;
  return new PermissionDenied(`unable to apply cgroup configuration: ${(error as Error).message}`, { cause: error });
}

/** A new cpuset is empty, and no process can join one: what the parent has is copied down, level by level. */
function inheritCpuset(state: CgroupState, path: string, made: CreatedDirectories): void {
  const { root } = state;
  const top = findHierarchy(state.host, "cpuset")!.mountPoint;
  const levels: string[] = [];
  for (let at = path; at.length > top.length; at = at.slice(0, at.lastIndexOf("/"))) levels.unshift(at);
  let parent = top;
  for (const level of levels) {
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      if (!made.includes(level) && readFile(root, `${level}/${file}`).trim() !== "") continue;
      const value = readFile(root, `${parent}/${file}`);
      if (value.trim() === "") throw new FailedPrecondition(`${parent}/${file} is empty: no process can join below it`);
      writeFile(root, `${level}/${file}`, value);
    }
    parent = level;
  }
}
