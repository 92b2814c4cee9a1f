/** What a container of an ordinary user sees of the control groups, where that user may not make any. */
import { accessSync, constants, existsSync } from "node:fs";
import { directoryName } from "@gantry/sys";
import type { CgroupHost } from "./cgroups/index.ts";
import { ownDirectory } from "./cgroups/paths.ts";
import type { CgroupMountStep } from "./compile/facts.ts";

/**
 * Directories that cannot be made are replaced by the one that we are in ourselves, never writable (CVE-2023-25809); on
 * cgroup v2 by an empty one.
 */
export function withoutMissing(steps: readonly CgroupMountStep[], host: CgroupHost): CgroupMountStep[] {
  return steps.flatMap((step): CgroupMountStep[] => {
    if (step.kind !== "bind" || canMake(step.source)) return [step];
    const hierarchy = host.hierarchies.find(({ mountPoint }) => step.source.startsWith(`${mountPoint}/`));
    if (hierarchy) return [{ ...step, source: ownDirectory(hierarchy), readonly: true }];
    return [
      { kind: "tmpfs", path: step.path },
      { kind: "readonly", path: step.path },
    ];
  });
}

function canMake(directory: string): boolean {
  if (!existsSync(directory) && directory !== "/") return canMake(directoryName(directory));
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false; // whatever the reason, it will not be ours
  }
}
