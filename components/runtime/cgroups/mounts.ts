/** What a mount of type `cgroup` amounts to inside the container. Pure; the plan compiler makes operations of it. */
import type { CgroupMountStep } from "../compile/facts.ts";
import type { CgroupHost } from "./host.ts";
import type { CgroupPaths } from "./paths.ts";

export interface CgroupMountOptions {
  readonly readonly: boolean;
  /** The container has a cgroup namespace of its own. */
  readonly namespaced: boolean;
  /** Rootless, or with a user namespace: the whole tree can neither be mounted nor should it be seen. */
  readonly confined: boolean;
}

/**
 * The steps in order, their paths relative to the destination; runtime sheet, cgroups, "cgroup mount inside".
 * `paths` are those of the container's cgroup, after it was made.
 */
export function cgroupMounts(host: CgroupHost, paths: CgroupPaths, options: CgroupMountOptions): CgroupMountStep[] {
  return host.mode === "v2" ? unifiedMount(paths[""], options) : v1Mounts(host, paths, options);
}

/** A confined container without a namespace sees its own directory; without a directory, an empty one in place of the host's tree. */
function unifiedMount(own: string | undefined, { namespaced, confined }: CgroupMountOptions): CgroupMountStep[] {
  if (namespaced || !confined) return [{ kind: "cgroup", path: "", type: "cgroup2", options: [] }];
  return own === undefined
    ? [
        { kind: "tmpfs", path: "" },
        { kind: "readonly", path: "" },
      ]
    : [{ kind: "bind", path: "", source: own }];
}

function v1Mounts(
  host: CgroupHost,
  paths: CgroupPaths,
  { readonly, namespaced }: CgroupMountOptions,
): CgroupMountStep[] {
  const mounts: CgroupMountStep[] = [];
  const links: CgroupMountStep[] = [];
  for (const { controllers, mountPoint } of host.hierarchies) {
    const path = mountPoint.slice(mountPoint.lastIndexOf("/") + 1);
    const source = paths[controllers[0]!];
    if (namespaced) mounts.push({ kind: "cgroup", path, type: "cgroup", options: controllers });
    else if (source !== undefined) mounts.push({ kind: "bind", path, source });
    for (const alias of controllers)
      if (controllers.length > 1 && alias !== path) links.push({ kind: "symlink", path: alias, target: path });
  }
  const end: CgroupMountStep[] = readonly ? [{ kind: "readonly", path: "" }] : [];
  return [{ kind: "tmpfs", path: "" }, ...mounts, ...links, ...end];
}
