/** Stopping and continuing all processes of a cgroup. A failed freeze never leaves anything frozen. */
import { DeadlineExceeded, FailedPrecondition } from "@gantry/oci";
import { isErrno } from "@gantry/sys";
import type { CgroupState } from "./cgroup.ts";
import { pause, readFile, tryReadFile, writeFile } from "./file.ts";
import { childDirectories } from "./pids.ts";

/** v1: how often to ask, since new processes can keep the kernel from ever finishing. */
const TRIES_V1 = 1000;
const THAW_EVERY = 50;
const THAW_PAUSE_MS = 10;
const TRIES_V2 = 1000;
/** v1: how long a freeze that is under way may take before it is taken for done. */
const SETTLE_MS = 1000;
const POLL_MS_V2 = 10;

/** True when this cgroup itself was frozen; a frozen parent does not count. */
export function frozen({ root, paths, host }: CgroupState): boolean {
  if (host.mode === "v2") return tryReadFile(root, `${paths[""]}/cgroup.freeze`)?.trim() === "1";
  const directory = paths.freezer;
  if (directory === undefined) return false;
  for (let i = 0; ; i++) {
    const text = tryReadFile(root, `${directory}/freezer.state`)?.trim();
    if (text !== "FREEZING" && text !== "FROZEN") return false;
    if (text === "FROZEN" || i === SETTLE_MS)
      return tryReadFile(root, `${directory}/freezer.self_freezing`)?.trim() !== "0";
    pause(1);
  }
}

/** Returns when every process is stopped. @throws DeadlineExceeded when they can't be. */
export function freeze(state: CgroupState): void {
  try {
    if (state.host.mode === "v2") freezeV2(state, directoryV2(state));
    else freezeV1(state, directoryV1(state));
  } catch (error) {
    thaw(state, false);
    throw error;
  }
}

/** `recursive`: the sub-cgroups too, which the container may have frozen by itself. */
export function thaw(state: CgroupState, recursive: boolean): void {
  const { root, host } = state;
  const v2 = host.mode === "v2";
  const [file, value] = v2 ? ["cgroup.freeze", "0"] : ["freezer.state", "THAWED"];
  const thawOne = (directory: string): void => {
    try {
      writeFile(root, `${directory}/${file}`, value);
    } catch (error) {
      // Gone with its last process, or a kernel without a freezer: nothing is frozen.
      if (!isErrno(error, "ENOENT", "ENODEV")) throw error;
    }
    if (recursive) for (const child of childDirectories(directory)) thawOne(`${directory}/${child}`);
  };
  thawOne(v2 ? directoryV2(state) : directoryV1(state));
}

function directoryV1({ paths }: CgroupState): string {
  const directory = paths.freezer;
  if (directory === undefined)
    throw new FailedPrecondition("cannot toggle freezer: cgroups not configured for container");
  return directory;
}

function directoryV2({ paths }: CgroupState): string {
  const directory = paths[""];
  if (directory === undefined)
    throw new FailedPrecondition("cannot toggle freezer: cgroups not configured for container");
  return directory;
}

function freezeV1({ root }: CgroupState, directory: string): void {
  const file = `${directory}/freezer.state`;
  for (let i = 1; i <= TRIES_V1; i++) {
    if (i % THAW_EVERY === 0) {
      writeFile(root, file, "THAWED");
      pause(THAW_PAUSE_MS);
    }
    writeFile(root, file, "FROZEN");
    if (readFile(root, file).trim() === "FROZEN") return;
  }
  throw new DeadlineExceeded(`unable to freeze: ${file} stays FREEZING`);
}

function freezeV2({ root }: CgroupState, directory: string): void {
  writeFile(root, `${directory}/cgroup.freeze`, "1");
  for (let i = 0; i < TRIES_V2; i++) {
    if (/^frozen 1$/m.test(readFile(root, `${directory}/cgroup.events`))) return;
    pause(POLL_MS_V2);
  }
  throw new DeadlineExceeded(`unable to freeze: timeout of ${(TRIES_V2 * POLL_MS_V2) / 1000} s reached`);
}
