/** Intel RDT for the containers that ask for it; the code is loaded for them alone. */
import type { Spec } from "@gantry/oci";
import type { RdtGroup } from "./cgroups/index.ts";

/** The container's share of cache and memory bandwidth. @throws FailedPrecondition on a host that has none to give. */
export function rdtGroup({ linux }: Spec, id: string, path?: string): RdtGroup | undefined {
  if (linux?.intelRdt === undefined || path === "") return undefined;
  const { openRdt } = require("./cgroups/rdt.ts") as typeof import("./cgroups/rdt.ts");
  return openRdt({ config: linux.intelRdt, id, ...(path && { path }) });
}
