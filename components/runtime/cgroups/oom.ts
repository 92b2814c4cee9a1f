/** Out of memory: how often it happened, and being told when it does. */
import { closeSync, constants, readSync } from "node:fs";
import { NotFound } from "@gantry/oci";
import { createEventFd, isErrno, watchModified } from "@gantry/sys";
import type { CgroupState } from "./cgroup.ts";
import { openBelow, tryReadFile, writeFile } from "./file.ts";
import { keyValues } from "./stats/parse.ts";

/** The processes killed here so far for lack of memory; 0 where nobody counts. */
export function oomKills(state: CgroupState): number {
  const { root } = state;
  const v2 = state.host.mode === "v2";
  const directory = state.paths[v2 ? "" : "memory"];
  if (directory === undefined) return 0;
  return Number(
    keyValues(tryReadFile(root, `${directory}/${v2 ? "memory.events" : "memory.oom_control"}`) ?? "").oom_kill ?? 0,
  );
}

/** A descriptor to poll, and what its readiness means. */
export interface OomWatch extends Disposable {
  readonly fd: number;
  /** Call when `fd` is readable. `"ended"`: the cgroup is empty or gone, nothing more will come. */
  read(): "oom" | "ended" | "nothing";
}

/** @throws NotFound when the container has no memory controller. */
export function watchOom(state: CgroupState): OomWatch {
  const directory = state.paths[state.host.mode === "v2" ? "" : "memory"];
  if (directory === undefined) throw new NotFound("memory controller missing");
  return state.host.mode === "v2" ? watchV2(state, directory) : watchV1(state, directory);
}

/** The kernel signals an eventfd, also when the cgroup is removed. */
function watchV1({ root }: CgroupState, directory: string): OomWatch {
  const control = openBelow(root, `${directory}/memory.oom_control`, constants.O_RDONLY);
  const fd = createEventFd();
  try {
    writeFile(root, `${directory}/cgroup.event_control`, `${fd} ${control}`);
  } catch (error) {
    closeSync(fd);
    throw error;
  } finally {
    closeSync(control);
  }
  const buffer = new Uint8Array(8);
  return {
    fd,
    read() {
      readSync(fd, buffer, 0, 8, null);
      return tryReadFile(root, `${directory}/memory.oom_control`) === undefined ? "ended" : "oom";
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

/** `memory.events` tells of kills; `cgroup.events` of the last process. Neither tells of the removal: the latter comes before. */
function watchV2(state: CgroupState, directory: string): OomWatch {
  const { root } = state;
  const fd = watchModified([`${directory}/memory.events`, `${directory}/cgroup.events`]);
  let seen = oomKills(state);
  const buffer = new Uint8Array(4096);
  return {
    fd,
    read() {
      drain(fd, buffer);
      const kills = oomKills(state);
      if (kills > seen) {
        seen = kills;
        return "oom";
      }
      const populated = keyValues(tryReadFile(root, `${directory}/cgroup.events`) ?? "").populated ?? 0;
      return populated === 0 ? "ended" : "nothing";
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

function drain(fd: number, buffer: Uint8Array): void {
  try {
    while (readSync(fd, buffer, 0, buffer.length, null) > 0) {
      // Which file it was is seen from their contents.
    }
  } catch (error) {
    if (!isErrno(error, "EAGAIN")) throw error;
  }
}
