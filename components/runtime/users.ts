/** Users: where they are listed, and the mappings of a new user namespace. */
import { writeFileSync } from "node:fs";
import {
  cleanPath,
  type IDMapping,
  MS_BIND,
  PermissionDenied,
  type Process,
  parseMountOptions,
  type Spec,
} from "@gantry/oci";
import { isErrno } from "@gantry/sys";
import { mapText } from "./compile/mounts.ts";

/** Where the passwd file lies that the container will see: the source of a bind mount, or "" for the rootfs. */
export function passwdOf(spec: Spec): string {
  const mounted = spec.mounts?.findLast((mount) => cleanPath(mount.destination) === "/etc/passwd");
  return mounted?.source && parseMountOptions(mounted.options).flags & MS_BIND ? mounted.source : "";
}

/** The environment says where home is: the last word counts, and an empty one says nothing. */
export function setsHome({ env = [] }: Process): boolean {
  return (env.findLast((entry) => entry.startsWith("HOME=")) ?? "HOME=") !== "HOME=";
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
    if (isErrno(error, "EINVAL"))
      throw new PermissionDenied(
        `linux.${file === "uid_map" ? "uidMappings" : "gidMappings"}: the kernel refuses the mapping: invalid argument`,
      );
  }
  const { spawnSync } = require("node:child_process") as typeof import("node:child_process");
  const args = [String(pid), ...map.flatMap((one) => [one.containerID, one.hostID, one.size].map(String))];
  const result = spawnSync(program, args, { encoding: "utf8" });
  const field = file === "uid_map" ? "linux.uidMappings" : "linux.gidMappings";
  if (result.error)
    throw new PermissionDenied(
      `${field}: not permitted to write them, and ${program} cannot be run: ${result.error.message}`,
    );
  if (result.status !== 0) throw new PermissionDenied(`${field}: ${program} failed: ${result.stderr.trim()}`);
}
