/** Where a container's cgroups are. Pure. */
import { posix } from "node:path";
import type { CgroupHost, Hierarchy } from "./host.ts";

/** Absolute directory by controller, `""` being cgroup v2: what `cgroup_paths` of a state file holds. */
export type CgroupPaths = Readonly<Record<string, string>>;

/** The v1 controllers in the order in which they are created and joined; `""` is the v2 side of a hybrid host. */
export const V1_CONTROLLERS = [
  "cpuset",
  "devices",
  "memory",
  "cpu",
  "cpuacct",
  "pids",
  "blkio",
  "hugetlb",
  "net_cls",
  "net_prio",
  "perf_event",
  "freezer",
  "rdma",
  "name=systemd",
  "misc",
  "",
] as const;

/**
 * The directories of the cgroupfs driver. An absolute `cgroupsPath` lies below the mount points; a relative one (or, when
 * empty, `id`) below our own cgroup on v1, and beside it on v2: a v2 cgroup with processes cannot have controllers below it.
 */
export function cgroupfsPaths(host: CgroupHost, cgroupsPath: string, id: string): CgroupPaths {
  const inner = cleanPath(cgroupsPath === "" ? id : cgroupsPath);
  if (host.mode === "v2") return { "": v2Path(host.unified!, inner) };
  const paths: Record<string, string> = {};
  for (const controller of V1_CONTROLLERS) {
    const hierarchy = findHierarchy(host, controller);
    if (hierarchy !== undefined) paths[controller] = v1Path(hierarchy, inner);
  }
  return paths;
}

/** @returns the hierarchy that has `controller` (`""`: cgroup v2), if it is mounted. */
export function findHierarchy(host: CgroupHost, controller: string): Hierarchy | undefined {
  if (controller === "") return host.unified;
  for (const hierarchy of host.hierarchies) if (hierarchy.controllers.includes(controller)) return hierarchy;
  return undefined;
}

function v1Path(hierarchy: Hierarchy, inner: string): string {
  const { mountPoint, controllers } = hierarchy;
  if (inner.startsWith("/") || controllers[0] === "") return join(mountPoint, inner);
  return join(ownDirectory(hierarchy), inner);
}

/** Our own cgroup as a directory: inside a container `/proc/self/cgroup` may name it from the host's point of view. */
export function ownDirectory({ mountPoint, root, own }: Hierarchy): string {
  if (root === "/") return join(mountPoint, own);
  const below = posix.relative(root, own);
  return below.startsWith("..") ? mountPoint : join(mountPoint, below);
}

function v2Path(unified: Hierarchy, inner: string): string {
  return join(unified.mountPoint, inner.startsWith("/") ? inner : join(posix.dirname(unified.own), inner));
}

/** Lexically clean, still relative or absolute, and never leading out of where it starts. */
export function cleanPath(path: string): string {
  if (isClean(path)) return path;
  const absolute = posix.normalize(`/${path}`).replace(/(.)\/$/, "$1");
  return path.startsWith("/") ? absolute : absolute.slice(1);
}

/** True for nearly every path that comes by; the real thing costs a tenth of a millisecond when a program has just started. */
function isClean(path: string): boolean {
  if (path === "/") return true;
  return !(path.startsWith(".") || path.endsWith("/") || path.includes("/.") || path.includes("//"));
}

/** Joins without letting `..` of `inner` escape `base`. */
function join(base: string, inner: string): string {
  const below = cleanPath(inner.startsWith("/") ? inner : `/${inner}`);
  return below === "/" ? base : base === "/" ? below : base + below;
}
