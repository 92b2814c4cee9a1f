/** Changing limits of a running container: all of them, or none. */
import { isErrno } from "@gantry/sys";
import { applyWrites, directoryOf } from "./apply.ts";
import type { CgroupState } from "./cgroup.ts";
import { tryReadFile, writeFile } from "./file.ts";
import type { CgroupWrite, FileWrite } from "./resources/write.ts";

/** @throws what `apply` throws; the old values are in force again then. */
export function updateWrites(state: CgroupState, writes: readonly CgroupWrite[], apply = applyWrites): void {
  const devices = writes.find((w) => w.kind === "devices");
  using oldDevices = devices === undefined ? undefined : deviceRules().saveDevices(state);
  const old = writes.flatMap((write) => (write.kind === "file" ? savedValues(state, write) : []));
  try {
    apply(state, writes);
  } catch (error) {
    oldDevices?.restore();
    restore(state, old);
    throw error;
  }
}

const deviceRules = () => require("./devices/apply.ts") as typeof import("./devices/apply.ts");

interface Saved {
  readonly path: string;
  readonly value: string;
}

/** What to write to have things as they are now. Files that are absent, or say nothing, need nothing. */
function savedValues(state: CgroupState, write: FileWrite): Saved[] {
  const directory = directoryOf(state, write);
  const { ifAbsent, key } = write.policy ?? {};
  const candidates = [write.file, ...(typeof ifAbsent === "object" ? [ifAbsent.file] : [])];
  for (const file of candidates) {
    const text = tryReadFile(state.root, `${directory}/${file}`);
    if (text === undefined) continue;
    const path = `${directory}/${file}`;
    const lines = text.trim().split("\n");
    if (key !== undefined) return [{ path, value: keyedValue(write, key, lines) }];
    if (file === "memory.oom_control") return [{ path, value: /^oom_kill_disable (\d)/m.exec(text)?.[1] ?? "0" }];
    return lines.filter((line) => line !== "").map((value) => ({ path, value }));
  }
  return [];
}

/** The line of this key, or what removes it. */
function keyedValue({ file, value }: FileWrite, key: string, lines: readonly string[]): string {
  const line = lines.find((l) => l.startsWith(`${key} `));
  if (line !== undefined) return line;
  if (file === "io.max") return `${key} ${value.slice(key.length + 1).split("=")[0]}=max`;
  if (file === "rdma.max") return `${key} hca_handle=max hca_object=max`;
  return file.startsWith("io.") ? `${key} default` : `${key} 0`;
}

/** Backwards, so that values which bound each other go back the way they came; then once more those that were refused. */
function restore({ root }: CgroupState, old: readonly Saved[]): void {
  let left = old.toReversed();
  for (let round = 0; round < 2; round++)
    left = left.filter(({ path, value }) => {
      try {
        writeFile(root, path, value);
        return false;
      } catch (error) {
        // The first error is the one to be reported; what cannot go back has been refused before it changed.
        return isErrno(error, "EINVAL", "EBUSY");
      }
    });
}
