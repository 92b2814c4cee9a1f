/** Operations on containers that exist; runtime-spec, runtime.md, "Operations". */
import { closeSync, existsSync, openSync, readdirSync, statSync, unlinkSync, writeSync } from "node:fs";
import { type ContainerState, containerState, FailedPrecondition, NotFound } from "@gantry/oci";
import { isErrno, pidfdOpen, pidfdSignal, pollReadable } from "@gantry/sys";
import { type Cgroup, reopenCgroup } from "./cgroups/index.ts";
import type { Context } from "./prepare.ts";
import {
  type ContainerStatus,
  checkId,
  directory,
  isAlive,
  processStat,
  type Record,
  readRecord,
  removeDirectory,
  status,
} from "./state.ts";

// Few containers have them.
const hooks = () => require("./hooks.ts") as typeof import("./hooks.ts");
const rdt = () => require("./rdt.ts") as typeof import("./rdt.ts");

/** A container looked up: its record, and its control group opened when first needed. */
export interface Found {
  readonly id: string;
  readonly directory: string;
  readonly record: Record;
  readonly cgroup: Cgroup;
  status(): ContainerStatus;
}

/** @throws NotFound */
export function find(context: Context, id: string): Found {
  const record = readRecord(context.root, id);
  const dir = directory(context.root, id);
  let cgroup: Cgroup | undefined;
  const found: Found = {
    id,
    directory: dir,
    record,
    get cgroup() {
      cgroup ??= reopen(context, record);
      return cgroup;
    },
    status: () => status(dir, record, () => isFrozen(found)),
  };
  return found;
}

function reopen({ host }: Context, record: Record): Cgroup {
  const { spec, systemdCgroup } = record.gantry;
  return reopenCgroup({
    host: host.cgroups,
    paths: record.cgroup_paths,
    cgroupsPath: spec.linux?.cgroupsPath,
    id: record.id,
    driver: systemdCgroup ? "systemd" : "cgroupfs",
    rootless: record.rootless,
    userNamespace: host.inUserNamespace,
    annotations: spec.annotations,
  });
}

function isFrozen(found: Found): boolean {
  return Object.keys(found.record.cgroup_paths).length > 0 && found.cgroup.exists() && found.cgroup.frozen();
}

/** What `state` prints; `owner` is filled in by lists. */
export function stateOf(found: Found, owner = ""): ContainerState {
  const { record } = found;
  const now = found.status();
  return containerState({
    id: record.id,
    pid: now === "stopped" ? 0 : record.init_process_pid,
    status: now,
    bundle: record.gantry.bundle,
    rootfs: record.config.rootfs,
    created: record.created,
    ...(record.gantry.spec.annotations && { annotations: record.gantry.spec.annotations }),
    owner,
  });
}

/** Every container below the root; `onBroken` is told of those that cannot be read. */
export function list(context: Context, onBroken: (id: string, error: unknown) => void): ContainerState[] {
  const states: ContainerState[] = [];
  for (const id of readdirSync(context.root).sort()) {
    try {
      const stat = statSync(`${context.root}/${id}`);
      if (stat.isDirectory()) states.push(stateOf(find(context, id), userName(stat.uid)));
    } catch (error) {
      if (!isErrno(error, "ENOENT")) onBroken(id, error); // deleted while we looked
    }
  }
  return states;
}

function userName(uid: number): string {
  if (uid === 0) return "root";
  const { readFileSync } = require("node:fs") as typeof import("node:fs");
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((one) => one.split(":")[2] === String(uid));
  return line?.split(":")[0] ?? `#${uid}`;
}

/** Lets a created container's program run, then runs the poststart hooks. @throws FailedPrecondition in any other state. */
export function start(context: Context, id: string): void {
  const found = find(context, id);
  const now = found.status();
  if (now === "stopped") throw new FailedPrecondition("cannot start a container that has stopped");
  if (now === "running") throw new FailedPrecondition("cannot start an already running container");
  if (now !== "created") throw new FailedPrecondition(`cannot start a container in the ${now} state`);
  release(found.directory);
  poststart(found);
}

/** Writes the byte that the launcher waits for. Nobody on the other side (ENXIO): it has died. */
function release(dir: string): void {
  const path = `${dir}/exec.fifo`;
  const { O_WRONLY, O_NONBLOCK } = (require("node:fs") as typeof import("node:fs")).constants;
  try {
    const fd = openSync(path, O_WRONLY | O_NONBLOCK);
    try {
      unlinkSync(path); // first: of two starts at the same time only one may get past this line
      writeSync(fd, "0");
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (isErrno(error, "ENXIO")) throw new FailedPrecondition("cannot start a container that has stopped");
    if (isErrno(error, "ENOENT")) throw new FailedPrecondition("cannot start an already running container");
    throw error;
  }
}

/** runtime.md, lifecycle step 8: after the user's program was started; a failure stops the container. */
export function poststart(found: Pick<Found, "id" | "record" | "cgroup">): void {
  const { bundle, spec } = found.record.gantry;
  if (!spec.hooks?.poststart?.length) return;
  try {
    hooks().runHooks(spec, "poststart", {
      id: found.id,
      bundle,
      pid: found.record.init_process_pid,
      status: "running",
    });
  } catch (error) {
    signalInit(found.record, 9);
    throw error;
  }
}

/** Sends a signal to the first process, proven by its start time to be the same one. Returns false when it is gone. */
export function signalInit(record: Record, signal: number): boolean {
  let pidfd: number;
  try {
    pidfd = pidfdOpen(record.init_process_pid);
  } catch (error) {
    if (isErrno(error, "ESRCH", "EINVAL")) return false;
    throw error;
  }
  try {
    if (!isAlive(record)) return false;
    pidfdSignal(pidfd, signal);
    return true;
  } catch (error) {
    if (isErrno(error, "ESRCH")) return false;
    throw error;
  } finally {
    closeSync(pidfd);
  }
}

/** Its processes do not end with the first one: the pid namespace is shared or somebody else's. */
function sharesPids(record: Record): boolean {
  const pid = record.gantry.spec.linux?.namespaces?.find((one) => one.type === "pid");
  return pid === undefined || Boolean(pid.path);
}

export interface KillOptions {
  /** Turns "not running" into success, and reaches every process. */
  readonly all?: boolean;
}

/** @throws FailedPrecondition "container not running" */
export function kill(context: Context, id: string, signal: number, { all = false }: KillOptions = {}): void {
  const found = find(context, id);
  const shared = sharesPids(found.record);
  if (signal === 9 && shared && found.cgroup.exists()) {
    const any = found.cgroup.pids(true).length > 0;
    if (any) {
      found.cgroup.kill();
      return;
    }
  }
  if (signalInit(found.record, signal)) {
    // A frozen process dies only when it thaws (v1).
    if (signal === 9 && isFrozen(found)) found.cgroup.thaw(true);
    return;
  }
  if (!all) throw new FailedPrecondition("container not running");
}

export interface DeleteOptions {
  readonly force?: boolean;
}

/** Removes a stopped or created container, or with `force` any. @throws NotFound unless `force`. */
export function remove(context: Context, id: string, { force = false }: DeleteOptions = {}): void {
  checkId(id);
  let found: Found;
  try {
    found = find(context, id);
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
    // What is left of a create that was killed before its record was there.
    const dir = directory(context.root, id);
    if (existsSync(dir)) removeDirectory(dir);
    else if (!force) throw error;
    return;
  }
  const now = found.status();
  if (now !== "stopped" && now !== "created" && !force)
    throw new FailedPrecondition(`cannot delete container ${id} that is not stopped: ${now}`);
  if (now !== "stopped") endInit(found);
  destroy(context, found);
}

/** SIGKILL, then waits for the end: at most ten seconds. */
function endInit(found: Found): void {
  const { record } = found;
  const pidfd = tryPidfd(record.init_process_pid);
  if (!signalInit(record, 9)) return;
  if (found.cgroup.exists()) found.cgroup.thaw(true);
  if (pidfd !== undefined) {
    const ended = pollReadable([pidfd], 10_000).length > 0;
    closeSync(pidfd);
    if (!ended) throw new FailedPrecondition("container init still running");
  }
}

function tryPidfd(pid: number): number | undefined {
  try {
    return pidfdOpen(pid);
  } catch (error) {
    if (isErrno(error, "ESRCH", "EINVAL")) return undefined;
    throw error;
  }
}

/** Takes away everything of a container whose first process has ended; runtime.md, "Delete". */
export function destroy(
  context: Context,
  { id, record, directory: dir, cgroup }: Pick<Found, "id" | "record" | "directory" | "cgroup">,
): void {
  if (Object.keys(record.cgroup_paths).length > 0) {
    const there = cgroup.exists();
    if (there && sharesPids(record)) cgroup.kill();
    // systemd remembers a unit that failed when its cgroup is long gone.
    if (there || cgroup.driver === "systemd") cgroup.destroy();
  }
  const { bundle, spec } = record.gantry;
  if (spec.linux?.intelRdt) rdt().rdtGroup(spec, id, record.intel_rdt_path)?.destroy();
  removeDirectory(dir);
  if (spec.hooks?.poststop?.length) hooks().runPoststop(spec, { id, bundle, pid: 0, status: "stopped" }, context.log);
}

/** @throws FailedPrecondition unless the container runs (or is created). */
export function pause(context: Context, id: string): void {
  const found = find(context, id);
  const now = found.status();
  if (now !== "running" && now !== "created")
    throw new FailedPrecondition(now === "paused" ? "container already paused" : "container not running");
  found.cgroup.freeze();
}

/** @throws FailedPrecondition unless the container is paused. */
export function resume(context: Context, id: string): void {
  const found = find(context, id);
  if (found.status() !== "paused") throw new FailedPrecondition("container not paused");
  found.cgroup.thaw();
}

/** Host pids of all processes of the container; also those that outlive its first one. @throws FailedPrecondition without a cgroup. */
export function processes(context: Context, id: string): number[] {
  const found = find(context, id);
  if (Object.keys(found.record.cgroup_paths).length === 0)
    throw new FailedPrecondition("the container has no control group, which alone knows its processes");
  return found.cgroup.pids(true);
}

export { processStat };
