/** user_namespaces(7): maps of uids and gids. */
import type { Spec } from "../spec.ts";
import type { IDMapping } from "../spec-linux.ts";
import type { ValidationFacts } from "../validate.ts";
import { type Findings, fail } from "./findings.ts";

/** Linux ≥ 4.15. */
const MAX_EXTENTS = 340;
const ID_SPACE = 2 ** 32 - 1;

/** @returns if `id` of the container is in `map`. */
export function isMapped(id: number, map: readonly IDMapping[]): boolean {
  return map.some(({ containerID, size }) => id >= containerID && id - containerID < size);
}

/**
 * The maps that will be in force in the container: those of the configuration for a new user namespace, the namespace's own
 * for a joined one. @returns undefined without user namespace, or when they are not known.
 */
export function userMappings(
  { linux }: Spec,
  facts: ValidationFacts,
): { uid: readonly IDMapping[]; gid: readonly IDMapping[] } | undefined {
  const user = linux?.namespaces?.find(({ type }) => type === "user");
  if (user === undefined) return undefined;
  if (user.path) return facts.joinedUserMappings;
  const { uidMappings: uid = [], gidMappings: gid = [] } = linux!;
  return uid.length > 0 && gid.length > 0 ? { uid, gid } : undefined;
}

/** What the kernel refuses when the map is written: empty, overlapping or too many ranges, ids beyond 2^32 − 2. */
export function validateMap(map: readonly IDMapping[], at: string, to: Findings): void {
  if (map.length > MAX_EXTENTS) fail(to, at, `${map.length} ranges; the kernel takes at most ${MAX_EXTENTS}`);
  for (const [i, { containerID, hostID, size }] of map.entries()) {
    if (size === 0) fail(to, `${at}[${i}].size`, "must be greater than zero");
    for (const [name, first] of [
      ["containerID", containerID],
      ["hostID", hostID],
    ] as const)
      if (first + size > ID_SPACE) fail(to, `${at}[${i}].${name}`, `${first} + ${size} ids is beyond ${ID_SPACE}`);
  }
  if (map.length > MAX_EXTENTS) return;
  for (const field of ["containerID", "hostID"] as const) {
    const other = firstOverlap(map, field);
    if (other !== undefined) fail(to, `${at}[${other}].${field}`, "the range overlaps an earlier one");
  }
}

function firstOverlap(map: readonly IDMapping[], field: "containerID" | "hostID"): number | undefined {
  for (let i = 1; i < map.length; i++)
    for (let j = 0; j < i; j++)
      if (map[i]![field] < map[j]![field] + map[j]!.size && map[j]![field] < map[i]![field] + map[i]!.size) return i;
  return undefined;
}
