/** config-linux.md, "Namespaces", and what needs one. */
import { NAMESPACES } from "../names.ts";
import type { Spec } from "../spec.ts";
import type { IDMapping, Linux, NamespaceType } from "../spec-linux.ts";
import type { ValidationFacts } from "../validate.ts";
import { type Findings, fail, isNameOf, warn } from "./findings.ts";
import { isMapped, validateMap } from "./mappings.ts";

export function validateNamespaces(spec: Spec, facts: ValidationFacts, to: Findings): void {
  validateList(spec.linux, facts, to);
  if (spec.hostname && !hasNamespace(spec.linux, "uts"))
    fail(to, "hostname", "unable to set hostname without a private UTS namespace");
  if (spec.domainname && !hasNamespace(spec.linux, "uts"))
    fail(to, "domainname", "unable to set domainname without a private UTS namespace");
  if (!hasNamespace(spec.linux, "mount"))
    for (const field of ["maskedPaths", "readonlyPaths"] as const)
      if ((spec.linux?.[field] ?? []).length > 0)
        fail(to, `linux.${field}`, "unable to restrict sys entries without a private MNT namespace");
  validateUser(spec.linux, facts, to);
  validateTime(spec.linux, to);
  if (facts.rootless) validateRootless(spec.linux, to);
}

/** New or joined. */
export function hasNamespace(linux: Linux | undefined, type: NamespaceType): boolean {
  return linux?.namespaces?.some((namespace) => namespace.type === type) ?? false;
}

/** The path of the namespace to join, `""` for a new one, undefined for the runtime's own. */
export function namespacePath(linux: Linux | undefined, type: NamespaceType): string | undefined {
  const namespace = linux?.namespaces?.find((namespace) => namespace.type === type);
  return namespace && (namespace.path ?? "");
}

function validateList(linux: Linux | undefined, facts: ValidationFacts, to: Findings): void {
  const seen = new Set<string>();
  for (const [i, { type, path }] of linux?.namespaces?.entries() ?? []) {
    const at = `linux.namespaces[${i}]`;
    if (!isNameOf(to, `${at}.type`, type, NAMESPACES, (name) => `namespace "${name}" does not exist`)) continue;
    if (seen.has(type)) fail(to, `${at}.type`, `malformed spec file: duplicated ns "${type}"`);
    seen.add(type);
    if (path && !path.startsWith("/")) fail(to, `${at}.path`, `must be an absolute path, not "${path}"`);
    if (facts.namespaces !== undefined && !facts.namespaces.includes(type))
      fail(to, `${at}.type`, `${type} namespaces aren't enabled in the kernel`);
  }
}

function validateUser(linux: Linux | undefined, facts: ValidationFacts, to: Findings): void {
  const { uidMappings: uid = [], gidMappings: gid = [] } = linux ?? {};
  const path = namespacePath(linux, "user");
  validateMap(uid, "linux.uidMappings", to);
  validateMap(gid, "linux.gidMappings", to);
  if (path === undefined) {
    const field = uid.length > 0 ? "linux.uidMappings" : "linux.gidMappings";
    if (uid.length + gid.length > 0)
      fail(to, field, "user namespace mappings specified, but user namespace isn't enabled in the config");
  } else if (path !== "") {
    if (uid.length + gid.length > 0) validateJoinedMappings(uid, gid, facts, to);
  } else if (uid.length + gid.length === 0) {
    const text = "user namespaces enabled, but no namespace path to join nor mappings to apply specified";
    fail(to, "linux.uidMappings", text);
  } else {
    validateRootMapped(uid, "uid", to);
    validateRootMapped(gid, "gid", to);
  }
}

/** containerd and CRI-O give the path and the maps of the same namespace: allowed, as long as they agree. */
function validateJoinedMappings(
  uid: readonly IDMapping[],
  gid: readonly IDMapping[],
  { joinedUserMappings: joined }: ValidationFacts,
  to: Findings,
): void {
  if (joined === undefined) return;
  if (sameMap(uid, joined.uid) && sameMap(gid, joined.gid))
    warn(to, "linux.uidMappings", "both a userns path to join and a matching userns mapping specified; give one");
  else
    fail(
      to,
      "linux.uidMappings",
      "user namespaces enabled, but both namespace path and non-matching mapping specified -- you may only provide one",
    );
}

function sameMap(a: readonly IDMapping[], b: readonly IDMapping[]): boolean {
  const text = (map: readonly IDMapping[]) =>
    map.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}`).join();
  return text(a) === text(b);
}

/** Whatever uid the process has, the launcher sets the container up as its root. */
function validateRootMapped(map: readonly IDMapping[], id: "uid" | "gid", to: Findings): void {
  const at = `linux.${id}Mappings`;
  if (map.length === 0) fail(to, at, `user namespaces enabled, but no ${id} mappings found`);
  else if (!isMapped(0, map)) fail(to, at, `user namespaces enabled, but no mapping found for ${id} 0`);
}

function validateTime(linux: Linux | undefined, to: Findings): void {
  const offsets = linux?.timeOffsets;
  if (offsets === undefined) return;
  const path = namespacePath(linux, "time");
  if (path === undefined)
    fail(to, "linux.timeOffsets", "time namespace offsets specified, but time namespace isn't enabled in the config");
  else if (path !== "")
    fail(
      to,
      "linux.timeOffsets",
      "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one",
    );
  for (const clock of ["monotonic", "boottime"] as const)
    if ((offsets[clock]?.nanosecs ?? 0) >= 1_000_000_000)
      fail(to, `linux.timeOffsets.${clock}.nanosecs`, `must be less than 1000000000, not ${offsets[clock]!.nanosecs}`);
}

function validateRootless(linux: Linux | undefined, to: Findings): void {
  const path = namespacePath(linux, "user");
  if (path === undefined) fail(to, "linux.namespaces", "rootless container requires user namespaces");
  if (path !== "") return;
  if ((linux?.uidMappings ?? []).length === 0)
    fail(to, "linux.uidMappings", "rootless containers requires at least one UID mapping");
  if ((linux?.gidMappings ?? []).length === 0)
    fail(to, "linux.gidMappings", "rootless containers requires at least one GID mapping");
}
