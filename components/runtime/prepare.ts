/** The part of a create that changes nothing: the bundle is read and checked, and everything compiled that will be done. */
import type { Mount, Spec } from "@gantry/oci";
import { loadBundle } from "./bundle.ts";
import { type Cgroup, type CgroupWrite, compileResources, openCgroup, type RdtGroup } from "./cgroups/index.ts";
import { unavailableCapabilities } from "./compile/capabilities.ts";
import type { Facts } from "./compile/facts.ts";
import { compile } from "./compile/index.ts";
import { compileFacts, type Host, validationFacts } from "./host.ts";
import type { ContainerIo } from "./io.ts";
import type { Log } from "./log.ts";
import type { Plan } from "./plan/plan.ts";
import { rdtGroup } from "./rdt.ts";
import { hostId } from "./users.ts";

/** What every operation works with. */
export interface Context {
  /** Absolute directory that holds the containers' records. */
  readonly root: string;
  readonly host: Host;
  readonly systemdCgroup: boolean;
  readonly log: Log;
}

export interface CreateOptions {
  readonly id: string;
  readonly bundle: string;
  /** Made once the configuration is known and valid, before anything else is. */
  readonly io: (spec: Spec) => ContainerIo;
  /** Stop before the program and wait for `start`. */
  readonly fifo: boolean;
  readonly noPivot?: boolean | undefined;
  readonly noNewKeyring?: boolean | undefined;
  readonly preserveFds?: number | undefined;
  readonly extraEnv?: readonly string[] | undefined;
  /** Beside those of the configuration, after them. */
  readonly mounts?: readonly Mount[] | undefined;
  /** The container's directory is there. */
  readonly onReserved?: ((directory: string) => void) | undefined;
  readonly onTrace?: ((plan: Plan, index: number, nanoseconds: number) => void) | undefined;
}

/** A plan with everything around it that a create needs; also what `plan` prints. */
export interface Prepared {
  readonly spec: Spec;
  readonly bundle: string;
  readonly rootfs: string;
  readonly facts: Facts;
  readonly plan: Plan;
  readonly cgroup: Cgroup;
  readonly writes: readonly CgroupWrite[];
  readonly rdt: RdtGroup | undefined;
}

/** Steps that change nothing: read, validate, compile. */
export function prepare(context: Context, options: Omit<CreateOptions, "io">): Prepared {
  const { host, log } = context;
  const noPivot = options.noPivot ?? false;
  const validation = validationFacts(host, { systemdCgroup: context.systemdCgroup, noPivot });
  const bundle = loadBundle(options.bundle, validation, log);
  const { path, rootfs } = bundle;
  const spec = options.mounts
    ? { ...bundle.spec, mounts: [...(bundle.spec.mounts ?? []), ...options.mounts] }
    : bundle.spec;
  const cgroup = openCgroup({
    host: host.cgroups,
    cgroupsPath: spec.linux?.cgroupsPath,
    id: options.id,
    driver: context.systemdCgroup ? "systemd" : "cgroupfs",
    rootless: host.rootless,
    userNamespace: host.inUserNamespace,
    annotations: spec.annotations,
    ownerUid: host.cgroups.mode === "v2" ? cgroupOwner(spec) : undefined,
  });
  const writes = compileResources(spec.linux?.resources, host.cgroups, {
    driver: cgroup.driver,
    nodes: spec.linux?.devices ?? [],
    skipDevices: host.rootless || host.inUserNamespace,
    warn: (message) => log.warn(message),
  });
  const facts = compileFacts(host, spec, path, rootfs, noPivot, cgroup);
  const missing = unavailableCapabilities(spec.process?.capabilities, facts, spec);
  if (missing.length > 0) log.warn(`ignoring unknown or unavailable capabilities: [${missing.join(" ")}]`);
  const plan = compile(spec, facts, {
    id: options.id,
    fifo: options.fifo,
    noPivot,
    noNewKeyring: options.noNewKeyring ?? false,
    preserveFds: options.preserveFds ?? 0,
    extraEnv: options.extraEnv ?? [],
  });
  return { spec, bundle: path, rootfs, facts, plan, cgroup, writes, rdt: rdtGroup(spec, options.id) };
}

/** The host's uid of who may make cgroups inside. */
function cgroupOwner(spec: Spec): number | undefined {
  const { delegatedUser } = require("./cgroups/delegate.ts") as typeof import("./cgroups/delegate.ts");
  const user = delegatedUser(spec);
  return user === undefined ? undefined : hostId(spec.linux?.uidMappings, user);
}
