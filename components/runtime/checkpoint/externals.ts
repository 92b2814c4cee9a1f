/**
 * What of a container comes from outside, so that its content is not part of a checkpoint: bind mounts, masked files,
 * devices, cgroup mounts and the namespaces that were joined. Both sides must call each by the same name.
 */
import { closeSync, constants, fstatSync, readlinkSync, statSync } from "node:fs";
import { basename } from "node:path";
import {
  cleanPath,
  FailedPrecondition,
  hasNamespace,
  type Mount,
  MS_BIND,
  NotFound,
  namespacePath,
  parseMountOptions,
  type Spec,
} from "@gantry/oci";
import { AT_FDCWD, isErrno, O_PATH, openat2, RESOLVE_IN_ROOT } from "@gantry/sys";
import type { CgroupHost, CgroupPaths, Hierarchy } from "../cgroups/index.ts";
import type { CriuOptions, ExternalMount } from "./rpc.ts";

const DEFAULT_DEVICES = ["null", "random", "full", "tty", "zero", "urandom"].map((name) => `/dev/${name}`);

/** The devices that may be bind mounts: in a user namespace all of them are. */
export function deviceMounts({ linux }: Spec): ExternalMount[] {
  const paths = new Set([...(linux?.devices ?? []).map(({ path }) => cleanPath(path)), ...DEFAULT_DEVICES]);
  return [...paths].map((path) => ({ key: path, val: path }));
}

export const isBind = ({ options }: Mount): boolean => (parseMountOptions(options).flags & MS_BIND) !== 0;
export const isCgroup = ({ type }: Mount): boolean => type === "cgroup" || type === "cgroup2";

/** Without a cgroup namespace, a v1 cgroup mount is a tmpfs with one bind mount for each hierarchy: [where, controller]. */
export function cgroupBinds(
  spec: Spec,
  host: CgroupHost,
): { readonly destination: string; readonly controller: string }[] {
  if (host.mode === "v2" || hasNamespace(spec.linux, "cgroup")) return [];
  const all: Hierarchy[] = host.unified ? [...host.hierarchies, host.unified] : [...host.hierarchies];
  return (spec.mounts ?? []).filter(isCgroup).flatMap((mount) =>
    all.map(({ mountPoint, controllers }) => ({
      destination: `${cleanPath(mount.destination)}/${basename(mountPoint)}`,
      controller: controllers[0]!,
    })),
  );
}

/** The cgroup mounts of a container that is being restored: its own new cgroups. */
export function restoredCgroupMounts(spec: Spec, host: CgroupHost, paths: CgroupPaths): ExternalMount[] {
  return cgroupBinds(spec, host)
    .map(({ destination, controller }) => ({ key: destination, val: paths[controller] }))
    .filter(({ val }) => val !== undefined);
}

/** The outside mounts of a running container. `pid` is its first process: paths are looked up as it sees them. */
export function dumpedMounts(pid: number, spec: Spec, host: CgroupHost): ExternalMount[] {
  const root = openat2(AT_FDCWD, `/proc/${pid}/root`, O_PATH | constants.O_DIRECTORY);
  try {
    const binds = (spec.mounts ?? []).filter(isBind).map(({ destination }) => resolveBelow(root, destination));
    const cgroups = cgroupBinds(spec, host).map(({ destination }) => destination);
    const same = [...binds, ...cgroups].map((path) => ({ key: path, val: path }));
    const masked = (spec.linux?.maskedPaths ?? []).flatMap((path) => maskedFile(root, path) ?? []);
    return [...same, ...masked.map((path) => ({ key: path, val: "/dev/null" })), ...deviceMounts(spec)];
  } finally {
    closeSync(root);
  }
}

/** The path of a masked file; directories are covered by a tmpfs, which is part of the checkpoint. */
function maskedFile(root: number, path: string): string | undefined {
  let fd: number;
  try {
    fd = openat2(root, cleanPath(path), O_PATH, RESOLVE_IN_ROOT);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES")) return undefined;
    throw error;
  }
  try {
    return fstatSync(fd).isDirectory() ? undefined : pathBelow(root, fd);
  } finally {
    closeSync(fd);
  }
}

/** Where `path` leads below `root` when symbolic links are followed; what does not exist (yet) is kept as it is. */
export function resolveBelow(root: number, path: string): string {
  const parts = cleanPath(path).split("/").slice(1);
  for (let known = parts.length; known >= 0; known--) {
    let fd: number;
    try {
      fd = openat2(root, `./${parts.slice(0, known).join("/")}`, O_PATH, RESOLVE_IN_ROOT);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "ELOOP")) continue;
      throw error;
    }
    try {
      return cleanPath(`${pathBelow(root, fd)}/${parts.slice(known).join("/")}`);
    } finally {
      closeSync(fd);
    }
  }
  return cleanPath(path);
}

function pathBelow(root: number, fd: number): string {
  const base = readlinkSync(`/proc/self/fd/${root}`);
  const path = readlinkSync(`/proc/self/fd/${fd}`);
  return base !== "/" && `${path}/`.startsWith(`${base}/`) ? path.slice(base.length) || "/" : path;
}

/** Namespaces that CRIU leaves alone when they were joined; [how CRIU calls it, since which version]. */
const LEFT_ALONE = { network: ["net", 31_100], pid: ["pid", 31_500] } as const;
type LeftAlone = keyof typeof LEFT_ALONE;

function joined(
  spec: Spec,
  version: number,
  doing: string,
): { readonly type: LeftAlone; readonly kind: string; readonly path: string; readonly key: string }[] {
  return (Object.keys(LEFT_ALONE) as LeftAlone[]).flatMap((type) => {
    const path = namespacePath(spec.linux, type);
    if (!path) return [];
    const [kind, since] = LEFT_ALONE[type];
    if (version < since)
      throw new FailedPrecondition(
        `criu lacks support for external ${kind} namespace during ${doing} (old criu version?)`,
      );
    return [{ type, kind, path, key: `extRoot${kind[0]!.toUpperCase()}${kind.slice(1)}NS` }];
  });
}

/** `external` of a dump. @throws FailedPrecondition when CRIU is too old for one of them. */
export function dumpedNamespaces(spec: Spec, version: number): string[] {
  return joined(spec, version, "checkpointing process").map(
    ({ kind, path, key }) => `${kind}[${statSync(path).ino}]:${key}`,
  );
}

/**
 * Opens the namespaces that a restored container joins; `fds` are CRIU's from `first` on, and the caller's to close.
 *
 * @throws NotFound when one is gone, FailedPrecondition for one that CRIU cannot join.
 */
export function restoredNamespaces(
  spec: Spec,
  version: number,
  first: number,
): { readonly options: CriuOptions; readonly fds: number[] } {
  const others = (spec.linux?.namespaces ?? []).filter(({ type, path }) => path && !Object.hasOwn(LEFT_ALONE, type));
  if (others.some(({ type }) => type === "cgroup"))
    throw new FailedPrecondition("Do not know how to handle namespace cgroup");
  const fds: number[] = [];
  const inherited = joined(spec, version, "the restoration process").map(({ path, key }, i) => {
    try {
      fds.push(openat2(AT_FDCWD, path, constants.O_RDONLY));
    } catch (error) {
      for (const fd of fds) closeSync(fd);
      if (isErrno(error, "ENOENT")) throw new NotFound(`Requested network namespace ${path} does not exist`);
      throw error;
    }
    return { key, fd: first + i };
  });
  return {
    options: {
      inherit_fd: inherited,
      join_ns: others.map(({ type, path }) => ({ ns: NAMES[type] ?? type, ns_file: path })),
    },
    fds,
  };
}

const NAMES: Readonly<Record<string, string>> = { mount: "mnt" };
