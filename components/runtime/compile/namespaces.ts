/** Lifecycle step 2: the namespaces, the user mappings, and the process that becomes the container's. */
import { NAMESPACES, type NamespaceType, type Spec } from "@gantry/oci";
import { add, type Plan } from "../plan/plan.ts";
import { ROLE, SYNC } from "../plan/sync.ts";
import type { CompileOptions, Facts } from "./facts.ts";
import { wantsProxy } from "./mount-attributes.ts";

const CLONE_NEWTIME = NAMESPACES.time.flag;

/** The order in which existing namespaces are joined; the mount namespace last, since it changes what paths mean. */
const JOIN_ORDER: readonly NamespaceType[] = ["ipc", "uts", "network", "pid", "cgroup", "time", "mount"];

interface Wanted {
  /** CLONE_NEW* of the namespaces to create, without user and cgroup. */
  readonly fresh: number;
  readonly newUser: boolean;
  readonly newCgroup: boolean;
  readonly joined: ReadonlyMap<NamespaceType, { readonly path: string; readonly from: string }>;
}

function wanted(spec: Spec): Wanted {
  const joined = new Map<NamespaceType, { path: string; from: string }>();
  let fresh = 0;
  for (const [i, { type, path }] of (spec.linux?.namespaces ?? []).entries()) {
    if (path) joined.set(type, { path, from: `linux.namespaces[${i}].path` });
    else fresh |= NAMESPACES[type].flag;
  }
  const newUser = (fresh & NAMESPACES.user.flag) !== 0;
  const newCgroup = (fresh & NAMESPACES.cgroup.flag) !== 0;
  return { fresh: fresh & ~(NAMESPACES.user.flag | NAMESPACES.cgroup.flag), newUser, newCgroup, joined };
}

export function joinOrCreateNamespaces(plan: Plan, spec: Spec, facts: Facts, options: CompileOptions): void {
  const want = wanted(spec);
  const oom = spec.process?.oomScoreAdj;
  // First of all: later the process may no longer be dumpable, or no longer privileged enough.
  if (oom !== undefined) add(plan, "process.oomScoreAdj", "write_file", ["/proc/self/oom_score_adj", String(oom), 0]);
  const joinsUser = want.joined.has("user") && wantsProxy(spec, facts);
  // Inside a user namespace that exists already we would have no right to the cgroup of the host.
  let cgroup = facts.bornInCgroup || (facts.bornInUnified && (joinsUser || !want.joined.has("user"))) ? 1 : 0;
  if (want.newUser || joinsUser) {
    // The parent stays outside the user namespace, as the proxy, if there is need for one.
    add(plan, "linux.namespaces", "fork", [0, ROLE.intermediate, cgroup]);
    cgroup = 0;
  }
  joinNamespaces(plan, want, facts);
  if (want.newUser) {
    add(plan, "linux.uidMappings", "unshare", [NAMESPACES.user.flag]);
    add(plan, "linux.uidMappings", "sync", [SYNC.map, "the user mappings"]);
    add(plan, "linux.uidMappings", "become_root", []);
  }
  const apart = createTimeNamespace(plan, spec, want);
  if (want.newUser) add(plan, "linux.namespaces", "unshare", [want.fresh & ~apart]);
  const flags = want.newUser ? 0 : want.fresh & ~apart;
  add(plan, "linux.namespaces", "fork", [flags, ROLE.init, cgroup]);
  add(plan, "process", "setsid", []);
  // The kernel judges a scheduler and a memory policy by the CPUs and nodes that the process may use.
  if (want.newCgroup || spec.process?.scheduler || spec.linux?.memoryPolicy) waitForCgroup(plan, facts);
  if (want.newCgroup) add(plan, "linux.namespaces", "unshare", [NAMESPACES.cgroup.flag]);
  add(plan, "process", "affinity", [new Uint8Array(0)], { ignore: [22, 1] });
  if (Object.keys(spec.linux?.netDevices ?? {}).length > 0)
    add(plan, "linux.netDevices", "sync", [SYNC.network, "the network devices"]);
  if (!options.noNewKeyring) joinKeyring(plan, spec, options.id, want.newUser);
  if (want.fresh & NAMESPACES.network.flag) add(plan, "linux.namespaces", "loopback_up", []);
}

/** All are opened before any is joined: the paths are the host's. */
function joinNamespaces(plan: Plan, { joined }: Wanted, facts: Facts): void {
  if (joined.size === 0) return;
  const slots = new Map<NamespaceType, number>();
  for (const [type, { path, from }] of joined) {
    slots.set(type, slots.size);
    add(plan, from, "open_ns", [slots.get(type)!, path, NAMESPACES[type].flag]);
  }
  // What waits inside may not look at us (CVE-2016-9962).
  add(plan, "linux.namespaces", "dumpable", [0]);
  const join = (type: NamespaceType) => {
    const slot = slots.get(type);
    if (slot !== undefined) add(plan, joined.get(type)!.from, "setns", [slot, NAMESPACES[type].flag]);
  };
  const user = () => {
    join("user");
    if (joined.has("user")) add(plan, joined.get("user")!.from, "become_root", []);
  };
  if (facts.rootless) user();
  for (const type of JOIN_ORDER) join(type);
  if (!facts.rootless) user();
}

/** Time offsets can be written only while no process lives in the namespace; the runtime does. Returns the flags taken care of. */
function createTimeNamespace(plan: Plan, spec: Spec, { fresh }: Wanted): number {
  if (!(fresh & CLONE_NEWTIME)) return 0;
  add(plan, "linux.timeOffsets", "unshare", [CLONE_NEWTIME]);
  if (Object.keys(spec.linux?.timeOffsets ?? {}).length > 0)
    add(plan, "linux.timeOffsets", "sync", [SYNC.time, "the clocks of the time namespace"]);
  return CLONE_NEWTIME;
}

/**
 * From here on the process is in its control group. v1: the runtime makes it and moves the process while the plan runs,
 * so only what the container sees of it, pays for, or is judged by has to wait.
 */
export function waitForCgroup(plan: Plan, facts: Facts): void {
  if (facts.bornInCgroup || plan.ops.some((op) => op.name === "sync" && op.args[0] === SYNC.joined)) return;
  add(plan, "linux.cgroupsPath", "sync", [SYNC.joined, "the control group"]);
}

const KEY_USR_SEARCH = 0x80000;
const KEY_OTH_SEARCH = 0x8;

/** ENOSYS, EOPNOTSUPP: no keyrings in this kernel; EDQUOT is told, since it looks like a riddle otherwise. */
function joinKeyring(plan: Plan, spec: Spec, id: string, newUser: boolean): void {
  const label = spec.process?.selinuxLabel;
  if (label) add(plan, "process.selinuxLabel", "selinux_keycreate", [label], { ignore: [2, 22] });
  add(plan, "process", "keyring", [`_ses.${id}`, newUser ? KEY_OTH_SEARCH : KEY_USR_SEARCH, 0], { ignore: [38, 95] });
}
