/** config.md, "Mounts". What needs the root filesystem at hand (links, the kind of a source) is the launcher's to check. */
import {
  MOUNT_OPTIONS,
  MS_BIND,
  MS_REMOUNT,
  type ParsedMountOptions,
  parseMountOptions,
  UNLISTED_MOUNT_OPTIONS,
} from "../mount-options.ts";
import { PROC_FILES } from "../names.ts";
import type { Mount, Spec } from "../spec.ts";
import type { IDMapping } from "../spec-linux.ts";
import type { ValidationFacts } from "../validate.ts";
import { type Findings, fail, warn } from "./findings.ts";
import { isMapped, validateMap } from "./mappings.ts";
import { hasNamespace } from "./namespaces.ts";

export function validateMounts(spec: Spec, facts: ValidationFacts, to: Findings): void {
  for (const [i, mount] of spec.mounts?.entries() ?? []) {
    const at = `mounts[${i}]`;
    const options = parseMountOptions(mount.options);
    validateDestination(mount, options, at, to);
    validateType(mount, options, at, to);
    if ((options.flags & MS_BIND) !== 0) validateBind(mount, options, at, to);
    else warnOfSlips(options, at, to);
    validateIdMap(mount, options, spec, facts, at, to);
    if (facts.rootless) validateRootlessData(options, spec, at, to);
  }
}

function validateDestination(mount: Mount, options: ParsedMountOptions, at: string, to: Findings): void {
  const { destination } = mount;
  if (!destination.startsWith("/"))
    warn(to, `${at}.destination`, `relative destination "${destination}" is deprecated; taken as relative to /`);
  const path = cleanPath(destination);
  if (path === "/") {
    fail(to, `${at}.destination`, `"${destination}" is on the top of rootfs; nothing can be mounted there`);
  } else if (path === "/proc") {
    // A bind of a procfs is fine: the launcher looks at what the source is.
    if (mount.type !== "proc" && (options.flags & MS_BIND) === 0)
      fail(to, `${at}.destination`, `"${path}" cannot be mounted because it is not of type proc`);
  } else if (path.startsWith("/proc/") && !PROC_FILES.has(path)) {
    fail(to, `${at}.destination`, `"${path}" cannot be mounted because it is inside /proc`);
  }
}

/** @returns `path` made absolute, without `.`, `..` and double slashes; `..` stops at the root. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function validateType(mount: Mount, { flags }: ParsedMountOptions, at: string, to: Findings): void {
  if ((flags & (MS_BIND | MS_REMOUNT)) !== 0) return;
  if (mount.type === "bind" || mount.type === "rbind")
    fail(to, `${at}.options`, `a mount of type "${mount.type}" needs the option "bind" or "rbind"`);
  else if (!mount.type) fail(to, `${at}.type`, 'must be set, or "bind" or "rbind" be among the options');
}

/** The kernel does not look at a filesystem's data when it binds: an option that would have no effect is refused. */
function validateBind(mount: Mount, options: ParsedMountOptions, at: string, to: Findings): void {
  if (!mount.source) fail(to, `${at}.source`, "must be set for a bind mount");
  for (const [n, index] of options.dataIndexes.entries()) {
    const hint = nearestOption(options.data[n]!);
    fail(
      to,
      `${at}.options[${index}]`,
      `unknown option "${options.data[n]}"${hint} (bind mounts cannot have any filesystem-specific options applied)`,
    );
  }
}

/** Flags of common filesystems that have no `=`, so that they are not taken for slips. */
const FILESYSTEM_FLAGS: ReadonlySet<string> = new Set([
  ...[
    "newinstance",
    "noswap",
    "inode32",
    "inode64",
    "acl",
    "noacl",
    "user_xattr",
    "nouser_xattr",
    "noload",
    "norecovery",
  ],
  ...["discard", "nodiscard", "hard", "soft", "intr", "nointr", "nolock", "lock", "all", "none", "clone_children"],
  ...["xattr", "noxattr", "release_agent", "nsdelegate", "favordynmods", "memory_localevents", "memory_recursiveprot"],
  ...["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "net_cls", "net_prio"],
  ...["perf_event", "rdma", "misc"],
]);

/** A word one letter away from a known option is handed to the filesystem all the same, but probably a slip. */
function warnOfSlips(options: ParsedMountOptions, at: string, to: Findings): void {
  for (const [n, index] of options.dataIndexes.entries()) {
    const word = options.data[n]!;
    if (word.includes("=") || word.length < 3 || FILESYSTEM_FLAGS.has(word)) continue;
    const hint = nearestOption(word, 1);
    if (hint !== "") warn(to, `${at}.options[${index}]`, `unknown option "${word}"${hint} (left to the filesystem)`);
  }
}

function nearestOption(word: string, within = 3): string {
  const { editDistance, nearest } = require("../suggest.ts") as typeof import("../suggest.ts");
  const near = nearest(word, [...Object.keys(MOUNT_OPTIONS), ...Object.keys(UNLISTED_MOUNT_OPTIONS)]);
  return near !== undefined && editDistance(word, near) <= within ? `; did you mean "${near}"?` : "";
}

/** config.md: `idmap`, `ridmap`, `uidMappings`, `gidMappings`. */
function validateIdMap(
  mount: Mount,
  options: ParsedMountOptions,
  spec: Spec,
  facts: ValidationFacts,
  at: string,
  to: Findings,
): void {
  const { uidMappings: uid = [], gidMappings: gid = [] } = mount;
  const asked = options.extensions.some((name) => name === "idmap" || name === "ridmap");
  if (!asked && uid.length + gid.length === 0) return;
  validateMap(uid, `${at}.uidMappings`, to);
  validateMap(gid, `${at}.gidMappings`, to);
  if ((options.flags & MS_BIND) === 0) fail(to, at, "id-mapped mounts are only supported for bind-mounts");
  if (facts.rootless) fail(to, at, "id-mapped mounts are not supported for rootless containers");
  const own = uid.length > 0 && gid.length > 0;
  const inherited = uid.length + gid.length === 0 && hasNamespace(spec.linux, "user");
  if (options.idmapValue !== undefined) {
    if (parseIdmapValue(options.idmapValue) === undefined)
      fail(to, `${at}.options`, `"idmap=${options.idmapValue}": must look like "uids=0-1000-10;gids=0-1000-10"`);
  } else if (!own && !inherited) {
    const missing = uid.length === 0 ? "uidMappings" : "gidMappings";
    fail(to, `${at}.${missing}`, "id-mapped mounts must have both uid and gid mappings specified");
  }
}

/**
 * Reads what follows `idmap=` in crun's notation: `uids=` and `gids=` separated by `;`, ranges `container-host-size`
 * separated by `#`. @returns undefined when it is not of that form.
 */
export function parseIdmapValue(value: string): { uid: IDMapping[]; gid: IDMapping[] } | undefined {
  const maps: { uid: IDMapping[]; gid: IDMapping[] } = { uid: [], gid: [] };
  for (const part of value.split(";")) {
    const match = /^(uid|gid)s=(\d+-\d+-\d+(?:#\d+-\d+-\d+)*)$/.exec(part);
    if (match === null) return undefined;
    for (const range of match[2]!.split("#")) {
      const [containerID = 0, hostID = 0, size = 0] = range.split("-").map(Number);
      maps[match[1] as "uid" | "gid"].push({ containerID, hostID, size });
    }
  }
  return maps.uid.length > 0 && maps.gid.length > 0 ? maps : undefined;
}

/**
 * `uid=` and `gid=` of a filesystem are ids of the container: without a mapping the mount would fail half-way. What a
 * namespace that is joined maps is known there.
 */
function validateRootlessData(options: ParsedMountOptions, { linux }: Spec, at: string, to: Findings): void {
  const joined = linux?.namespaces?.some(({ type, path }) => type === "user" && path);
  for (const [n, index] of options.dataIndexes.entries()) {
    const match = /^(uid|gid)=(\d+)$/.exec(options.data[n]!);
    if (match === null || (joined && linux?.uidMappings === undefined)) continue;
    const map = (match[1] === "uid" ? linux?.uidMappings : linux?.gidMappings) ?? [];
    if (map.length > 0 && isMapped(Number(match[2]), map)) continue;
    const why = `user namespaces enabled, but no mapping found for ${match[1]} ${match[2]}`;
    fail(to, `${at}.options[${index}]`, `cannot specify ${match[0]} mount option for rootless container: ${why}`);
  }
}
