/** Is a name that of a system call on any machine? */
import type { TableName } from "./arches.ts";
import { isNamedIn } from "./syscalls.ts";

/** Those that have the most names of others first; the rest of each derived table is in its base. */
const TABLES: readonly TableName[] = [
  ...(["x86", "amd64", "arm64", "riscv64", "arm", "ppc", "s390x", "s390", "mips", "mips64", "mips64n32"] as const),
  ...(["m68k", "sh", "parisc"] as const),
];

export function isSyscallName(name: string): boolean {
  return isNamedIn(TABLES, name);
}
