/** create and run: from a bundle to a container's process. Runtime-spec, runtime.md, "Lifecycle"; the steps are in order. */
import { closeSync, openSync } from "node:fs";
import { FailedPrecondition, type Mount, PermissionDenied, RLIMITS, type Spec } from "@gantry/oci";
import { isErrno, mkfifo, setLimit } from "@gantry/sys";
import { loadBundle } from "./bundle.ts";
import { type Cgroup, type CgroupWrite, compileResources, openCgroup, type RdtGroup } from "./cgroups/index.ts";
import { unavailableCapabilities } from "./compile/capabilities.ts";
import type { Facts } from "./compile/facts.ts";
import { compile } from "./compile/index.ts";
import { WITHOUT_DEVICE } from "./compile/mount-attributes.ts";
import { runHooks, runPoststop } from "./hooks.ts";
import { compileFacts, type Host, validationFacts } from "./host.ts";
import type { ContainerIo } from "./io.ts";
import { type Launched, LaunchFailure, launch } from "./launch.ts";
import type { Log } from "./log.ts";
import type { Plan } from "./plan/plan.ts";
import { rdtGroup } from "./rdt.ts";
import { completeRecord, initialRecord } from "./record.ts";
import { type Record, removeDirectory, reserve, writeRecord } from "./state.ts";
import { hostId, writeMappings } from "./users.ts";

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

export interface Container {
  readonly io: ContainerIo;
  readonly record: Record;
  readonly directory: string;
  readonly cgroup: Cgroup;
  readonly pid: number;
  readonly pidfd: number;
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

/** @throws before anything is left behind: every step undoes the ones before it. */
export function createContainer(context: Context, options: CreateOptions): Container {
  const prepared = prepare(context, options);
  const io = options.io(prepared.spec);
  const directory = reserve(context.root, options.id);
  let launched: Launched;
  let record = initialRecord(context, prepared, options.id);
  const progress = { made: false, hooked: false };
  try {
    writeRecord(directory, record); // at once: whatever happens now, `delete` finds what there is to clean
    options.onReserved?.(directory);
    if (prepared.cgroup.entersAtClone) makeCgroup(prepared, progress);
    launched = start(context, { ...options, io }, prepared, directory, progress, (pid) => {
      record = completeRecord(record, prepared, pid);
      writeRecord(directory, record);
    });
  } catch (error) {
    const explained = explainFailure(error, prepared.cgroup);
    undo(context, prepared, directory, options.id, progress.hooked, progress.made);
    throw explained;
  }
  return { record, directory, cgroup: prepared.cgroup, io, ...launched };
}

function start(
  context: Context,
  options: Omit<CreateOptions, "io"> & { readonly io: ContainerIo },
  prepared: Prepared,
  directory: string,
  progress: { made: boolean; hooked: boolean },
  onRecord: (pid: number) => void,
): Launched {
  const { spec, plan, cgroup, writes, bundle, rdt } = prepared;
  const hookContext = { id: options.id, bundle, status: "creating" as const };
  const devices = writes.filter((write) => write.kind === "devices");
  const limits = writes.filter((write) => write.kind !== "devices");
  const early = mountsNoDevice(spec);
  let limited = false;
  const limit = () => {
    if (limited) return;
    cgroup.apply(early ? limits : writes);
    rdt?.apply();
    limited = true;
  };
  const fifo = options.fifo ? openFifo(directory, spec) : undefined;
  const born = plan.ops.some(({ name, args }) => name === "fork" && args[2] === 1);
  const directoryFd = !born ? undefined : cgroup.entersAtClone ? cgroup.directoryFd() : cgroup.unifiedFd(true);
  plan.cgroup = directoryFd !== undefined;
  try {
    return launch({
      plan,
      stdio: options.io.stdio,
      preserveFds: options.preserveFds ?? 0,
      ...(fifo !== undefined && { fifo }),
      ...(directoryFd !== undefined && { cgroup: directoryFd }),
      ...(options.onTrace && { onTrace: (index, ns) => options.onTrace?.(plan, index, ns) }),
      log: context.log,
      // v1: made while the launcher starts; the plan waits for it where it needs it.
      onSpawned: () => {
        if (!cgroup.entersAtClone) makeCgroup(prepared, progress);
      },
      onInit: (pid) => {
        const tasks = cgroup.entersAtClone ? [] : enter(cgroup, pid, plan.cgroup);
        rdt?.join(pid);
        // While the launcher mounts, both of us have something to do.
        if (early) cgroup.apply(devices);
        onRecord(pid);
        return tasks;
      },
      onMap: (pid) => writeMappings(pid, spec, context.host.rootless),
      onTime: (pid) => setClocks(pid, spec),
      onNetwork: (pid) => moveDevices(spec, pid),
      onHooks: (pid) => {
        limit();
        progress.hooked = true;
        runHooks(spec, "prestart", { ...hookContext, pid });
        runHooks(spec, "createRuntime", { ...hookContext, pid });
      },
      onReady: (pid) => {
        limit();
        setLimits(pid, spec);
      },
      onListener: (pid, pidfd, fd) => sendListener(spec, options.id, bundle, pid, pidfd, fd),
      onMaster: (master, name) => options.io.onMaster(master, name),
    });
  } catch (error) {
    cgroup.dropUnified();
    throw error;
  } finally {
    if (fifo !== undefined) closeSync(fifo);
    if (directoryFd !== undefined) closeSync(directoryFd);
  }
}

/** Has a process enter a v1 cgroup: @returns the files by which it does so itself, or none when it has been moved. */
export function enter(cgroup: Cgroup, pid: number, inUnified: boolean): readonly number[] {
  const files = inUnified || cgroup.paths[""] === undefined ? cgroup.taskFiles() : undefined;
  if (files === undefined) cgroup.join(pid, inUnified);
  return files ?? [];
}

function makeCgroup({ cgroup, writes }: Prepared, progress: { made: boolean }): void {
  cgroup.create(writes);
  progress.made = true;
}

/** Device rules may be in force before the mounts are made: nodes can be made under any rules, and no device is mounted. */
function mountsNoDevice(spec: Spec): boolean {
  return (
    spec.mounts?.every(
      ({ type = "", source = "" }) =>
        WITHOUT_DEVICE.has(type) || type.startsWith("cgroup") || !source.startsWith("/dev/"),
    ) ?? true
  );
}

function setClocks(pid: number, spec: Spec): void {
  const clocks = require("./clocks.ts") as typeof import("./clocks.ts");
  clocks.setClocks(pid, spec);
}

function moveDevices(spec: Spec, pid: number): void {
  const { moveNetDevices } = require("./netdevices.ts") as typeof import("./netdevices.ts");
  moveNetDevices(spec.linux?.netDevices ?? {}, pid);
}

function sendListener(spec: Spec, id: string, bundle: string, pid: number, pidfd: number, fd: number): void {
  const { handOver } = require("./listener.ts") as typeof import("./listener.ts");
  handOver(spec, { id, bundle, pid, status: "creating" }, pidfd, fd);
}

/** Opened for both directions, so that neither side ever waits for the other to open it. */
function openFifo(directory: string, spec: Spec): number {
  const path = `${directory}/exec.fifo`;
  mkfifo(path, 0o622);
  const uid = hostId(spec.linux?.uidMappings, 0);
  const gid = hostId(spec.linux?.gidMappings, 0);
  if (uid !== 0 || gid !== 0) chown(path, uid, gid);
  return openSync(path, "r+");
}

function chown(path: string, uid: number, gid: number): void {
  try {
    (require("node:fs") as typeof import("node:fs")).chownSync(path, uid, gid);
  } catch (error) {
    if (!isErrno(error, "EPERM", "EINVAL")) throw error; // rootless: it is ours already
  }
}

/** Set from outside: the runtime may raise hard limits where the container's root could not. */
export function setLimits(pid: number, spec: Pick<Spec, "process">): void {
  for (const [i, limit] of (spec.process?.rlimits ?? []).entries()) {
    try {
      setLimit(pid, RLIMITS[limit.type as keyof typeof RLIMITS], {
        soft: BigInt(limit.soft),
        hard: BigInt(limit.hard),
      });
    } catch (error) {
      if (!isErrno(error, "EPERM"))
        throw new FailedPrecondition(
          `process.rlimits[${i}]: error setting rlimit ${limit.type}: ${(error as Error).message}`,
        );
      throw new PermissionDenied(
        `process.rlimits[${i}]: error setting rlimit ${limit.type}: operation not permitted (raising a hard limit needs CAP_SYS_RESOURCE)`,
      );
    }
  }
}

/** A process that vanished was most likely killed by its own memory limit: the control group knows. */
function explainFailure(error: unknown, cgroup: Cgroup): unknown {
  if (!(error instanceof LaunchFailure)) return error;
  let killed = 0;
  try {
    if (error.silent && cgroup.exists()) killed = cgroup.oomKills();
  } catch {
    // only makes the message better; the launch's own failure is what is told
  }
  const reason = killed > 0 ? "container init was OOM-killed (memory limit too low?)" : error.message;
  return new FailedPrecondition(`unable to start container process: error during container init: ${reason}`, {
    cause: error,
  });
}

/** Takes away what a create that failed has left. */
export function undo(
  context: Context,
  { spec, cgroup, bundle, rdt }: Prepared,
  directory: string,
  id: string,
  hooked: boolean,
  made = true,
): void {
  // One that was refused because somebody is in it is theirs.
  if (made && cgroup.exists()) {
    cgroup.kill();
    cgroup.destroy();
  }
  if (made) rdt?.destroy();
  removeDirectory(directory);
  if (hooked) runPoststop(spec, { id, bundle, pid: 0, status: "stopped" }, context.log);
}
