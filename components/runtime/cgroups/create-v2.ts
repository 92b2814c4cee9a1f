/** Making a cgroup v2 directory, and giving it its controllers level by level. */
import { FailedPrecondition, PermissionDenied } from "@gantry/oci";
import { isErrno } from "@gantry/sys";
import { applyWrites } from "./apply.ts";
import { type CgroupState, requireUnused } from "./cgroup.ts";
import { makeDirectory, tryReadFile, writeFile } from "./file.ts";
import type { CgroupWrite } from "./resources/write.ts";

/** Controllers that work in threaded cgroups; the others need a domain. */
const THREADED = new Set(["cpu", "cpuset", "perf_event", "pids", "cgroup", "devices"]);

/** `made` gets the new directories, outermost first. */
export function createV2(state: CgroupState, writes: readonly CgroupWrite[], made: string[]): void {
  const path = state.paths[""]!;
  try {
    makeLevels(state, path, writes, made);
  } catch (error) {
    if (!isErrno(error, "EACCES", "EPERM", "EROFS")) throw error;
    const limits = writes.some((w) => w.kind === "file");
    const { rootless, cgroupsPath } = state.options;
    if (rootless && !cgroupsPath && !limits) {
      delete state.paths[""];
      return;
    }
    const reason = (error as Error).message;
    throw new PermissionDenied(
      rootless && !cgroupsPath
        ? `rootless needs no limits + no cgrouppath when no permission is granted for cgroups: ${reason}`
        : `unable to apply cgroup configuration: ${reason}`,
      { cause: error },
    );
  }
  if (made.at(-1) !== path) requireUnused(state);
  if (state.options.ownerUid !== undefined) giveAway(state, state.options.ownerUid);
  const early = writes.filter((w) => w.kind === "file" && w.policy?.beforeJoin === true);
  if (early.length > 0) applyWrites(state, early);
}

/** Makes the missing levels, and enables the controllers at each. */
export function makeLevels(state: CgroupState, path: string, writes: readonly CgroupWrite[], made: string[]): void {
  const { root, host } = state;
  const top = host.unified!.mountPoint;
  const controllers = host.controllers.map((name) => `+${name}`);
  let at = top;
  for (const name of path === top ? [] : path.slice(top.length + 1).split("/")) {
    enable(state, at, controllers);
    at += `/${name}`;
    if (makeDirectory(at)) made.push(at);
    requireUsableType(at, tryReadFile(root, `${at}/cgroup.type`)?.trim(), writes, (value) => {
      try {
        writeFile(root, `${at}/cgroup.type`, value);
      } catch {
        // Not every invalid domain can become threaded; joining it then fails with the kernel's reason.
      }
    });
  }
}

/** All at once, or, since one that is not to be had refuses them all, one by one: what is missing is seen when it is written to. */
function enable({ root }: CgroupState, directory: string, controllers: readonly string[]): void {
  if (controllers.length === 0) return;
  const file = `${directory}/cgroup.subtree_control`;
  if (tryWrite(() => writeFile(root, file, controllers.join(" ")))) return;
  for (const one of controllers) tryWrite(() => writeFile(root, file, one));
}

/** Delegates the directory to the container's root. */
export function giveAway(state: CgroupState, uid: number): void {
  const { delegate } = require("./delegate.ts") as typeof import("./delegate.ts");
  delegate(state, uid);
}

function tryWrite(write: () => void): boolean {
  try {
    write();
    return true;
  } catch {
    return false;
  }
}

/** cgroups(7): below a cgroup that has processes, or threads, only threaded controllers can be used. */
function requireUsableType(
  directory: string,
  type: string | undefined,
  writes: readonly CgroupWrite[],
  setType: (value: string) => void,
): void {
  if (type === undefined || type === "domain") return;
  const domain = writes.find((w) => w.kind === "file" && !THREADED.has(w.controller));
  if (domain !== undefined) {
    const why = type === "domain invalid" ? "it is in an invalid state" : `it is in ${type} mode`;
    throw new FailedPrecondition(
      `${domain.from}: cannot enter cgroupv2 "${directory}" with domain controllers -- ${why}`,
    );
  }
  if (type === "domain invalid") setType("threaded");
}
