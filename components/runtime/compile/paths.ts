/** Paths that the container may see but not write, or not see; config-linux.md, "Masked Paths" and "Readonly Paths". */
import { cleanPath, type Spec } from "@gantry/oci";
import { add, type Plan } from "../plan/plan.ts";

const ENOENT = 2;
const ENOTDIR = 20;

export function readonlyPaths(plan: Plan, spec: Spec): void {
  for (const [i, path] of (spec.linux?.readonlyPaths ?? []).entries())
    add(plan, `linux.readonlyPaths[${i}]`, "readonly_path", [cleanPath(path)], { ignore: [ENOENT] });
}

/** What lies below a masked directory is covered already. */
export function maskPaths(plan: Plan, spec: Spec): void {
  const masked = new Set<string>();
  for (const [i, name] of (spec.linux?.maskedPaths ?? []).entries()) {
    const path = cleanPath(name);
    if (masked.has(path)) continue;
    masked.add(path);
    add(plan, `linux.maskedPaths[${i}]`, "mask_path", [path], { ignore: [ENOENT, ENOTDIR] });
  }
}
