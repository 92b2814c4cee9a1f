/** Ids of the container as the host knows them. */
import type { IDMapping } from "@gantry/oci";

/** The id on the host of an id in the container; the id itself without mappings. */
export function hostId(map: readonly IDMapping[] | undefined, id: number): number {
  if (!map?.length) return id;
  for (const { containerID, hostID, size } of map) {
    if (id >= containerID && id < containerID + size) return hostID + (id - containerID);
  }
  return 65534;
}
