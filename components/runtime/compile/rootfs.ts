/** The root file system: opened first, changed to last, then made as read-only as asked. */
import {
  cleanPath,
  MS_BIND,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
  mountOption,
  parseMountOptions,
  type Spec,
} from "@gantry/oci";
import { add, type Plan } from "../plan/plan.ts";
import type { CompileOptions, Facts } from "./facts.ts";
import { isFilledLater, targetOf } from "./mount-attributes.ts";

function rootPropagation(spec: Spec): number {
  const option = mountOption(spec.linux?.rootfsPropagation ?? "");
  return option?.does === "propagation" ? option.flag | MS_REC : 0;
}

export function openRoot(plan: Plan, spec: Spec, facts: Facts, isolated: boolean): void {
  if (isolated) {
    const propagation = rootPropagation(spec);
    // unbindable comes at the end: until then we bind the root on itself.
    const first = propagation && !(propagation & MS_UNBINDABLE) ? propagation : MS_SLAVE | MS_REC;
    add(plan, "linux.rootfsPropagation", "propagation", ["/", first]);
    // Something shared above the root would refuse pivot_root, and carry our mounts out to the host.
    if (first & MS_SHARED) add(plan, "root.path", "parent_private", [facts.rootfs]);
  }
  add(plan, "root.path", "open_root", [facts.rootfs]);
}

export function changeRoot(plan: Plan, spec: Spec, facts: Facts, options: CompileOptions, isolated: boolean): void {
  const from = "root.path";
  if (!isolated) add(plan, from, "chroot", []);
  else if (options.noPivot) {
    for (const path of facts.kernelMounts) add(plan, from, "cover", [path]);
    add(plan, from, "move_root", []);
  } else add(plan, from, "pivot_root", []);
  const propagation = rootPropagation(spec);
  if (isolated && propagation & (MS_SHARED | MS_UNBINDABLE | MS_PRIVATE))
    add(plan, "linux.rootfsPropagation", "root_propagation", [propagation & ~MS_REC]);
  add(plan, "process", "reopen_null", []);
  const cwd = spec.process?.cwd ?? "/";
  if (cleanPath(cwd) !== "/") add(plan, "process.cwd", "mkdir", [cleanPath(cwd), 0o755], { ignore: [20] });
  if (spec.process?.terminal) {
    const size = spec.process.consoleSize;
    add(plan, "process.terminal", "console", [size?.height ?? 0, size?.width ?? 0, isolated ? 1 : 0]);
  }
}

/** What was needed writable until now: tmpfs mounts and /dev that asked for `ro`, then the root. */
export function sealRoot(plan: Plan, spec: Spec, facts: Facts): void {
  for (const [i, mount] of (spec.mounts ?? []).entries()) {
    const { flags } = parseMountOptions(mount.options);
    const target = targetOf(mount, facts);
    if (flags & MS_RDONLY && !(flags & MS_BIND) && isFilledLater(mount.type, target))
      add(plan, `mounts[${i}]`, "late_readonly", [target]);
  }
  if (spec.root?.readonly) add(plan, "root.readonly", "late_readonly", ["/"]);
  add(plan, "process.user.umask", "umask", [spec.process?.user?.umask ?? 0o022]);
}
