/** Which names are those of system calls on some machine? Loads tables until all are found. */
import type { TableName } from "./arches.ts";
import { ownWords } from "./syscalls.ts";

/** Bases and derived ones; those that are most likely to have a name that others lack come first. */
const TABLES: readonly TableName[] = [
  ...(["x86", "riscv64", "amd64", "arm", "ppc", "s390", "s390x", "mips", "mips64", "mips64n32"] as const),
  ...(["arm64", "m68k", "sh", "parisc", "ppc64"] as const),
];

/** Those of `names` that no architecture has. */
export function namesOfNoMachine(names: readonly string[]): readonly string[] {
  let left = names;
  for (const table of TABLES) {
    const known = new Set(ownWords(table));
    left = left.filter((name) => !known.has(name));
    if (left.length === 0) break;
  }
  return left;
}
