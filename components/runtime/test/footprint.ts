/** What a container can leave on a machine, as text, so that before and after can be compared. */
import { readdirSync, readFileSync } from "node:fs";

export interface Footprint {
  readonly mounts: readonly string[];
  readonly cgroups: readonly string[];
  readonly descriptors: number;
  readonly children: readonly string[];
}

/** `mark` selects the cgroups and mounts of the test: the start of their names. */
export function footprint(mark: string): Footprint {
  return {
    mounts: readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .map((line) => line.split(" ")[4] ?? "")
      .filter((path) => path.includes(mark)),
    cgroups: cgroupsBelow("/sys/fs/cgroup", mark),
    descriptors: readdirSync("/proc/self/fd").length,
    children: children(),
  };
}

function cgroupsBelow(directory: string, mark: string, depth = 0): string[] {
  if (depth > 4) return [];
  const found: string[] = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const path = `${directory}/${entry.name}`;
    if (entry.name.startsWith(mark)) found.push(path);
    else found.push(...cgroupsBelow(path, mark, depth + 1));
  }
  return found;
}

/** Our own children and theirs that still run or wait to be reaped. */
function children(): string[] {
  const found: string[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const after = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(after[1]) === process.pid) found.push(stat.slice(0, stat.lastIndexOf(")") + 3));
    } catch {
      // ended while we looked
    }
  }
  return found;
}
