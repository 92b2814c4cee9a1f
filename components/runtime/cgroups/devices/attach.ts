/** The device filter of a cgroup v2 directory. */
import { closeSync, constants } from "node:fs";
import { FailedPrecondition } from "@gantry/oci";
import {
  attachDeviceProgram,
  attachedDevicePrograms,
  detachDeviceProgram,
  isErrno,
  loadDeviceProgram,
  openProgram,
  SysError,
} from "@gantry/sys";
import type { CgroupState } from "../cgroup.ts";
import { openBelow } from "../file.ts";
import type { DevicesWrite } from "../resources/write.ts";
import type { SavedDevices } from "./apply.ts";
import { allowsEverything, compileDeviceProgram, encodeProgram } from "./program.ts";

/** @throws FailedPrecondition when there would be no filter, although something is denied. */
export function attachRules({ root, paths }: CgroupState, { rules, from }: DevicesWrite): void {
  const directory = paths[""];
  if (directory === undefined)
    throw new FailedPrecondition(`${from}: cannot set devices limit: container could not join or create cgroup`);
  const cgroup = openBelow(root, directory, constants.O_DIRECTORY | constants.O_RDONLY);
  try {
    replaceProgram(cgroup, encodeProgram(compileDeviceProgram(rules)));
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    if (allowsEverything(rules)) return;
    const hint = isErrno(error, "EPERM") ? " (device filters need CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN)" : "";
    throw new FailedPrecondition(`${from}: cannot filter devices in ${directory}: ${error.message}${hint}`, {
      cause: error,
    });
  } finally {
    closeSync(cgroup);
  }
}

/** Keeps the programs that are attached now, so that they can be attached again. */
export function savePrograms({ root, paths }: CgroupState): SavedDevices {
  const cgroup = openBelow(root, paths[""]!, constants.O_DIRECTORY | constants.O_RDONLY);
  const old = openPrograms(cgroup);
  return {
    restore() {
      const now = openPrograms(cgroup);
      for (const fd of old) attachDeviceProgram(cgroup, fd);
      for (const fd of now) detachDeviceProgram(cgroup, fd);
      for (const fd of now) closeSync(fd);
    },
    [Symbol.dispose]() {
      for (const fd of [cgroup, ...old]) closeSync(fd);
    },
  };
}

function openPrograms(cgroup: number): number[] {
  return attachedDevicePrograms(cgroup)
    .map(openProgram)
    .filter((fd) => fd !== undefined);
}

/**
 * Several attached programs must all say yes. One old one is replaced at a stroke; of several the new one is attached first and
 * they are then all detached: there is no moment without a filter, and none is left behind to fill the kernel's table.
 */
export function replaceProgram(cgroup: number, instructions: Uint8Array): void {
  const old = openPrograms(cgroup);
  const program = loadDeviceProgram(instructions, "Apache-2.0");
  try {
    if (old.length === 1) attachDeviceProgram(cgroup, program, old[0]);
    else {
      attachDeviceProgram(cgroup, program);
      for (const fd of old) detachDeviceProgram(cgroup, fd);
    }
  } finally {
    for (const fd of [program, ...old]) closeSync(fd);
  }
}
