/** Intel RDT: changing the cache and memory bandwidth of a container; runtime-spec, config-linux.md, "IntelRdt". */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FailedPrecondition, type Spec } from "@gantry/oci";

/** resctrl, as Documentation/arch/x86/resctrl.rst mounts it. */
export const RESCTRL = "/sys/fs/resctrl";

export interface RdtChange {
  readonly l3CacheSchema?: string;
  readonly memBwSchema?: string;
}

/** @throws FailedPrecondition when this host, or this container, has no such thing. */
export function requireRdt({ l3CacheSchema, memBwSchema }: RdtChange, spec: Spec): void {
  if (l3CacheSchema && !existsSync(`${RESCTRL}/info/L3`))
    throw new FailedPrecondition("Intel RDT/CAT: l3 cache schema is not enabled");
  if (memBwSchema && !existsSync(`${RESCTRL}/info/MB`))
    throw new FailedPrecondition("Intel RDT/MBA: memory bandwidth schema is not enabled");
  if (spec.linux?.intelRdt === undefined)
    throw new FailedPrecondition("updating a non-existent Intel RDT configuration is not supported");
}

/** Writes the schemata of `group`, an absolute directory. @throws FailedPrecondition with what resctrl says of it. */
export function setRdt({ l3CacheSchema, memBwSchema }: RdtChange, group: string): void {
  const schemata = [l3CacheSchema, memBwSchema].filter(Boolean).join("\n");
  try {
    writeFileSync(join(group, "schemata"), `${schemata}\n`);
  } catch (error) {
    const status = readFileSync(`${RESCTRL}/info/last_cmd_status`, "utf8").trim();
    throw new FailedPrecondition(`linux.intelRdt: ${(error as Error).message}: ${status}`, { cause: error });
  }
}
