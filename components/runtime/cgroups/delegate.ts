/** Giving a cgroup v2 directory to the container's root, so that it can make cgroups of its own below. */
import { readFileSync } from "node:fs";
import { cleanPath, namespacePath, type Spec } from "@gantry/oci";
import { isErrno } from "@gantry/sys";
import type { CgroupState } from "./cgroup.ts";
import { changeOwner } from "./file.ts";

const LIST = "/sys/kernel/cgroup/delegate";
/** cgroups(7), for kernels before 4.15. */
const BEFORE_THE_LIST = ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];

/**
 * The user of the container who may make cgroups: that of its process, when it sees a writable cgroup mount through a
 * namespace of its own. Undefined when there is nothing to give away. Pure.
 */
export function delegatedUser({ process, mounts = [], linux }: Spec): number | undefined {
  const namespaced = namespacePath(linux, "cgroup") === "";
  const mount = mounts.find((m) => m.type?.startsWith("cgroup") && cleanPath(m.destination) === "/sys/fs/cgroup");
  const writable = mount !== undefined && !mount.options?.includes("ro");
  return namespaced && writable ? (process?.user?.uid ?? 0) : undefined;
}

/** Changes the owner of the directory and of the files that the kernel names as safe to give away. */
export function delegate({ paths }: CgroupState, uid: number): void {
  const directory = paths[""];
  if (directory === undefined) return;
  changeOwner(directory, uid);
  for (const file of delegatedFiles()) {
    try {
      changeOwner(`${directory}/${file}`, uid);
    } catch (error) {
      // Files of controllers that are not enabled here.
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
}

function delegatedFiles(): readonly string[] {
  try {
    return readFileSync(LIST, "utf8").split("\n").filter(Boolean);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return BEFORE_THE_LIST;
    throw error;
  }
}
