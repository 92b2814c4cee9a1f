/** The part of a create that changes nothing: everything is compiled that will be done, or was before from the same facts. */
import type { Mount, Spec } from "@gantry/oci";
import { type Cgroup, type CgroupWrite, openCgroup, type RdtGroup } from "./cgroups/index.ts";
import type { Facts } from "./compile/facts.ts";
import type { Host } from "./host.ts";
import type { ContainerIo } from "./io.ts";
import type { Log } from "./log.ts";
import { recall } from "./plan/cache.ts";
import type { Plan } from "./plan/plan.ts";

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
  /** A plan that was compiled before from the same configuration and facts may be used again. */
  readonly reuse?: boolean | undefined;
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
  /** Device rules may be in force before the mounts are made: nodes can be made under any rules, and no device is mounted. */
  readonly devicesEarly: boolean;
  /** Keeps the compiled plan for the next time; to be called once it has proven good. */
  readonly keep?: (() => void) | undefined;
}

/** @throws InvalidArgument or FailedPrecondition naming the field; nothing was changed. */
export function prepare(context: Context, options: Omit<CreateOptions, "io">): Prepared {
  return (options.reuse && recall(context, options)) || compileBundle(context, options);
}

/** Reads, validates and compiles. */
export function compileBundle(context: Context, options: Omit<CreateOptions, "io">): Prepared {
  const { compileBundle: compileIt } = require("./compile-bundle.ts") as typeof import("./compile-bundle.ts");
  return compileIt(context, options);
}

/** The control group that a container of this configuration will have. */
export function cgroupOf({ host, systemdCgroup }: Context, id: string, spec: Spec, ownerUid?: number): Cgroup {
  return openCgroup({
    host: host.cgroups,
    cgroupsPath: spec.linux?.cgroupsPath,
    id,
    driver: systemdCgroup ? "systemd" : "cgroupfs",
    rootless: host.rootless,
    userNamespace: host.inUserNamespace,
    annotations: spec.annotations,
    ownerUid,
  });
}
