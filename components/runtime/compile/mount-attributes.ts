/** What several steps of a plan ask of a mount: its attributes, its target, who makes it. */
import {
  cleanPath,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  type Mount,
  MS_BIND,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_RDONLY,
  MS_RELATIME,
  MS_STRICTATIME,
  parseMountOptions,
  type Spec,
} from "@gantry/oci";
import type { Facts } from "./facts.ts";

/** Kinds of targets and flags of `attach`; see native/launcher/mount.c. */
export const ATTACH = { like: 0, directory: 1, realDirectory: 1, onProcFile: 2, noFollow: 4 } as const;

/** Mount points whose content we make ourselves, after they are mounted. */
export function isFilledLater(type: string | undefined, destination: string): boolean {
  return type === "tmpfs" || destination === "/dev";
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
export const ATIME = MS_NOATIME | MS_RELATIME | MS_STRICTATIME;
export const ATIME_FLAGS = ATIME | MS_NODIRATIME;
export const MOUNT_FLAGS = ATTRIBUTES.reduce((all, [flag]) => all | flag, ATIME);

/** MOUNT_ATTR_* for MS_*; the access time mode is one value, relatime being 0. */
export function attributes(flags: number): number {
  let attr = flags & MS_STRICTATIME ? MOUNT_ATTR_STRICTATIME : flags & MS_NOATIME ? MOUNT_ATTR_NOATIME : 0;
  for (const [flag, bit] of ATTRIBUTES) if (flags & flag) attr |= bit;
  return attr;
}

/** File systems that many mounts share or that live in memory: `ro` is the mount's affair, not the file system's. */
export const WITHOUT_DEVICE: ReadonlySet<string> = new Set([
  "proc",
  "sysfs",
  "tmpfs",
  "devpts",
  "mqueue",
  "ramfs",
  "devtmpfs",
  "securityfs",
  "debugfs",
  "tracefs",
  "bpf",
  "overlay",
  "fuse",
  "fusectl",
  "configfs",
  "pstore",
  "efivarfs",
  "hugetlbfs",
]);

/** A destination that is written as the host sees it, below the rootfs, means the same place in the container. */
export function targetOf(mount: Pick<Mount, "destination">, { rootfs }: Pick<Facts, "rootfs">): string {
  const path = cleanPath(mount.destination);
  return path.startsWith(`${rootfs}/`) ? path.slice(rootfs.length) : path;
}

/** In a user namespace the container's root may not reach a source; the process that stayed outside can. */
export function wantsProxy(spec: Spec, facts: Facts): boolean {
  const user = spec.linux?.namespaces?.some(({ type }) => type === "user") ?? false;
  return (
    user && !facts.rootless && (spec.mounts?.some(({ options }) => parseMountOptions(options).flags & MS_BIND) ?? false)
  );
}
