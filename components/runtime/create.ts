/** create and run: from a bundle to a container's process. Runtime-spec, runtime.md, "Lifecycle"; the steps are in order. */
import { closeSync, openSync } from "node:fs";
import { FailedPrecondition, type Spec } from "@gantry/oci";
import { isErrno, mkfifo } from "@gantry/sys";
import type { Cgroup } from "./cgroups/index.ts";
import { hostId } from "./ids.ts";
import type { ContainerIo } from "./io.ts";
import { type LaunchEvents, type Launched, LaunchFailure, launch } from "./launch.ts";
import { setLimits } from "./limits.ts";
import { type Context, type CreateOptions, type Prepared, prepare } from "./prepare.ts";
import { completeRecord, initialRecord } from "./record.ts";
import { type Record, removeDirectory, reserve, writeRecord } from "./state.ts";

export interface Container {
  readonly io: ContainerIo;
  readonly record: Record;
  readonly directory: string;
  readonly cgroup: Cgroup;
  readonly pid: number;
  readonly pidfd: number;
}

/** @throws before anything is left behind: every step undoes the ones before it. */
export function createContainer(context: Context, options: CreateOptions): Container {
  const prepared = prepare(context, options);
  const io = options.io(prepared.spec);
  const directory = reserve(context.root, options.id);
  let launched: Launched;
  let record = initialRecord(context, prepared, options.id);
  const progress: Progress = { made: false, hooked: false };
  try {
    writeRecord(directory, record); // at once: whatever happens now, `delete` finds what there is to clean
    options.onReserved?.(directory);
    if (prepared.cgroup.entersAtClone) makeCgroup(prepared, progress);
    launched = start(context, { ...options, io }, prepared, directory, progress, {
      // v1: made while the launcher starts; the plan waits for it where it needs it.
      onSpawned: () => {
        if (!prepared.cgroup.entersAtClone) makeCgroup(prepared, progress);
      },
      onRecord: (pid) => {
        record = completeRecord(record, prepared, pid);
        writeRecord(directory, record);
      },
    });
    prepared.keep?.();
  } catch (error) {
    const explained = explainFailure(error, prepared.cgroup);
    undo(context, prepared, directory, options.id, progress.hooked, progress.made);
    throw explained;
  }
  return { record, directory, cgroup: prepared.cgroup, io, ...launched };
}

type Progress = { made: boolean; hooked: boolean };
/** When the container's record is written. */
interface Recording {
  readonly onSpawned: () => void;
  readonly onRecord: (pid: number) => void;
}

type Starting = Omit<CreateOptions, "io"> & { readonly io: ContainerIo };

function start(
  context: Context,
  options: Starting,
  prepared: Prepared,
  directory: string,
  progress: Progress,
  recording: Recording,
): Launched {
  const { spec, plan, cgroup } = prepared;
  const fifo = options.fifo ? openFifo(directory, spec) : undefined;
  const directoryFd = !plan.born ? undefined : cgroup.entersAtClone ? cgroup.directoryFd() : cgroup.unifiedFd(true);
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
      ...runtimePart(context, options, prepared, progress, recording),
    });
  } catch (error) {
    cgroup.dropUnified();
    throw error;
  } finally {
    if (fifo !== undefined) closeSync(fifo);
    if (directoryFd !== undefined) closeSync(directoryFd);
  }
}

/** What the runtime does at the points where the plan waits for it, or while it runs. */
function runtimePart(
  context: Context,
  { id, io }: Starting,
  prepared: Prepared,
  progress: Progress,
  { onSpawned, onRecord }: Recording,
): LaunchEvents {
  const { spec, plan, cgroup, bundle, rdt } = prepared;
  // systemd makes the cgroup when the process joins it: too late to be early.
  const early = prepared.devicesEarly && !context.systemdCgroup;
  const restrictDevices = () => {
    if (early) cgroup.apply(prepared.writes.filter((write) => write.kind === "devices"));
  };
  const limit = limiter(prepared, early);
  let settled = false;
  /** What need not be there before the container's process goes on; while it mounts, both of us have something to do. */
  const settle = (pid: number) => {
    if (settled) return;
    settled = true;
    onRecord(pid);
  };
  return {
    onSpawned: () => {
      onSpawned();
      // v1: before the process joins. A list is emptied first and then filled; in between no node could be made.
      if (!cgroup.entersAtClone) restrictDevices();
    },
    onInit: (pid) => {
      if (cgroup.entersAtClone) restrictDevices(); // v2: a program takes effect as a whole
      const tasks = cgroup.entersAtClone ? [] : enter(cgroup, pid, plan.cgroup);
      rdt?.join(pid);
      return tasks;
    },
    onJoined: settle,
    onMap: (pid) => mapUsers(pid, spec, context.host.rootless),
    onTime: (pid) => setClocks(pid, spec),
    onNetwork: (pid) => moveDevices(spec, pid),
    onHooks: (pid) => {
      settle(pid);
      limit();
      progress.hooked = true;
      const { runHooks } = require("./hooks.ts") as typeof import("./hooks.ts");
      const state = { id, bundle, pid, status: "creating" as const };
      runHooks(spec, "prestart", state);
      runHooks(spec, "createRuntime", state);
    },
    onReady: (pid) => {
      settle(pid);
      limit();
      setLimits(pid, spec);
    },
    onListener: (pid, pidfd, fd) => sendListener(spec, id, bundle, pid, pidfd, fd),
    onMaster: (master, name) => io.onMaster(master, name),
  };
}

/** Writes the limits, once; device rules only if that was not done `early`. */
function limiter({ cgroup, writes, rdt }: Prepared, early: boolean): () => void {
  let limited = false;
  return () => {
    if (limited) return;
    cgroup.apply(early ? writes.filter((write) => write.kind !== "devices") : writes);
    rdt?.apply();
    limited = true;
  };
}

/** Has a process enter a v1 cgroup: @returns the files by which it does so itself, or none when it has been moved. */
export function enter(cgroup: Cgroup, pid: number, inUnified: boolean): readonly number[] {
  const files = inUnified || cgroup.paths[""] === undefined ? cgroup.taskFiles() : undefined;
  if (files === undefined) cgroup.join(pid, inUnified);
  return files ?? [];
}

function makeCgroup({ cgroup, writes }: Prepared, progress: Progress): void {
  cgroup.create(writes);
  progress.made = true;
}

function mapUsers(pid: number, spec: Spec, rootless: boolean): void {
  const { writeMappings } = require("./users.ts") as typeof import("./users.ts");
  writeMappings(pid, spec, rootless);
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
  if (!hooked) return;
  const { runPoststop } = require("./hooks.ts") as typeof import("./hooks.ts");
  runPoststop(spec, { id, bundle, pid: 0, status: "stopped" }, context.log);
}
