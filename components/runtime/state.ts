/**
 * The record of a container: `<root>/<id>/state.json`. It is written the moment the directory exists, so that whatever
 * happens afterwards `delete` finds what there is to clean. What can be derived is not stored: see `status`.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { AlreadyExists, InvalidArgument, NotFound, readJson, type Spec, writeJson } from "@gantry/oci";
import { AT_FDCWD, isErrno, trySyscall } from "@gantry/sys";

/** The keys of runc's file that other software reads, and under `gantry` what only we need. */
export interface Record {
  readonly id: string;
  readonly init_process_pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot; with the pid it names a process for good. */
  readonly init_process_start: number;
  /** RFC 3339. */
  readonly created: string;
  readonly config: { readonly rootfs: string; readonly labels: readonly string[] };
  readonly rootless: boolean;
  /** Controller ("" for cgroup v2) → absolute directory. */
  readonly cgroup_paths: Readonly<{ [controller: string]: string }>;
  readonly namespace_paths: Readonly<{ [flag: string]: string }>;
  readonly external_descriptors: readonly string[];
  readonly intel_rdt_path: string;
  readonly gantry: {
    readonly bundle: string;
    readonly systemdCgroup: boolean;
    readonly spec: Spec;
  };
}

/** Containers live in this directory; absolute. */
export type Root = string;

const ID = /^[\w+.-]+$/;

/** @throws InvalidArgument */
export function checkId(id: string): void {
  if (!ID.test(id) || id === "." || id === "..") throw new InvalidArgument(`invalid container ID format: "${id}"`);
}

export function directory(root: Root, id: string): string {
  return `${root}/${id}`;
}

/** Makes the container's directory. @throws AlreadyExists */
export function reserve(root: Root, id: string): string {
  checkId(id);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const dir = directory(root, id);
  try {
    mkdirSync(dir, { mode: 0o711 });
  } catch (error) {
    if (isErrno(error, "EEXIST")) throw new AlreadyExists(`container with given ID already exists: ${id}`);
    throw error;
  }
  return dir;
}

/** Replaces the record in one step: readers see the old one or the new one. */
export function writeRecord(dir: string, record: Record): void {
  const temporary = `${dir}/.state.json.${process.pid}`;
  // One that was killed may have had our pid: what it left half-written is written over.
  writeFileSync(temporary, writeJson(record), { mode: 0o600 });
  renameSync(temporary, `${dir}/state.json`);
}

/** @throws NotFound when there is no such container. */
export function readRecord(root: Root, id: string): Record {
  checkId(id);
  try {
    return readJson(readFileSync(`${directory(root, id)}/state.json`, "utf8"), "state.json") as Record;
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) throw new NotFound(`container does not exist: ${id}`);
    if (error instanceof InvalidArgument) throw new NotFound(`container ${id} is damaged: ${error.message}`);
    throw error;
  }
}

export function removeDirectory(dir: string): void {
  // What is there nearly always, then the rest: the recursive walk costs more than both.
  for (const name of ["state.json", "exec.fifo"]) unlinkIfThere(`${dir}/${name}`);
  if (-trySyscall("unlinkat", AT_FDCWD, dir, AT_REMOVEDIR) === ENOTEMPTY) rmSync(dir, { recursive: true, force: true });
}

const AT_REMOVEDIR = 0x200;
const ENOTEMPTY = 39;

function unlinkIfThere(path: string): void {
  trySyscall("unlinkat", AT_FDCWD, path, 0);
}

export interface ProcessStat {
  readonly state: string;
  readonly start: number;
}

/** State letter and start time; undefined when there is no such process. proc_pid_stat(5). */
export function processStat(pid: number): ProcessStat | undefined {
  if (pid <= 0) return undefined;
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name in parentheses may hold anything, parentheses included.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0]!, start: Number(fields[19]) };
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}

/** True while the container's own first process lives: same pid, same start, not a zombie. */
export function isAlive(record: Record): boolean {
  const stat = processStat(record.init_process_pid);
  return stat !== undefined && stat.start === record.init_process_start && !"ZX".includes(stat.state);
}

export type ContainerStatus = "created" | "running" | "paused" | "stopped";

/** Derived from facts alone. `frozen` asks the freezer, and only when it matters. */
export function status(dir: string, record: Record, frozen: () => boolean): ContainerStatus {
  if (!isAlive(record)) return "stopped";
  if (frozen()) return "paused";
  return existsSync(`${dir}/exec.fifo`) ? "created" : "running";
}
