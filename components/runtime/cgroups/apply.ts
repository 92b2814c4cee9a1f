/** Performs a list of writes on a cgroup. */
import { closeSync, constants } from "node:fs";
import { FailedPrecondition, GantryError, PermissionDenied } from "@gantry/oci";
import { isErrno, SysError, writeOnce } from "@gantry/sys";
import type { CgroupState } from "./cgroup.ts";
import { openBelow, readFile, tryReadFile, writeFile } from "./file.ts";
import type { CgroupWrite, FileWrite } from "./resources/write.ts";

/** @throws FailedPrecondition or PermissionDenied that names the field, the file and the kernel's reason. */
export function applyWrites(state: CgroupState, writes: readonly CgroupWrite[]): void {
  let again: FileWrite[] = [];
  for (const [i, write] of writes.entries()) {
    if (write.kind === "unit") continue;
    if (write.kind === "devices") devices().applyDevices(state, write);
    else if (!attempt(state, write)) again.push(write);
    if (writes[i + 1]?.controller === write.controller || again.length === 0) continue;
    for (const late of again) attempt(state, late, true);
    again = [];
  }
}

/** @throws FailedPrecondition when a limit was to be refused below what is in use; for those who set limits by other means. */
export function requireRoom(state: CgroupState, writes: readonly CgroupWrite[]): void {
  for (const write of writes) {
    if (write.kind !== "file" || write.policy?.rejectBelowUsage === undefined) continue;
    try {
      rejectBelowUsage(state, directoryOf(state, write), write.policy.rejectBelowUsage);
    } catch (error) {
      throw explain(state, write, error);
    }
  }
}

const devices = () => require("./devices/apply.ts") as typeof import("./devices/apply.ts");

/** @returns false when the kernel may take it later. */
function attempt(state: CgroupState, write: FileWrite, last = false): boolean {
  try {
    writeOne(state, write);
    return true;
  } catch (error) {
    if (!last && write.policy?.retry === true && isErrno(error, "EINVAL")) return false;
    throw explain(state, write, error);
  }
}

function writeOne(state: CgroupState, write: FileWrite): void {
  const { root } = state;
  const { policy = {} } = write;
  const directory = directoryOf(state, write);
  if (policy.rejectBelowUsage !== undefined) rejectBelowUsage(state, directory, policy.rejectBelowUsage);
  let value = write.value;
  if (policy.keepQuota) value = `${readFile(root, `${directory}/${write.file}`).split(" ")[0]} ${value}`;
  const path = `${directory}/${write.file}`;
  try {
    if (policy.lines && value.includes("\n")) writeLines(state, path, value);
    else writeFile(root, path, value);
  } catch (error) {
    if (policy.ifAbsent === undefined || !isErrno(error, "ENOENT")) throw error;
    if (policy.ifAbsent !== "skip") writeFile(root, `${directory}/${policy.ifAbsent.file}`, policy.ifAbsent.value);
    return;
  }
  if (policy.clips) requireTaken(write, readFile(root, path).trim());
}

/** @throws FailedPrecondition when a rootless container could not have this controller. */
export function directoryOf(state: CgroupState, { controller, from }: CgroupWrite): string {
  const path = state.paths[state.host.mode === "v2" ? "" : controller];
  if (path !== undefined) return path;
  throw new FailedPrecondition(`${from}: cannot set ${controller} limit: container could not join or create cgroup`);
}

function writeLines({ root }: CgroupState, path: string, value: string): void {
  const fd = openBelow(root, path, constants.O_WRONLY);
  try {
    for (const line of value.split("\n")) if (line !== "") writeOnce(fd, line, path);
  } finally {
    closeSync(fd);
  }
}

/** The kernel has bounds for shares, and takes what lies outside as the bound. */
function requireTaken({ value, from, file }: FileWrite, now: string): void {
  if (BigInt(value) === BigInt(now)) return;
  const [bound, name] = [BigInt(value) > BigInt(now) ? "maximum" : "minimum", file.replace(".", "-")];
  throw new FailedPrecondition(`${from}: the ${bound} allowed ${name} is ${now}`);
}

function rejectBelowUsage(
  { root }: CgroupState,
  directory: string,
  { what, bytes }: { readonly what: string; readonly bytes: string },
): void {
  const usage = tryReadFile(root, `${directory}/memory.current`)?.trim();
  if (usage !== undefined && BigInt(bytes) <= BigInt(usage))
    throw new FailedPrecondition(`rejecting ${what} ${bytes} <= usage ${usage}`);
}

function explain(state: CgroupState, write: FileWrite, error: unknown): unknown {
  const { from, value, policy } = write;
  if (error instanceof GantryError)
    return error.message.startsWith(from)
      ? error
      : new FailedPrecondition(`${from}: ${error.message}`, { cause: error });
  if (!(error instanceof SysError)) return error;
  if (policy?.usage !== undefined && error.code === "EBUSY") {
    const read = (file: string) => tryReadFile(state.root, `${directoryOf(state, write)}/${file}`)?.trim();
    return new FailedPrecondition(
      `${from}: unable to set memory limit to ${value} (current usage: ${read(policy.usage.now)}, peak usage: ${read(policy.usage.peak)})`,
      { cause: error },
    );
  }
  const Kind = isErrno(error, "EACCES", "EPERM", "EROFS") ? PermissionDenied : FailedPrecondition;
  const missing =
    error.code === "ENOENT" ? `: controller "${write.controller}" or this file of it is not available` : "";
  return new Kind(`${from}: failed to write "${value}": ${error.message}${missing}`, { cause: error });
}
