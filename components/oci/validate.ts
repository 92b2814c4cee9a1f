/** Everything that can be known to be wrong with a configuration before the kernel is asked; config.md, config-linux.md. */
import { InvalidArgument } from "./errors.ts";
import type { Process, Spec } from "./spec.ts";
import type { IDMapping, NamespaceType, Resources } from "./spec-linux.ts";
import type { Findings } from "./validate/findings.ts";
import { validateLinux } from "./validate/linux.ts";
import { validateMounts } from "./validate/mounts.ts";
import { validateNamespaces } from "./validate/namespaces.ts";
import { checkProcess } from "./validate/process.ts";
import { checkResources } from "./validate/resources.ts";
import { validateSeccomp } from "./validate/seccomp.ts";
import { validateSysctl } from "./validate/sysctl.ts";
import { validateHooks, validateTop } from "./validate/top.ts";

/**
 * What the answer depends on besides the configuration. Absent means unknown: that check is left to the kernel.
 */
export interface ValidationFacts {
  /** The effective uid is not 0. */
  readonly rootless: boolean;
  /** Where limits are written: `unified` is cgroup v2 alone, `hybrid` writes them through v1. */
  readonly cgroupMode: "v1" | "hybrid" | "unified";
  readonly systemdCgroup?: boolean;
  readonly noPivot?: boolean;
  /** The network namespace that the configuration names by path is the runtime's own (same device and inode). */
  readonly networkIsHost?: boolean;
  /** The mappings of the user namespace that the configuration names by path. */
  readonly joinedUserMappings?: { readonly uid: readonly IDMapping[]; readonly gid: readonly IDMapping[] };
  /** The namespace types that the kernel has. */
  readonly namespaces?: readonly NamespaceType[];
  /** The greatest capability that the kernel has. */
  readonly lastCapability?: number;
  readonly apparmor?: boolean;
  readonly selinux?: boolean;
  readonly intelRdt?: boolean;
}

/**
 * Checks a configuration that `parseSpec` returned.
 * @returns warnings: what is ignored, deprecated or probably a slip.
 * @throws InvalidArgument with every failure, each naming its field, in `failures`.
 */
export function validate(spec: Spec, facts: ValidationFacts): string[] {
  const found: Findings = { failures: [], warnings: [] };
  validateTop(spec, found);
  if (spec.process !== undefined) checkProcess(spec.process, spec, facts, found);
  validateNamespaces(spec, facts, found);
  validateMounts(spec, facts, found);
  validateHooks(spec.hooks, found);
  if (spec.linux !== undefined) {
    validateSysctl(spec.linux, facts, found);
    validateLinux(spec, facts, found);
    if (spec.linux.resources !== undefined) checkResources(spec.linux.resources, facts, found);
    if (spec.linux.seccomp !== undefined) validateSeccomp(spec.linux.seccomp, found);
  }
  return conclude(found);
}

/** Checks the process of an `exec` in a container made from `spec`. As `validate`. */
export function validateProcess(process: Process, spec: Spec, facts: ValidationFacts): string[] {
  const found: Findings = { failures: [], warnings: [] };
  checkProcess(process, spec, facts, found);
  return conclude(found);
}

/** Checks the resources of an `update`. As `validate`. */
export function validateResources(resources: Resources, facts: ValidationFacts): string[] {
  const found: Findings = { failures: [], warnings: [] };
  checkResources(resources, facts, found);
  return conclude(found);
}

function conclude(found: Findings): string[] {
  if (found.failures.length > 0) throw new InvalidArgument(found.failures);
  return found.warnings;
}
