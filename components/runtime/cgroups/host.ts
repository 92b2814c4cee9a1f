/** What the host offers: which cgroup hierarchies are mounted where, and where we are in them. */
import { readFileSync } from "node:fs";

export type CgroupMode = "v1" | "v2" | "hybrid";

/** One mounted hierarchy. */
export interface Hierarchy {
  /** `["cpu", "cpuacct"]`, `["name=systemd"]`, or `[""]` for cgroup v2. */
  readonly controllers: readonly string[];
  /** Absolute. */
  readonly mountPoint: string;
  /** Which directory of the hierarchy is mounted there; not `/` inside containers without a cgroup namespace. */
  readonly root: string;
  /** Our own cgroup, as `/proc/self/cgroup` names it. */
  readonly own: string;
}

/** Facts only; survives JSON. */
export interface CgroupHost {
  readonly mode: CgroupMode;
  /** Every cgroup file lies below this directory. */
  readonly root: string;
  /** v1 and hybrid: the v1 hierarchies. v2: empty. */
  readonly hierarchies: readonly Hierarchy[];
  /** v2 and hybrid: the cgroup v2 hierarchy. */
  readonly unified?: Hierarchy;
  /** v2: what `cgroup.controllers` of the root says. v1 and hybrid: empty. */
  readonly controllers: readonly string[];
}

export const CGROUP_ROOT = "/sys/fs/cgroup";
const HYBRID_MOUNT = `${CGROUP_ROOT}/unified`;

/** Reads `/proc/self/mountinfo` and `/proc/self/cgroup` once (and, on v2, `cgroup.controllers`). */
export function detectCgroups(): CgroupHost {
  const host = parseCgroups(readFileSync("/proc/self/mountinfo", "utf8"), readFileSync("/proc/self/cgroup", "utf8"));
  if (host.mode !== "v2") return host;
  return { ...host, controllers: words(readFileSync(`${host.root}/cgroup.controllers`, "utf8")) };
}

// A program that has just started pays for each of its first calls of array functions: loops it is, here and in paths.ts.

/** @returns the facts in the texts of the two files; on v2 `controllers` is still empty. Pure. */
export function parseCgroups(mountinfo: string, selfCgroup: string): CgroupHost {
  const own = parseCgroupFile(selfCgroup);
  const usual: CgroupMount[] = [];
  const elsewhere: CgroupMount[] = [];
  let top: CgroupMount | undefined;
  let side: CgroupMount | undefined;
  for (const mount of cgroupMounts(mountinfo)) {
    if (mount.type === "cgroup") (mount.mountPoint.startsWith(`${CGROUP_ROOT}/`) ? usual : elsewhere).push(mount);
    else if (mount.mountPoint === CGROUP_ROOT) top = mount;
    else if (mount.mountPoint === HYBRID_MOUNT) side ??= mount;
  }
  const v2 = (mount: CgroupMount): Hierarchy => ({
    controllers: [""],
    mountPoint: mount.mountPoint,
    root: mount.root,
    own: own.get("") ?? "/",
  });
  if (top !== undefined) return { mode: "v2", root: CGROUP_ROOT, hierarchies: [], unified: v2(top), controllers: [] };
  const hierarchies: Hierarchy[] = [];
  const seen = new Set<string>();
  for (const mount of usual) addHierarchy(hierarchies, mount, own, seen);
  for (const mount of elsewhere) addHierarchy(hierarchies, mount, own, seen);
  const facts = { root: CGROUP_ROOT, hierarchies, controllers: [] };
  return side === undefined ? { mode: "v1", ...facts } : { mode: "hybrid", ...facts, unified: v2(side) };
}

/** Controllers are those of the options that `/proc/self/cgroup` knows. A second mount of one is passed over. */
function addHierarchy(to: Hierarchy[], mount: CgroupMount, own: ReadonlyMap<string, string>, seen: Set<string>): void {
  const controllers: string[] = [];
  for (const name of mount.options) if (own.has(name) && !seen.has(name)) controllers.push(name);
  if (controllers.length === 0) return;
  for (const name of controllers) seen.add(name);
  const { mountPoint, root } = mount;
  to.push({ controllers, mountPoint, root, own: own.get(controllers[0]!) ?? "/" });
}

/** @returns for each controller (`name=…` for named hierarchies, `""` for v2) the path in `/proc/PID/cgroup`. */
export function parseCgroupFile(text: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split("\n")) {
    const first = line.indexOf(":");
    const second = line.indexOf(":", first + 1);
    if (second < 0) continue;
    for (const name of line.slice(first + 1, second).split(",")) paths.set(name, line.slice(second + 1));
  }
  return paths;
}

interface CgroupMount {
  readonly type: string;
  readonly root: string;
  readonly mountPoint: string;
  /** Super block options: they name the controllers. */
  readonly options: readonly string[];
}

/** proc(5): id, parent, major:minor, root, mount point, options, optional fields, "-", type, source, super options. */
function cgroupMounts(mountinfo: string): CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (let at = mountinfo.indexOf(" - cgroup"); at >= 0; at = mountinfo.indexOf(" - cgroup", at + 1)) {
    const start = mountinfo.lastIndexOf("\n", at) + 1;
    const end = mountinfo.indexOf("\n", at);
    const before = mountinfo.slice(start, at).split(" ");
    const after = mountinfo.slice(at + 3, end < 0 ? undefined : end).split(" ");
    mounts.push({
      type: after[0]!,
      root: unescapePath(before[3]!),
      mountPoint: unescapePath(before[4]!),
      options: after[2]?.split(",") ?? [],
    });
  }
  return mounts;
}

function unescapePath(path: string): string {
  return path.includes("\\")
    ? path.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
    : path;
}

/** Splits at blanks and newlines, without empty words. */
export function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
