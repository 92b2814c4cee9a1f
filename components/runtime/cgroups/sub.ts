/** Sub-cgroups for `exec --cgroup`. */
import { constants, readFileSync } from "node:fs";
import { FailedPrecondition, InvalidArgument } from "@gantry/oci";
import { isErrno } from "@gantry/sys";
import { type CgroupState, writeProcs } from "./cgroup.ts";
import { openBelow, tryReadFile } from "./file.ts";
import { parseCgroupFile } from "./host.ts";
import { cleanPath } from "./paths.ts";

/**
 * Each of `subs` is `PATH` (for all controllers, alone) or `CONTROLLER[,CONTROLLER…]:PATH`.
 * @returns path by controller, `""` being all. Pure.
 */
export function parseSubCgroups(subs: readonly string[]): Record<string, string> {
  const paths: Record<string, string> = {};
  for (const sub of subs) {
    const colon = sub.indexOf(":");
    if (colon < 0) {
      if (subs.length !== 1)
        throw new InvalidArgument(`invalid --cgroup argument: ${sub} (missing <controller>: prefix)`);
      return { "": sub };
    }
    for (const controller of sub.slice(0, colon).split(",")) {
      if (controller === "") throw new InvalidArgument(`invalid --cgroup argument: ${sub} (empty <controller> prefix)`);
      if (paths[controller] !== undefined)
        throw new InvalidArgument(`invalid --cgroup argument(s): controller ${controller} specified multiple times`);
      paths[controller] = sub.slice(colon + 1);
    }
  }
  return paths;
}

/** Writes the pid to the sub-cgroups named, and to the container's own cgroup where none is. */
export function joinSub(state: CgroupState, pid: number, subs: readonly string[]): void {
  const wanted = parseSubCgroups(subs);
  for (const controller of Object.keys(wanted))
    if (controller !== "" && state.paths[controller] === undefined)
      throw new FailedPrecondition(`unknown controller ${controller} in SubCgroupPaths`);
  const done = new Set<string>();
  for (const [controller, base] of Object.entries(state.paths)) {
    const path = below(base, wanted[controller] ?? wanted[""] ?? "");
    if (done.has(path)) continue;
    done.add(path);
    try {
      writeProcs(state.root, path, String(pid));
    } catch (error) {
      if (state.options.rootless && isErrno(error, "EACCES", "EPERM", "EROFS", "ENOENT")) continue;
      if (controller === "" && state.host.mode !== "v2" && isErrno(error, "ENOENT")) continue;
      throw new FailedPrecondition(`error adding pid ${pid} to cgroups: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** cgroups(7), "no internal processes": a directory that passes controllers on to its children has none of its own. */
export function takesProcesses({ root }: CgroupState, directory: string): boolean {
  return tryReadFile(root, `${directory}/cgroup.subtree_control`)?.trim() === "";
}

/** The v2 directory that `pid` is in: it may have moved, and taken the right to have processes from the one it was in. */
export function directoryFdOf({ host, root }: CgroupState, pid: number): number {
  const own = parseCgroupFile(readFileSync(`/proc/${pid}/cgroup`, "utf8")).get("");
  if (host.mode !== "v2" || own === undefined)
    throw new FailedPrecondition("only a cgroup v2 directory can be cloned into");
  return openBelow(
    root,
    host.unified!.mountPoint + (own === "/" ? "" : own),
    constants.O_DIRECTORY | constants.O_RDONLY,
  );
}

/** @throws InvalidArgument when `sub` leads out of the container's cgroup. */
export function below(base: string, sub: string): string {
  if (sub.split("/").includes("..") && !cleanInside(sub)) throw new InvalidArgument(`bad sub cgroup path: ${sub}`);
  const inner = cleanPath(`/${sub}`);
  return inner === "/" ? base : base + inner;
}

/** Whether no prefix of the path leads above its start. */
function cleanInside(sub: string): boolean {
  let depth = 0;
  for (const part of sub.split("/")) {
    if (part === "..") depth--;
    else if (part !== "" && part !== ".") depth++;
    if (depth < 0) return false;
  }
  return true;
}
