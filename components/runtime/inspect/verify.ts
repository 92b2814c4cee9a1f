/** Compares a container that lives with the configuration it was made from: what has drifted apart since. */
import { closeSync, constants, readFileSync, statSync } from "node:fs";
import { cleanPath, FailedPrecondition, MS_BIND, NAMESPACES, parseMountOptions, RLIMITS, type Spec } from "@gantry/oci";
import { AT_FDCWD, getLimit, isErrno, O_PATH, openat2, RESOLVE_IN_ROOT } from "@gantry/sys";
import { compileResources } from "../cgroups/index.ts";
import { capabilityMasks } from "../compile/capabilities.ts";
import { compileFacts } from "../facts.ts";
import { type Found, find } from "../lifecycle.ts";
import type { Context } from "../prepare.ts";

/** One line for each difference: the field, what it asks for, and what is. @throws FailedPrecondition when the container has stopped. */
export function verify(context: Context, id: string): string[] {
  const found = find(context, id);
  if (found.status() === "stopped") throw new FailedPrecondition("container not running");
  const { spec } = found.record.gantry;
  const pid = found.record.init_process_pid;
  return [
    ...namespaceDrift(spec, pid),
    ...mountDrift(spec, pid),
    ...processDrift(context, found, spec, pid),
    ...limitDrift(spec, pid),
    ...cgroupDrift(context, found, spec, pid),
  ];
}

const proc = (pid: number, file: string) => readFileSync(`/proc/${pid}/${file}`, "utf8");

function* namespaceDrift({ linux }: Spec, pid: number): Iterable<string> {
  for (const [i, { type, path }] of (linux?.namespaces ?? []).entries()) {
    const { file } = NAMESPACES[type];
    const own = inode(`/proc/${pid}/ns/${file}`);
    if (!path && own === inode(`/proc/self/ns/${file}`))
      yield `linux.namespaces[${i}]: ${type}: is in ours instead of one of its own`;
    if (path && inode(path) !== undefined && own !== inode(path))
      yield `linux.namespaces[${i}]: ${type}: is not in ${path}`;
  }
}

function inode(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined; // the file that named it is gone; the namespace may well be there
    throw error;
  }
}

/** Mount point → its options, those of the file system included; the topmost one where there are several. */
function mountTable(pid: number): Map<string, Set<string>> {
  const table = new Map<string, Set<string>>();
  for (const line of proc(pid, "mountinfo").trimEnd().split("\n")) {
    const fields = line.split(" ");
    const path = fields[4]!.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
    table.set(path, new Set([...fields[5]!.split(","), ...fields.at(-1)!.split(",")]));
  }
  return table;
}

const CHECKED = ["ro", "nosuid", "nodev", "noexec"];

function* mountDrift({ mounts = [], root, linux }: Spec, pid: number): Iterable<string> {
  const table = mountTable(pid);
  for (const [i, { destination, options = [] }] of mounts.entries()) {
    const actual = table.get(cleanPath(destination));
    if (actual === undefined) yield `mounts[${i}]: nothing is mounted on ${destination}`;
    else if (!(parseMountOptions(options).flags & MS_BIND) || options.includes("ro"))
      for (const option of CHECKED)
        if (options.includes(option) && !actual.has(option)) yield `mounts[${i}]: ${destination} is not ${option}`;
  }
  if (root?.readonly && !table.get("/")?.has("ro")) yield "root.readonly: the root is writable";
  for (const [i, path] of (linux?.readonlyPaths ?? []).entries())
    if (exists(pid, path) && !table.get(cleanPath(path))?.has("ro"))
      yield `linux.readonlyPaths[${i}]: ${path} is writable`;
  for (const [i, path] of (linux?.maskedPaths ?? []).entries())
    if (exists(pid, path) && !table.has(cleanPath(path))) yield `linux.maskedPaths[${i}]: ${path} is visible`;
}

/** Looked up as the container sees it, following nothing out of it. */
function exists(pid: number, path: string): boolean {
  const root = openat2(AT_FDCWD, `/proc/${pid}/root`, O_PATH | constants.O_DIRECTORY);
  try {
    closeSync(openat2(root, path, O_PATH, RESOLVE_IN_ROOT));
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "ELOOP")) return false;
    throw error;
  } finally {
    closeSync(root);
  }
}

/** A process may give up what it has: only more than it was given is a drift. */
function* processDrift(context: Context, { record, cgroup }: Found, spec: Spec, pid: number): Iterable<string> {
  const status = proc(pid, "status");
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1] ?? "";
  const facts = compileFacts(context.host, spec, record.gantry.bundle, record.config.rootfs, false, cgroup);
  const masks = capabilityMasks(spec.process?.capabilities, facts, spec);
  for (const [name, mask] of [
    ["CapBnd", masks.bounding],
    ["CapPrm", masks.permitted],
    ["CapEff", masks.effective],
  ] as const) {
    const more = BigInt(`0x${field(name)}`) & ~mask;
    if (more !== 0n) yield `process.capabilities: ${name} has 0x${more.toString(16)} beyond what it was given`;
  }
  if (spec.process?.noNewPrivileges && field("NoNewPrivs") !== "1") yield "process.noNewPrivileges: not in force";
  if (spec.linux?.seccomp && field("Seccomp") !== "2") yield "linux.seccomp: no filter is in force";
  const adjustment = Number(proc(pid, "oom_score_adj"));
  const wanted = spec.process?.oomScoreAdj ?? adjustment;
  if (adjustment !== wanted) yield `process.oomScoreAdj: is ${adjustment}, not ${wanted}`;
}

function* limitDrift({ process }: Spec, pid: number): Iterable<string> {
  for (const [i, { type, soft, hard }] of (process?.rlimits ?? []).entries()) {
    const now = getLimit(pid, RLIMITS[type as keyof typeof RLIMITS]);
    if (now.hard > BigInt(hard)) yield `process.rlimits[${i}]: ${type}: the hard limit is ${now.hard}, not ${hard}`;
    if (now.soft !== BigInt(soft)) yield `process.rlimits[${i}]: ${type}: the soft limit is ${now.soft}, not ${soft}`;
  }
}

/** Values that are one number: the kernel shows others in a form of its own. */
function* cgroupDrift(
  { host, systemdCgroup }: Context,
  { record, cgroup }: Found,
  spec: Spec,
  pid: number,
): Iterable<string> {
  const member = new Set(
    proc(pid, "cgroup")
      .trimEnd()
      .split("\n")
      .map((line) => line.slice(line.indexOf(":", line.indexOf(":") + 1) + 1)),
  );
  for (const [controller, path] of Object.entries(record.cgroup_paths))
    if (![...member].some((one) => path.endsWith(one)))
      yield `linux.cgroupsPath: ${controller || "unified"}: is not in ${path}`;
  const writes = compileResources(spec.linux?.resources, host.cgroups, { driver: cgroup.driver, skipDevices: true });
  if (systemdCgroup) return; // the manager of the host may change what is its own
  for (const write of writes) {
    if (write.kind !== "file" || !/^\d+$/.test(write.value)) continue;
    const directory = record.cgroup_paths[host.cgroups.mode === "v2" ? "" : write.controller];
    const now = directory === undefined ? undefined : tryRead(`${directory}/${write.file}`);
    if (now !== undefined && !sameLimit(now, write.value))
      yield `${write.from}: ${write.file} is ${now}, not ${write.value}`;
  }
}

function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Sizes are rounded down to whole pages. */
function sameLimit(now: string, wanted: string): boolean {
  return now === wanted || (/^\d+$/.test(now) && BigInt(now) === (BigInt(wanted) / 4096n) * 4096n);
}
