/** SIGKILL to every process of a cgroup and of the cgroups below it. */
import { FailedPrecondition } from "@gantry/oci";
import { isErrno } from "@gantry/sys";
import { type CgroupState, mainPath } from "./cgroup.ts";
import { pause, writeFile } from "./file.ts";
import { freeze, thaw } from "./freezer.ts";
import { listPids } from "./pids.ts";

const ROUNDS = 100;
const GRACE_MS = 10;

/** cgroup.kill where there is a v2 side, which hybrid hosts have too; else freeze, list, kill, thaw. */
export function kill(state: CgroupState): void {
  const killed = killV2(state);
  if (killed && state.host.mode === "v2") return;
  // Those frozen in v1 die only when thawed; those that are in v1 alone are not reached from the v2 side.
  if (killed) {
    thawAll(state);
    for (let i = 0; i < GRACE_MS; i++) {
      if (listPids(state.root, mainPath(state), true).length === 0) return;
      pause(1);
    }
  }
  killListed(state);
}

/** @returns false when the kernel is too old (5.14), or the processes are not on that side. */
function killV2({ root, paths }: CgroupState): boolean {
  if (paths[""] === undefined) return false;
  try {
    writeFile(root, `${paths[""]}/cgroup.kill`, "1");
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENODEV", "EACCES", "EPERM", "EOPNOTSUPP", "ENOTSUP")) return false;
    throw error;
  }
}

/** Frozen ones cannot fork while they are listed. If they cannot be frozen, rounds until there are none must do. */
function killListed(state: CgroupState): void {
  const directory = mainPath(state);
  for (let round = 0; round < ROUNDS; round++) {
    if (round === 0) freezeIfPossible(state);
    const pids = listPids(state.root, directory, true).filter((pid) => pid > 0);
    for (const pid of pids) signal(pid);
    if (round === 0) thawAll(state);
    if (pids.length === 0) return;
    pause(Math.min(round, 10));
  }
  throw new FailedPrecondition(`processes in ${directory} do not die`);
}

function freezeIfPossible(state: CgroupState): void {
  try {
    freeze(state);
  } catch {
    // Without a freezer, or with one that fails, more rounds follow: killing does not depend on it.
  }
}

function thawAll(state: CgroupState): void {
  if (state.host.mode !== "v2" && state.paths.freezer === undefined) return;
  thaw(state, true);
}

function signal(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!isErrno(error, "ESRCH")) throw error;
  }
}
