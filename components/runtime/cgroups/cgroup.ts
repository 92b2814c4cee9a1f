/** A container's cgroup: one directory on v2, one per hierarchy on v1. */
import { closeSync, constants } from "node:fs";
import { FailedPrecondition, NotFound, PermissionDenied } from "@gantry/oci";
import { isErrno, SysError, writeOnce } from "@gantry/sys";
import { applyWrites } from "./apply.ts";
import { type CreatedDirectories, createV1 } from "./create-v1.ts";
import { destroyCgroup } from "./destroy.ts";
import { dropUnified, taskFiles, unifiedFd } from "./enter.ts";
import { type CgroupRoot, openBelow, openRoot, pause, removeDirectory } from "./file.ts";
import type { CgroupHost } from "./host.ts";
import type { OomWatch } from "./oom.ts";
import { type CgroupPaths, cgroupfsPaths } from "./paths.ts";
import { listPids } from "./pids.ts";
import type { CgroupWrite } from "./resources/write.ts";
import type { CgroupStats } from "./stats/types.ts";

export type CgroupDriver = "cgroupfs" | "systemd";

export interface OpenOptions {
  readonly host: CgroupHost;
  /** `linux.cgroupsPath`; empty is by `id`. */
  readonly cgroupsPath?: string | undefined;
  readonly id: string;
  readonly driver?: CgroupDriver | undefined;
  /** No right to cgroups is tolerated as long as neither limits nor a path are asked for. */
  readonly rootless?: boolean | undefined;
  /** We run inside a user namespace: device rules are not ours to make. */
  readonly userNamespace?: boolean | undefined;
  /** `annotations`: `org.systemd.property.*` are for the systemd driver. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** v2: the host uid that the cgroup is delegated to. */
  readonly ownerUid?: number | undefined;
}

/** What `fromState` needs to find a cgroup again. */
export interface ReopenOptions extends OpenOptions {
  /** `cgroup_paths` of the state file. */
  readonly paths: CgroupPaths;
}

/** Everything is synchronous. Only `create`, `join`, `apply` and `destroy` are on the path of a plain run. */
export interface Cgroup extends Disposable {
  readonly host: CgroupHost;
  readonly driver: CgroupDriver;
  /** Absolute directory by controller (`""` is v2); those that a rootless container could not have are left out. */
  readonly paths: CgroupPaths;
  /** True when a process can be born inside by `directoryFd`; otherwise it is moved by `join`. */
  readonly entersAtClone: boolean;
  /** True when at least one directory exists. */
  exists(): boolean;
  /**
   * Makes the directories and writes what must be there before a process joins.
   * @throws FailedPrecondition when there are processes in it already, or it is frozen.
   */
  create(writes?: readonly CgroupWrite[]): void;
  /** Moves a process in; `apart` leaves out the v2 half of a hybrid host. */
  join(pid: number, apart?: boolean): void;
  /**
   * v1: `tasks` files, for the caller to close; a thread that writes 0 to each of them is in the cgroup. Undefined where
   * `join` has to be used. It is many times as fast: see channel_wait_go_joining in native/launcher/channel.c.
   */
  taskFiles(): number[] | undefined;
  /** Hybrid: the directory in the v2 half for CLONE_INTO_CGROUP, made first with `make`; the caller closes it. */
  unifiedFd(make?: boolean): number | undefined;
  /** Removes what `unifiedFd` made, for a start that came no further. */
  dropUnified(): void;
  /** Moves a process into the sub-cgroups of `exec --cgroup`: `PATH` or `CONTROLLER[,CONTROLLER…]:PATH`. */
  joinSub(pid: number, subs: readonly string[]): void;
  /**
   * v2: the directory (or that of a sub-cgroup) for CLONE_INTO_CGROUP; the caller closes it. With `initPid` that of the
   * container's first process instead, should it have moved away and left a directory that takes no processes, or none.
   */
  directoryFd(sub?: string, initPid?: number): number;
  /** Writes limits. @throws FailedPrecondition with the field whose write the kernel refused. */
  apply(writes: readonly CgroupWrite[]): void;
  /** The same; if one fails, the old values come back before the error is thrown. */
  update(writes: readonly CgroupWrite[]): void;
  /** Pids as we see them; `recursive` with those of all sub-cgroups. */
  pids(recursive?: boolean): number[];
  freeze(): void;
  /** Also every frozen sub-cgroup when `recursive`. */
  thaw(recursive?: boolean): void;
  frozen(): boolean;
  /** SIGKILL to everything in it and below; frozen processes die too. */
  kill(): void;
  /** What `events --stats` prints as `data`, without RDT. */
  stats(): CgroupStats;
  /** How many processes the kernel has killed here for lack of memory. */
  oomKills(): number;
  /** To be told of more of them. @throws NotFound without a memory controller. */
  watchOom(): OomWatch;
  /** Removes the directories, innermost first. */
  destroy(): void;
}

/** What the parts of a cgroup's implementation share. */
export interface CgroupState {
  readonly options: OpenOptions;
  readonly host: CgroupHost;
  readonly root: CgroupRoot;
  /** Controllers vanish from it when a rootless user has no right to them. */
  readonly paths: Record<string, string>;
  /** Directories of a hybrid host's v2 half that were made before all others. */
  readonly early: string[];
}

/** The cgroup of a container that is being made. @throws FailedPrecondition when a needed hierarchy is missing. */
export function openCgroup(options: OpenOptions): Cgroup {
  if (options.driver === "systemd") return systemd().openSystemd(options);
  const { host, cgroupsPath = "", id, rootless, userNamespace } = options;
  const paths = cgroupfsPaths(host, cgroupsPath, id);
  if (host.mode !== "v2" && paths.devices === undefined && !rootless && !userNamespace)
    throw new FailedPrecondition(
      "the cgroup controller devices is not mounted on this host: device access could not be restricted",
    );
  return cgroupfs(options, paths).cgroup;
}

/** The cgroup of a container that exists. */
export function reopenCgroup(options: ReopenOptions): Cgroup {
  if (options.driver === "systemd") return systemd().openSystemd(options);
  return cgroupfs(options, options.paths).cgroup;
}

/** The cgroup whose directories are known, worked on through the file system alone. */
export function cgroupfs(options: OpenOptions, paths: CgroupPaths): { cgroup: Cgroup; state: CgroupState } {
  const { host } = options;
  const v2 = host.mode === "v2";
  const state: CgroupState = { options, host, paths: { ...paths }, early: [], root: openRoot(host.root, v2) };
  const cgroup: Cgroup = {
    host,
    driver: "cgroupfs",
    paths: state.paths,
    entersAtClone: v2 && !options.rootless, // without a right to cgroups we find out when we move it
    exists: () => distinctPaths(state.paths).some((path) => exists(state, path)),
    create: (writes = []) => create(state, writes),
    join: (pid, apart = false) => join(state, pid, apart),
    taskFiles: () => taskFiles(state),
    unifiedFd: (make = false) => unifiedFd(state, make),
    dropUnified: () => dropUnified(state),
    joinSub: (pid, subs) => sub().joinSub(state, pid, subs),
    directoryFd: (below, initPid) => directoryFd(state, below, initPid),
    apply: (writes) => applyWrites(state, writes),
    update: (writes) => update().updateWrites(state, writes),
    pids: (recursive = false) => listPids(state.root, mainPath(state), recursive),
    freeze: () => freezer().freeze(state),
    thaw: (recursive = false) => freezer().thaw(state, recursive),
    frozen: () => freezer().frozen(state),
    kill: () => kill().kill(state),
    stats: () => stats().readStats(state),
    oomKills: () => events().oomKills(state),
    watchOom: () => events().watchOom(state),
    destroy: () => destroyCgroup(state),
    [Symbol.dispose]: () => closeSync(state.root.fd),
  };
  return { cgroup, state };
}

// Loaded when asked for: a plain run needs none of them.
const systemd = () => require("./systemd/driver.ts") as typeof import("./systemd/driver.ts");
const sub = () => require("./sub.ts") as typeof import("./sub.ts");
const v2 = () => require("./create-v2.ts") as typeof import("./create-v2.ts");
const update = () => require("./update.ts") as typeof import("./update.ts");
const freezer = () => require("./freezer.ts") as typeof import("./freezer.ts");
const kill = () => require("./kill.ts") as typeof import("./kill.ts");
const stats = () => require("./stats/read.ts") as typeof import("./stats/read.ts");
const events = () => require("./oom.ts") as typeof import("./oom.ts");

/** The directory that stands for all when processes are listed; every hierarchy has the same ones. */
export function mainPath({ paths, host }: CgroupState): string {
  const path = host.mode === "v2" ? paths[""] : (paths.devices ?? paths.freezer ?? Object.values(paths)[0]);
  if (path === undefined) throw new NotFound("this container has no cgroup");
  return path;
}

/** Hierarchies with several controllers have one directory for them. */
export function distinctPaths(paths: CgroupPaths): string[] {
  return [...new Set(Object.values(paths))];
}

function exists({ root }: CgroupState, path: string): boolean {
  try {
    closeSync(openBelow(root, path, constants.O_DIRECTORY | constants.O_RDONLY));
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

function create(state: CgroupState, writes: readonly CgroupWrite[]): void {
  const made: CreatedDirectories = state.early.splice(0);
  try {
    if (state.host.mode === "v2") v2().createV2(state, writes, made);
    else createV1(state, writes, made);
  } catch (error) {
    for (const path of made.reverse()) removeDirectory(path);
    throw error;
  }
}

/** @throws FailedPrecondition when somebody else lives in the directory already. */
export function requireUnused(state: CgroupState): void {
  const pids = listPids(state.root, mainPath(state), true);
  if (pids.length > 0)
    throw new FailedPrecondition(`container's cgroup is not empty: ${pids.length} process(es) found`);
  if (freezer().frozen(state)) throw new FailedPrecondition("container's cgroup unexpectedly frozen");
}

const ATTEMPTS = 5;
const ATTEMPT_PAUSE_MS = 30;

function join(state: CgroupState, pid: number, apart: boolean): void {
  const text = String(pid);
  let last: string | undefined;
  for (const controller in state.paths) {
    const path = state.paths[controller]!;
    if (path === last || (apart && controller === "")) continue;
    last = path;
    try {
      writeProcs(state.root, path, text);
    } catch (error) {
      if (optional(controller, error)) continue;
      if (!tolerated(state, error)) throw joinError(state, error);
      delete state.paths[controller];
    }
  }
}

/** Writes a pid to `cgroup.procs`. EINVAL: the task is not ready yet; a moment later it is. */
export function writeProcs(root: CgroupRoot, directory: string, pid: string): void {
  const file = `${directory}/cgroup.procs`;
  const fd = openBelow(root, file, constants.O_WRONLY);
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        writeOnce(fd, pid, file);
        return;
      } catch (error) {
        if (!isErrno(error, "EINVAL") || attempt === ATTEMPTS) throw error;
        pause(ATTEMPT_PAUSE_MS);
      }
    }
  } finally {
    closeSync(fd);
  }
}

/** Hierarchies without limits of ours: their absence or refusal harms nothing. */
export function optional(controller: string, error: unknown): boolean {
  return (controller === "name=systemd" || controller === "misc" || controller === "") && error instanceof SysError;
}

/** A rootless user without rights to cgroups, who asked for none in particular. */
export function tolerated({ options }: CgroupState, error: unknown): boolean {
  const asked = Boolean(options.cgroupsPath) && !("paths" in options); // of a container that exists it is known already
  return options.rootless === true && !asked && isErrno(error, "EACCES", "EPERM", "EROFS");
}

function joinError({ options }: CgroupState, error: unknown): unknown {
  if (!isErrno(error, "EACCES", "EPERM", "EROFS")) return error;
  return new PermissionDenied(
    `unable to apply cgroup configuration: ${(error as Error).message}${options.rootless ? " (rootless: is this cgroup delegated to you?)" : ""}`,
    { cause: error },
  );
}

function directoryFd(state: CgroupState, inner = "", initPid?: number): number {
  const path = state.paths[""];
  if (state.host.mode !== "v2" || path === undefined)
    throw new FailedPrecondition("only a cgroup v2 directory can be cloned into");
  if (inner === "" && initPid !== undefined && !sub().takesProcesses(state, path))
    return sub().directoryFdOf(state, initPid);
  const directory = inner === "" ? path : sub().below(path, inner);
  try {
    return openBelow(state.root, directory, constants.O_DIRECTORY | constants.O_RDONLY);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
    throw new NotFound(`cannot join cgroup ${directory}: no such file or directory`, { cause: error });
  }
}
