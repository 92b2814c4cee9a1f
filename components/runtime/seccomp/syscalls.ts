/**
 * System call tables: name → number, per architecture. Only the tables that a profile asks for are loaded.
 *
 * The format of a table: names in the order of their numbers, from 0 on; a number sets the number of the next name.
 * Tables in `derived.ts` are the differences to another one. Calls that the kernel dropped stay: profiles name them.
 * The numbers are those of Linux 7.2-rc1.
 */
import type { TableName } from "./arches.ts";

export type SyscallTable = ReadonlyMap<string, number>;

/**
 * The words of a table in the order of their numbers, from 0 on: names, and numbers that set the number of the next
 * name. Those of x32 come without the x32 bit.
 */
export function syscallWords(name: TableName): readonly string[] {
  const { base, table } = source(name);
  if (base === undefined) return split(table);
  const words: string[] = [];
  for (const [syscall, number] of [...derive(base, table)].sort(([, a], [, b]) => a - b))
    words.push(String(number), syscall);
  return words;
}

/** The table as name → number, for those who look single calls up. */
export function syscallTable(name: TableName): SyscallTable {
  return numbered(syscallWords(name), new Map());
}

/** The words of a table as they are written: of a derived one, only what it adds and takes away. */
export function ownWords(name: TableName): readonly string[] {
  return split(source(name).table);
}

/** A second name of a call, which counts where the profile does not use the first one: libseccomp's, then the kernel's. */
export function aliasOf(table: TableName, name: string): string | undefined {
  return table === "arm" && name === "arm_sync_file_range" ? "sync_file_range2" : undefined;
}

/** The first line is empty. */
function split(table: string): string[] {
  return table.slice(1).replaceAll("\n", " ").split(" ");
}

/** Puts `words` into `numbers`; `-name` takes a name away. */
function numbered(words: readonly string[], numbers: Map<string, number>): Map<string, number> {
  let next = 0;
  for (const word of words) {
    if (isNumber(word)) next = Number(word);
    else if (word.startsWith("-")) numbers.delete(word.slice(1));
    else numbers.set(word, next++);
  }
  return numbers;
}

/** Is a word of a table a number? */
export function isNumber(word: string): boolean {
  const first = word.charCodeAt(0);
  return first >= 0x30 && first <= 0x39;
}

function derive(base: TableName, differences: string): Map<string, number> {
  return numbered(split(differences), new Map(syscallTable(base)));
}

interface Source {
  readonly base?: TableName;
  readonly table: string;
}

/** `require`, because a table that is not asked for shall not be loaded, and a pure function cannot wait. */
function source(name: TableName): Source {
  switch (name) {
    case "amd64":
      return require("./tables/amd64.ts") as typeof import("./tables/amd64.ts");
    case "arm":
      return require("./tables/arm.ts") as typeof import("./tables/arm.ts");
    case "arm64":
      return require("./tables/arm64.ts") as typeof import("./tables/arm64.ts");
    case "m68k":
      return require("./tables/m68k.ts") as typeof import("./tables/m68k.ts");
    case "mips":
      return require("./tables/mips.ts") as typeof import("./tables/mips.ts");
    case "mips64":
      return require("./tables/mips64.ts") as typeof import("./tables/mips64.ts");
    case "mips64n32":
      return require("./tables/mips64n32.ts") as typeof import("./tables/mips64n32.ts");
    case "parisc":
      return require("./tables/parisc.ts") as typeof import("./tables/parisc.ts");
    case "ppc":
      return require("./tables/ppc.ts") as typeof import("./tables/ppc.ts");
    case "s390x":
      return require("./tables/s390x.ts") as typeof import("./tables/s390x.ts");
    case "x32":
      return require("./tables/x32.ts") as typeof import("./tables/x32.ts");
    case "x86":
      return require("./tables/x86.ts") as typeof import("./tables/x86.ts");
    default:
      return (require("./tables/derived.ts") as typeof import("./tables/derived.ts")).derived[name];
  }
}
