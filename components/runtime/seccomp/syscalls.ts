/**
 * System call tables: name → number, per architecture. Only the tables that a profile asks for are parsed, once.
 *
 * The format of a table: names in the order of their numbers, from 0 on; a number sets the number of the next name;
 * `-name` takes a name of the base table away. Calls that the kernel dropped stay: profiles name them.
 * The numbers are those of Linux 7.2-rc1.
 */
import type { TableName } from "./arches.ts";

export type SyscallTable = ReadonlyMap<string, number>;

const parsed = new Map<TableName, SyscallTable>();

/** @returns the table named `name`; x32 numbers come without the x32 bit. */
export function syscallTable(name: TableName): SyscallTable {
  let table = parsed.get(name);
  if (table === undefined) {
    table = parse(source(name));
    parsed.set(name, table);
  }
  return table;
}

/** Every table, to tell a slip of the pen from the name of another machine. */
export function allSyscallTables(): SyscallTable[] {
  return ALL.map(syscallTable);
}

const ALL: readonly TableName[] = [
  ...(["x86", "amd64", "x32", "arm", "arm64", "loong64", "m68k", "mips", "mips64", "mips64n32"] as const),
  ...(["parisc", "parisc64", "ppc", "ppc64", "riscv64", "s390", "s390x", "sh"] as const),
];

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
    case "x86":
      return require("./tables/x86.ts") as typeof import("./tables/x86.ts");
    default:
      return (require("./tables/derived.ts") as typeof import("./tables/derived.ts")).derived[name];
  }
}

function parse({ base, table }: Source): SyscallTable {
  const numbers = new Map(base === undefined ? undefined : syscallTable(base));
  let next = 0;
  for (const word of table.slice(1).split(/[ \n]/)) {
    const first = word.charCodeAt(0);
    if (first === 0x2d) numbers.delete(word.slice(1));
    else if (first >= 0x30 && first <= 0x39) next = Number(word);
    else numbers.set(word, next++);
  }
  return numbers;
}
