/** Users: home directories, and the mappings of a new user namespace. */
import { closeSync, constants, writeFileSync } from "node:fs";
import { type IDMapping, parseMountOptions, cleanPath, MS_BIND, PermissionDenied, type Process, type Spec } from "@gantry/oci";
import { AT_FDCWD, isErrno, openat2, RESOLVE_IN_ROOT, readAll } from "@gantry/sys";
import { mapText } from "./compile/mounts.ts";

/** The home directory of `uid` in the passwd file that the container will see; "/" when it names none. */
export function homeOf(spec: Spec, rootfs: string, uid: number): string {
  if (spec.process && setsHome(spec.process)) return "";
  const mounted = spec.mounts?.findLast((mount) => cleanPath(mount.destination) === "/etc/passwd");
  if (mounted?.source && parseMountOptions(mounted.options).flags & MS_BIND) return homeIn(AT_FDCWD, mounted.source, 0, uid);
  const root = openat2(AT_FDCWD, rootfs, constants.O_DIRECTORY);
  try {
    return homeIn(root, "etc/passwd", RESOLVE_IN_ROOT, uid);
  } finally {
    closeSync(root);
  }
}

/** The environment says where home is: the last word counts, and an empty one says nothing. */
export function setsHome({ env = [] }: Process): boolean {
  return (env.findLast((entry) => entry.startsWith("HOME=")) ?? "HOME=") !== "HOME=";
}

/** passwd(5): name:password:uid:gid:comment:home:shell. A file that is missing or no file at all is no error. */
export function homeIn(dir: number, path: string, resolve: number, uid: number): string {
  let text: string;
  try {
    const fd = openat2(dir, path, constants.O_NONBLOCK, resolve);
    try {
      text = readAll(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "EISDIR", "ELOOP", "EINVAL", "EAGAIN", "ENXIO")) return "/";
    throw error;
  }
  for (const line of text.split("\n")) {
    const fields = line.split(":");
    if (fields.length >= 6 && Number(fields[2]) === uid && /^\d+$/.test(fields[2]!)) return fields[5] || "/";
  }
  return "/";
}

/** The id on the host of an id in the container; the id itself without mappings. */
export function hostId(map: readonly IDMapping[] | undefined, id: number): number {
  if (!map?.length) return id;
  for (const { containerID, hostID, size } of map) {
    if (id >= containerID && id < containerID + size) return hostID + (id - containerID);
  }
  return 65534;
}

/**
 * Gives a new user namespace its mappings; user_namespaces(7). Without the privilege to write them, newuidmap(1) and
 * newgidmap(1) do, within the ranges of /etc/subuid and /etc/subgid.
 */
export function writeMappings(pid: number, spec: Spec, rootless: boolean): void {
  const { uidMappings = [], gidMappings = [] } = spec.linux ?? {};
  const alone = gidMappings.length === 1 && gidMappings[0]!.size === 1;
  if (rootless && alone) writeSetgroups(pid);
  writeMap(pid, "uid_map", uidMappings, "newuidmap");
  writeMap(pid, "gid_map", gidMappings, "newgidmap");
}

function writeSetgroups(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/setgroups`, "deny");
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error; // kernels before 3.19 have no such file
  }
}

function writeMap(pid: number, file: "uid_map" | "gid_map", map: readonly IDMapping[], program: string): void {
  try {
    writeFileSync(`/proc/${pid}/${file}`, mapText(map));
    return;
  } catch (error) {
    if (!isErrno(error, "EPERM", "EINVAL")) throw error;
    if (isErrno(error, "EINVAL")) throw new PermissionDenied(`linux.${file === "uid_map" ? "uidMappings" : "gidMappings"}: the kernel refuses the mapping: invalid argument`);
  }
  const { spawnSync } = require("node:child_process") as typeof import("node:child_process");
  const args = [String(pid), ...map.flatMap((one) => [one.containerID, one.hostID, one.size].map(String))];
  const result = spawnSync(program, args, { encoding: "utf8" });
  const field = file === "uid_map" ? "linux.uidMappings" : "linux.gidMappings";
  if (result.error) throw new PermissionDenied(`${field}: not permitted to write them, and ${program} cannot be run: ${result.error.message}`);
  if (result.status !== 0) throw new PermissionDenied(`${field}: ${program} failed: ${result.stderr.trim()}`);
}
