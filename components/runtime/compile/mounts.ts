/** The mounts of config.json, in order; runtime-spec, config.md, "Mounts". */
import {
  cleanPath,
  type IDMapping,
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  MS_BIND,
  MS_DIRSYNC,
  MS_LAZYTIME,
  MS_MANDLOCK,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_REMOUNT,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
  type Mount,
  type ParsedMountOptions,
  PROC_FILES,
  parseIdmapValue,
  parseMountOptions,
  type Spec,
} from "@gantry/oci";
import { add, type Plan } from "../plan/plan.ts";
import { mountCgroups } from "./cgroup-mount.ts";
import type { Facts } from "./facts.ts";
import { waitForCgroup } from "./namespaces.ts";
import { isFilledLater } from "./rootfs.ts";

/** Kinds of targets and flags of `attach`; see native/launcher/mount.c. */
export const ATTACH = { like: 0, directory: 1, realDirectory: 1, onProcFile: 2, noFollow: 4 } as const;

export function mountAll(plan: Plan, spec: Spec, facts: Facts): void {
  for (const [i, mount] of (spec.mounts ?? []).entries()) {
    const from = `mounts[${i}]`;
    const options = parseMountOptions(mount.options);
    if (options.flags & MS_REMOUNT && !(options.flags & MS_BIND)) remount(plan, from, mount, options);
    else if (options.flags & MS_BIND) bind(plan, from, mount, options, spec, facts);
    else if (mount.type === "cgroup" || mount.type === "cgroup2") mountCgroups(plan, from, mount, options, spec, facts);
    else mountFileSystem(plan, from, mount, options, spec, facts);
    finish(plan, from, options);
  }
}

/** Flag of mount(2) → attribute of mount_setattr(2), for those that belong to the mount and not to the file system. */
const ATTRIBUTES: readonly (readonly [number, number])[] = [
  [MS_RDONLY, MOUNT_ATTR_RDONLY],
  [MS_NOSUID, MOUNT_ATTR_NOSUID],
  [MS_NODEV, MOUNT_ATTR_NODEV],
  [MS_NOEXEC, MOUNT_ATTR_NOEXEC],
  [MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW],
  [MS_NODIRATIME, MOUNT_ATTR_NODIRATIME],
];
const ATIME = MS_NOATIME | MS_RELATIME | MS_STRICTATIME;
const MOUNT_FLAGS = ATTRIBUTES.reduce((all, [flag]) => all | flag, ATIME);

/** MOUNT_ATTR_* for MS_*; the access time mode is one value, relatime being 0. */
export function attributes(flags: number): number {
  let attr = flags & MS_NOATIME ? MOUNT_ATTR_NOATIME : flags & MS_STRICTATIME ? MOUNT_ATTR_STRICTATIME : 0;
  for (const [flag, bit] of ATTRIBUTES) if (flags & flag) attr |= bit;
  return attr;
}

/** Flags of the file system itself → parameter of fsconfig(2). */
const PARAMETERS: readonly (readonly [number, string])[] = [
  [MS_SYNCHRONOUS, "sync"],
  [MS_DIRSYNC, "dirsync"],
  [MS_MANDLOCK, "mand"],
  [MS_LAZYTIME, "lazytime"],
];

/** File systems that many mounts share or that live in memory: `ro` is the mount's affair, not the file system's. */
const WITHOUT_DEVICE: ReadonlySet<string> = new Set(["proc", "sysfs", "tmpfs", "devpts", "mqueue", "ramfs", "devtmpfs", "securityfs", "debugfs", "tracefs", "bpf", "overlay", "fuse", "fusectl", "configfs", "pstore", "efivarfs", "hugetlbfs"]);

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

function mountFileSystem(plan: Plan, from: string, mount: Mount, options: ParsedMountOptions, spec: Spec, facts: Facts): void {
  const type = mount.type ?? "";
  const target = cleanPath(mount.destination);
  const late = isFilledLater(type, target);
  const flags = late ? options.flags & ~MS_RDONLY : options.flags;
  const list = parameters(type, options, flags);
  const label = spec.linux?.mountLabel;
  if (label && facts.selinux && type !== "proc" && type !== "sysfs") list.push(`context=${label}`);
  const copies = type === "tmpfs" ? (options.extensions.includes("tmpcopyup") ? 1 : 0) | (list.some((one) => one.startsWith("mode=")) ? 0 : 2) : 0;
  if (copies & 2) list.push("mode=0755");
  const source = mount.source || type;
  add(plan, from, "new_fs", [type, source, list, attributes(flags), type === "sysfs" ? 1 : 0]);
  if (copies & 1) waitForCgroup(plan, facts); // the container pays for its copy
  if (copies) add(plan, from, "copy_up", [target, copies]);
  const real = type === "proc" || type === "sysfs";
  add(plan, from, "attach", [target, ATTACH.directory, 0o755, real ? ATTACH.realDirectory : 0]);
}

function bind(plan: Plan, from: string, mount: Mount, options: ParsedMountOptions, spec: Spec, facts: Facts): void {
  const { flags, clearedFlags } = options;
  const target = cleanPath(mount.destination);
  const source = mount.source!.startsWith("/") ? mount.source! : `${facts.bundle}/${mount.source}`;
  const nofollow = options.extensions.includes("sourceNoFollow") || options.extensions.includes("copySymlink");
  // In a user namespace the container's root may not reach the source; the process that stayed outside can.
  const proxy = !facts.rootless && (spec.linux?.namespaces?.some((n) => n.type === "user") ?? false);
  const idmapped = options.extensions.includes("idmap") || options.extensions.includes("ridmap") || (mount.uidMappings?.length ?? 0) > 0;
  const policy = { proxy };
  add(plan, from, "clone_tree", [source, (flags & MS_REC ? 1 : 0) | (nofollow ? 2 : 0)], policy);
  if (idmapped) idmap(plan, from, mount, options, spec, policy);
  const asked = (flags | clearedFlags) & MOUNT_FLAGS;
  if (asked) {
    // As with mount(2), naming one flag says all of them; a flag locked by an outer namespace stays unless named.
    const set = attributes(flags);
    const clear = attributes(MOUNT_FLAGS & ~flags & ~ATIME) | MOUNT_ATTR__ATIME;
    const named = attributes(clearedFlags & ~ATIME) | ((flags | clearedFlags) & ATIME ? MOUNT_ATTR__ATIME : 0);
    add(plan, from, "mount_attr", [0, set, clear, 0, named]);
  }
  const onProc = PROC_FILES.has(target) ? ATTACH.onProcFile : 0;
  const still = options.extensions.includes("destinationNoFollow") ? ATTACH.noFollow : 0;
  add(plan, from, "attach", [target, ATTACH.like, 0o755, onProc | still]);
}

function idmap(plan: Plan, from: string, mount: Mount, options: ParsedMountOptions, spec: Spec, policy: { proxy: boolean }): void {
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

function remount(plan: Plan, from: string, mount: Mount, options: ParsedMountOptions): void {
  const set = attributes(options.flags);
  const clear = attributes(MOUNT_FLAGS & ~options.flags & ~ATIME);
  add(plan, from, "remount", [cleanPath(mount.destination), set, parameters("tmpfs", options, options.flags & ~MS_RDONLY), clear]);
}

/** What is asked of the whole tree below the mount, and where its mounts propagate. */
function finish(plan: Plan, from: string, options: ParsedMountOptions): void {
  if (options.attrSet | options.attrClear)
    add(plan, from, "mount_attr", [1, options.attrSet, options.attrClear, 0, options.attrClear]);
  for (const flag of options.propagation) add(plan, from, "mount_attr", [flag & MS_REC ? 1 : 0, 0, 0, flag & ~MS_REC, 0]);
}
