/** The mounts of config.json, in order; runtime-spec, config.md, "Mounts". */
import {
  type IDMapping,
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOSYMFOLLOW,
  type Mount,
  MS_BIND,
  MS_DIRSYNC,
  MS_LAZYTIME,
  MS_MANDLOCK,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  MS_SYNCHRONOUS,
  type ParsedMountOptions,
  PROC_FILES,
  parseIdmapValue,
  parseMountOptions,
  type Spec,
} from "@gantry/oci";
import { add, type Plan } from "../plan/plan.ts";
import { mountCgroups } from "./cgroup-mount.ts";
import type { Facts } from "./facts.ts";
import {
  ATIME,
  ATIME_FLAGS,
  ATTACH,
  attributes,
  isFilledLater,
  MOUNT_FLAGS,
  targetOf,
  WITHOUT_DEVICE,
  wantsProxy,
} from "./mount-attributes.ts";
import { waitForCgroup } from "./namespaces.ts";

export function mountAll(plan: Plan, spec: Spec, facts: Facts): void {
  for (const [i, mount] of (spec.mounts ?? []).entries()) {
    const from = `mounts[${i}]`;
    const options = parseMountOptions(mount.options);
    if (options.flags & MS_REMOUNT && !(options.flags & MS_BIND)) remount(plan, from, mount, options, facts);
    else if (options.flags & MS_BIND) bind(plan, from, mount, options, spec, facts);
    else if (mount.type === "cgroup" || mount.type === "cgroup2") mountCgroups(plan, from, mount, options, spec, facts);
    else mountFileSystem(plan, from, mount, options, spec, facts);
    finish(plan, from, options);
  }
}

/** Flags of the file system itself → parameter of fsconfig(2). */
const PARAMETERS: readonly (readonly [number, string])[] = [
  [MS_SYNCHRONOUS, "sync"],
  [MS_DIRSYNC, "dirsync"],
  [MS_MANDLOCK, "mand"],
  [MS_LAZYTIME, "lazytime"],
];

function parameters(type: string, options: ParsedMountOptions, flags: number): string[] {
  const list = PARAMETERS.filter(([flag]) => flags & flag).map(([, name]) => name);
  if (flags & MS_RDONLY && !WITHOUT_DEVICE.has(type)) list.push("ro");
  for (const data of options.data) list.push(...splitData(data));
  return list;
}

/** A string may hold several options; commas inside quotes belong to a value (SELinux contexts). */
function splitData(data: string): string[] {
  if (!data.includes(",")) return [data];
  return (data.match(/(?:[^,"]|"[^"]*")+/g) ?? []).map((part) => part.replaceAll('"', ""));
}

function mountFileSystem(
  plan: Plan,
  from: string,
  mount: Mount,
  options: ParsedMountOptions,
  spec: Spec,
  facts: Facts,
): void {
  const type = mount.type ?? "";
  const target = targetOf(mount, facts);
  const late = isFilledLater(type, target);
  const flags = late ? options.flags & ~MS_RDONLY : options.flags;
  const list = parameters(type, options, flags).filter((one) => !isUnmappedGroup(one, type, spec, facts));
  const label = spec.linux?.mountLabel;
  if (label && facts.selinux && type !== "proc" && type !== "sysfs") list.push(`context=${label}`);
  const covered = type === "tmpfs" && !list.some((one) => one.startsWith("mode=")) ? target : "";
  add(plan, from, "new_fs", [type, mount.source || type, list, attributes(flags), type === "sysfs" ? 1 : 0, covered]);
  if (type === "tmpfs" && options.extensions.includes("tmpcopyup")) {
    waitForCgroup(plan, facts); // the container pays for its copy
    add(plan, from, "copy_up", [target]);
  }
  const real = type === "proc" || type === "sysfs";
  add(plan, from, "attach", [target, ATTACH.directory, 0o755, real ? ATTACH.realDirectory : 0]);
}

/** The group of terminals (`gid=5`) that a user namespace with few groups does not have: terminals then belong to its root's. */
function isUnmappedGroup(parameter: string, type: string, spec: Spec, facts: Facts): boolean {
  const mappings = spec.linux?.gidMappings ?? [];
  if (type !== "devpts" || !facts.rootless || mappings.length === 0 || !/^gid=\d+$/.test(parameter)) return false;
  const gid = Number(parameter.slice(4));
  return !mappings.some(({ containerID, size }) => gid >= containerID && gid < containerID + size);
}

function bind(plan: Plan, from: string, mount: Mount, options: ParsedMountOptions, spec: Spec, facts: Facts): void {
  const { flags, extensions } = options;
  const target = targetOf(mount, facts);
  const source = mount.source!.startsWith("/") ? mount.source! : `${facts.bundle}/${mount.source}`;
  const link = facts.links.get(from);
  if (link !== undefined) {
    add(plan, from, "symlink", [target, link]);
    return;
  }
  const nofollow = extensions.includes("sourceNoFollow");
  const idmapped =
    extensions.includes("idmap") || extensions.includes("ridmap") || (mount.uidMappings?.length ?? 0) > 0;
  const policy = { proxy: wantsProxy(spec, facts) };
  add(plan, from, "clone_tree", [source, (flags & MS_REC ? 1 : 0) | (nofollow ? 2 : 0)], policy);
  if (idmapped) idmap(plan, from, mount, options, spec, policy);
  setAttributes(plan, from, options);
  const onProc = PROC_FILES.has(target) ? ATTACH.onProcFile : 0;
  const still = extensions.includes("destinationNoFollow") ? ATTACH.noFollow : 0;
  add(plan, from, "attach", [target, ATTACH.like, 0o755, onProc | still]);
}

/**
 * As with mount(2), naming one flag says all of them, but the access time is kept where no mode is asked for; with
 * `remount` only what is named changes. A flag that an outer namespace has locked stays, unless it is named.
 */
function setAttributes(plan: Plan, from: string, { flags, clearedFlags }: ParsedMountOptions): void {
  if (((flags | clearedFlags) & MOUNT_FLAGS) === 0) return;
  const atime = flags & ATIME_FLAGS ? MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME : 0;
  const named = attributes(clearedFlags & ~ATIME_FLAGS) | atime;
  const unnamed = attributes(MOUNT_FLAGS & ~flags & ~ATIME_FLAGS) | atime;
  const clear = flags & MS_REMOUNT ? named : unnamed;
  add(plan, from, "mount_attr", [0, attributes(flags), clear, 0, named | (clear & MOUNT_ATTR_NOSYMFOLLOW)]);
}

function idmap(
  plan: Plan,
  from: string,
  mount: Mount,
  options: ParsedMountOptions,
  spec: Spec,
  policy: { proxy: boolean },
): void {
  const recursive = options.extensions.includes("ridmap") ? 1 : 0;
  const crun = options.idmapValue === undefined ? undefined : parseIdmapValue(options.idmapValue);
  const uid = crun?.uid ?? mount.uidMappings ?? [];
  const gid = crun?.gid ?? mount.gidMappings ?? [];
  const joined = spec.linux?.namespaces?.find((n) => n.type === "user")?.path;
  if (uid.length === 0 && joined) add(plan, from, "idmap_ns", [joined, recursive], policy);
  else {
    const own = uid.length > 0;
    const uids = own ? uid : (spec.linux?.uidMappings ?? []);
    const gids = own ? gid : (spec.linux?.gidMappings ?? []);
    add(plan, from, "idmap", [mapText(uids), mapText(gids), recursive], policy);
  }
}

/** The lines of uid_map and gid_map; user_namespaces(7). */
export function mapText(map: readonly IDMapping[]): string {
  return map.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");
}

function remount(plan: Plan, from: string, mount: Mount, options: ParsedMountOptions, facts: Facts): void {
  const set = attributes(options.flags);
  const clear = attributes(MOUNT_FLAGS & ~options.flags & ~ATIME);
  add(plan, from, "remount", [
    targetOf(mount, facts),
    set,
    parameters("tmpfs", options, options.flags & ~MS_RDONLY),
    clear,
  ]);
}

/** What is asked of the whole tree below the mount, and where its mounts propagate. */
function finish(plan: Plan, from: string, options: ParsedMountOptions): void {
  if (options.attrSet | options.attrClear)
    add(plan, from, "mount_attr", [1, options.attrSet, options.attrClear, 0, options.attrClear]);
  for (const flag of options.propagation)
    add(plan, from, "mount_attr", [flag & MS_REC ? 1 : 0, 0, 0, flag & ~MS_REC, 0]);
}
