/** Lifecycle step 2, /dev: device nodes and links; config-linux.md, "Default Devices". */
import { cleanPath, type Device, hasNamespace, MS_BIND, parseMountOptions, type Spec } from "@gantry/oci";
import { add, type Plan, type Policy } from "../plan/plan.ts";
import type { Facts } from "./facts.ts";
import { ATTACH, targetOf } from "./mount-attributes.ts";

const TYPES = { c: 0o020000, u: 0o020000, b: 0o060000, p: 0o010000 } as const;

/** Always there: path, major, minor. */
const DEFAULT_DEVICES = [
  ["/dev/null", 1, 3],
  ["/dev/random", 1, 8],
  ["/dev/full", 1, 7],
  ["/dev/tty", 5, 0],
  ["/dev/zero", 1, 5],
  ["/dev/urandom", 1, 9],
] as const;

const LINKS = [
  ["/dev/fd", "/proc/self/fd"],
  ["/dev/stdin", "/proc/self/fd/0"],
  ["/dev/stdout", "/proc/self/fd/1"],
  ["/dev/stderr", "/proc/self/fd/2"],
  ["/dev/ptmx", "pts/ptmx"],
] as const;

const EEXIST = 17;

/** Nothing is made where /dev is somebody else's: a bind mount, or no mount namespace of ours. */
export function makeDevices(plan: Plan, spec: Spec, facts: Facts): void {
  const dev = spec.mounts?.find((mount) => targetOf(mount, facts) === "/dev");
  const foreign = dev !== undefined && (parseMountOptions(dev.options).flags & MS_BIND) !== 0;
  if (foreign || !hasNamespace(spec.linux, "mount")) return;
  const own = new Set<string>();
  const inUserNamespace = facts.rootless || hasNamespace(spec.linux, "user");
  for (const [i, device] of (spec.linux?.devices ?? []).entries()) {
    own.add(cleanPath(device.path));
    makeDevice(plan, `linux.devices[${i}]`, device, inUserNamespace);
  }
  for (const [path, major, minor] of DEFAULT_DEVICES) {
    if (own.has(path)) continue;
    makeDevice(plan, "default devices", { path, type: "c", major, minor, fileMode: 0o666 }, inUserNamespace);
  }
  const policy: Policy = { ignore: [EEXIST] };
  for (const [path, target] of LINKS) add(plan, "default devices", "symlink", [path, target], policy);
  if (facts.kcore) add(plan, "default devices", "symlink", ["/dev/core", "/proc/kcore"], policy);
}

/** A user namespace may not make device nodes: there the host's are bound. */
function makeDevice(plan: Plan, from: string, device: Device, bound: boolean): void {
  const path = cleanPath(device.path);
  if (bound && device.type !== "p") {
    if (path === "/dev/ptmx") return; // a link to the container's own
    add(plan, from, "clone_tree", [path, 0]);
    add(plan, from, "attach", [path, ATTACH.like, 0o755, 0]);
    return;
  }
  const mode = TYPES[device.type] | ((device.fileMode ?? 0o666) & 0o7777);
  add(plan, from, "mknod", [
    path,
    mode,
    deviceNumber(device.major ?? 0, device.minor ?? 0),
    device.uid ?? 0,
    device.gid ?? 0,
  ]);
}

/** makedev(3). */
export function deviceNumber(major: number, minor: number): bigint {
  const [a, b] = [BigInt(major), BigInt(minor)];
  return ((a & 0xfffff000n) << 32n) | ((a & 0xfffn) << 8n) | ((b & 0xffffff00n) << 12n) | (b & 0xffn);
}
