/**
 * The root file system as CRIU wants it for a restore: a mount point of its own, with every mount point in it. It is
 * made in a mount namespace that only we and CRIU are in, so nothing is left on the host whatever happens to us.
 */
import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { cleanPath, type Mount, MS_BIND, MS_REC, MS_SLAVE, type Spec } from "@gantry/oci";
import { AT_FDCWD, CLONE_NEWNS, isErrno, mknod, O_PATH, openat2, RESOLVE_IN_ROOT, syscall } from "@gantry/sys";
import { isBind, isCgroup, resolveBelow } from "./externals.ts";
import type { ExternalMount } from "./rpc.ts";

const MNT_DETACH = 2;

/** Runs `action` in a new mount namespace, which changes there do not leave. */
export function inPrivateMounts<T>(action: () => T): T {
  const cwd = process.cwd();
  const before = openSync("/proc/thread-self/ns/mnt", "r");
  try {
    syscall("unshare", "mount namespace", CLONE_NEWNS);
    try {
      mount("none", "/", MS_SLAVE | MS_REC);
      return action();
    } finally {
      syscall("setns", "mount namespace", before, CLONE_NEWNS);
      process.chdir(cwd); // setns leads to the root
    }
  } finally {
    closeSync(before);
  }
}

function mount(source: string, target: string, flags: number): void {
  syscall("mount", target, source, target, null, flags, null);
}

/**
 * Binds `rootfs` on `directory` and makes the missing mount points, also those inside of bind mounts.
 *
 * @returns the bind mounts under the names that a dump gave them.
 */
export function prepareRoot(directory: string, rootfs: string, bundle: string, spec: Spec): ExternalMount[] {
  mount(rootfs, directory, MS_BIND | MS_REC);
  const names = makeMountPoints(directory, bundle, spec.mounts ?? []);
  // CRIU makes the bind mounts itself, and wants the root without them.
  syscall("umount2", directory, directory, MNT_DETACH);
  mount(rootfs, directory, MS_BIND | MS_REC);
  return names;
}

function makeMountPoints(directory: string, bundle: string, mounts: readonly Mount[]): ExternalMount[] {
  const root = openat2(AT_FDCWD, directory, O_PATH | constants.O_DIRECTORY);
  try {
    return mounts.flatMap((one) => makeMountPoint(root, bundle, one, mounts) ?? []);
  } finally {
    closeSync(root);
  }
}

function makeMountPoint(root: number, bundle: string, one: Mount, mounts: readonly Mount[]): ExternalMount | undefined {
  const target = cleanPath(one.destination);
  const bind = isBind(one);
  const source = one.source?.startsWith("/") ? one.source : `${bundle}/${one.source ?? ""}`;
  // What lies in a file system of the container's own is part of the checkpoint, mount points included.
  const inside = mounts.some((other) => !isBind(other) && target.startsWith(`${cleanPath(other.destination)}/`));
  if (!inside && !isCgroup(one) && target !== "/") {
    const fd = openOrMake(root, target, !bind || statSync(source).isDirectory());
    try {
      if (bind) mount(source, `/proc/self/fd/${fd}`, MS_BIND | MS_REC);
    } finally {
      closeSync(fd);
    }
  }
  return bind ? { key: resolveBelow(root, target), val: source } : undefined;
}

/** Opens what `path` leads to below `root`; when there is nothing, makes it: the directories above, and a directory or an empty file. */
function openOrMake(root: number, path: string, directory: boolean): number {
  const open = (at: string) => openat2(root, at, O_PATH, RESOLVE_IN_ROOT);
  try {
    return open(path);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
  const parent = openOrMake(root, dirname(path), true);
  try {
    if (!fstatSync(parent).isDirectory()) throw new Error(`${dirname(path)}: not a directory`);
    if (!directory) mknod(`/proc/self/fd/${parent}/${basename(path)}`, constants.S_IFREG | 0o755);
    else syscall("mkdirat", path, parent, basename(path), 0o755);
    return open(path);
  } finally {
    closeSync(parent);
  }
}
