/** Puts device rules into force. */
import { closeSync, constants } from "node:fs";
import { FailedPrecondition } from "@gantry/oci";
import { SysError, writeOnce } from "@gantry/sys";
import type { CgroupState } from "../cgroup.ts";
import { openBelow, readFile } from "../file.ts";
import type { DevicesWrite } from "../resources/write.ts";
import { deviceList, type ListWrite, parseDevicesList, sameList, transition } from "./list.ts";

/** @throws FailedPrecondition when the kernel does not end up with exactly these rules. */
export function applyDevices(state: CgroupState, write: DevicesWrite): void {
  const { options, host } = state;
  if (options.userNamespace) return;
  try {
    if (host.mode === "v2") bpf().attachRules(state, write);
    else applyList(state, write);
  } catch (error) {
    // A rootless user may not restrict devices, and has no right to make their nodes either.
    if (options.rootless) return;
    throw error instanceof SysError
      ? new FailedPrecondition(`${write.from}: ${error.message}`, { cause: error })
      : error;
  }
}

/** The rules that are in force, to be put back if something else fails. */
export interface SavedDevices extends Disposable {
  restore(): void;
}

export function saveDevices(state: CgroupState): SavedDevices {
  if (state.host.mode === "v2") return bpf().savePrograms(state);
  const directory = state.paths.devices;
  if (directory === undefined) return { restore() {}, [Symbol.dispose]() {} };
  const read = () => parseDevicesList(readFile(state.root, `${directory}/devices.list`));
  const old = read();
  return {
    restore: () => writeInOrder(state, directory, transition(read(), old)),
    [Symbol.dispose]() {},
  };
}

const bpf = () => require("./attach.ts") as typeof import("./attach.ts");

function applyList(state: CgroupState, { rules, from }: DevicesWrite): void {
  const { root, paths } = state;
  const directory = paths.devices;
  if (directory === undefined)
    throw new FailedPrecondition(`${from}: cannot set devices limit: container could not join or create cgroup`);
  const read = () => parseDevicesList(readFile(root, `${directory}/devices.list`));
  const wanted = deviceList(rules);
  writeInOrder(state, directory, transition(read(), wanted));
  if (!sameList(read(), wanted))
    throw new FailedPrecondition(`${from}: the kernel did not take all device rules: see ${directory}/devices.list`);
}

function writeInOrder({ root }: CgroupState, directory: string, writes: readonly ListWrite[]): void {
  const open = new Map<string, number>();
  try {
    for (const { file, value } of writes) {
      const path = `${directory}/${file}`;
      const fd = open.get(path) ?? openBelow(root, path, constants.O_WRONLY);
      open.set(path, fd);
      writeOnce(fd, value, path);
    }
  } finally {
    for (const fd of open.values()) closeSync(fd);
  }
}
