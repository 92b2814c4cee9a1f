/** The control groups as the container sees them; config-linux.md, "Default Filesystems". */
import { hasNamespace, type Mount, MS_RDONLY, type ParsedMountOptions, type Spec } from "@gantry/oci";
import { add, type Plan } from "../plan/plan.ts";
import type { CgroupMountStep, Facts } from "./facts.ts";
import { ATTACH, attributes, targetOf } from "./mount-attributes.ts";
import { waitForCgroup } from "./namespaces.ts";

export function mountCgroups(
  plan: Plan,
  from: string,
  mount: Mount,
  options: ParsedMountOptions,
  spec: Spec,
  facts: Facts,
): void {
  const readonly = (options.flags & MS_RDONLY) !== 0;
  const steps = facts.cgroupMounts?.({ readonly, namespaced: hasNamespace(spec.linux, "cgroup") }) ?? [];
  if (steps.length > 0) waitForCgroup(plan, facts); // its directories must be there
  for (const step of steps) mountStep(plan, from, targetOf(mount, facts), step, options.flags);
}

function mountStep(plan: Plan, from: string, base: string, step: CgroupMountStep, flags: number): void {
  const path = step.path === "" ? base : `${base}/${step.path}`;
  switch (step.kind) {
    case "tmpfs":
      add(plan, from, "new_fs", ["tmpfs", "tmpfs", ["mode=755"], attributes(flags & ~MS_RDONLY), 0, ""]);
      add(plan, from, "attach", [path, ATTACH.directory, 0o755, 0]);
      break;
    case "cgroup":
      add(plan, from, "new_fs", [step.type, "cgroup", step.options, attributes(flags), 0, ""]);
      add(plan, from, "attach", [path, ATTACH.directory, 0o755, 0]);
      break;
    case "bind":
      add(plan, from, "clone_tree", [step.source, 0]);
      add(plan, from, "mount_attr", [0, attributes(step.readonly ? flags | MS_RDONLY : flags), 0, 0, 0]);
      add(plan, from, "attach", [path, ATTACH.directory, 0o755, 0]);
      break;
    case "symlink":
      add(plan, from, "symlink", [path, step.target]);
      break;
    case "readonly":
      add(plan, from, "late_readonly", [path]);
      break;
  }
}
