/** What the compiler has to know of each architecture: which table of system calls, word size, byte order. */
import { SECCOMP_ARCHES, Unimplemented } from "@gantry/oci";

/** The architectures of the runtime-spec by their names there (config-linux.md, "Seccomp"). */
export type SeccompArch = keyof typeof SECCOMP_ARCHES;

/** The names of the tables in `tables/`. Byte order does not change numbers: mips and mipsel share one. */
export type TableName =
  | "amd64"
  | "arm"
  | "arm64"
  | "loong64"
  | "m68k"
  | "mips"
  | "mips64"
  | "mips64n32"
  | "parisc"
  | "parisc64"
  | "ppc"
  | "ppc64"
  | "riscv64"
  | "s390"
  | "s390x"
  | "sh"
  | "x32"
  | "x86";

export interface ArchFacts {
  /** `AUDIT_ARCH_*`, what `seccomp_data.arch` holds. */
  readonly audit: number;
  readonly table: TableName;
  /** Are arguments compared as 64-bit values? 32-bit ABIs use the low word alone: the kernel ignores the other one. */
  readonly wide: boolean;
  readonly bigEndian: boolean;
  /** Do `socketcall` and `ipc` lead to calls that have numbers of their own as well? */
  readonly multiplexed: boolean;
  /** ENOSYS differs on MIPS and PA-RISC. */
  readonly enosys: number;
}

/** Marks the calls of x32, which has the audit number of x86_64. */
export const X32_BIT = 0x40000000;

const TABLES: Readonly<Record<SeccompArch, TableName>> = {
  SCMP_ARCH_X86: "x86",
  SCMP_ARCH_X86_64: "amd64",
  SCMP_ARCH_X32: "x32",
  SCMP_ARCH_ARM: "arm",
  SCMP_ARCH_AARCH64: "arm64",
  SCMP_ARCH_LOONGARCH64: "loong64",
  SCMP_ARCH_M68K: "m68k",
  SCMP_ARCH_MIPS: "mips",
  SCMP_ARCH_MIPS64: "mips64",
  SCMP_ARCH_MIPS64N32: "mips64n32",
  SCMP_ARCH_MIPSEL: "mips",
  SCMP_ARCH_MIPSEL64: "mips64",
  SCMP_ARCH_MIPSEL64N32: "mips64n32",
  SCMP_ARCH_PPC: "ppc",
  SCMP_ARCH_PPC64: "ppc64",
  SCMP_ARCH_PPC64LE: "ppc64",
  SCMP_ARCH_S390: "s390",
  SCMP_ARCH_S390X: "s390x",
  SCMP_ARCH_SH: "sh",
  SCMP_ARCH_SHEB: "sh",
  SCMP_ARCH_PARISC: "parisc",
  SCMP_ARCH_PARISC64: "parisc64",
  SCMP_ARCH_RISCV64: "riscv64",
};

const NARROW: readonly TableName[] = ["x32", "mips64n32"];
const MULTIPLEXED: readonly TableName[] = ["x86", "s390", "s390x", "ppc", "ppc64", "mips", "m68k", "sh"];
const AUDIT_64BIT = 0x80000000;
const AUDIT_LITTLE_ENDIAN = 0x40000000;

export function archFacts(arch: SeccompArch): ArchFacts {
  const audit = SECCOMP_ARCHES[arch];
  const table = TABLES[arch];
  return {
    audit,
    table,
    wide: (audit & AUDIT_64BIT) !== 0 && !NARROW.includes(table),
    bigEndian: (audit & AUDIT_LITTLE_ENDIAN) === 0,
    multiplexed: MULTIPLEXED.includes(table),
    enosys: table.startsWith("mips") ? 89 : table.startsWith("parisc") ? 251 : 38,
  };
}

/** `uname -m` and `process.arch` → architecture, for machines whose name does not depend on the byte order. */
const MACHINES: Readonly<Record<string, SeccompArch>> = {
  x86_64: "SCMP_ARCH_X86_64",
  x64: "SCMP_ARCH_X86_64",
  ia32: "SCMP_ARCH_X86",
  aarch64: "SCMP_ARCH_AARCH64",
  arm64: "SCMP_ARCH_AARCH64",
  loongarch64: "SCMP_ARCH_LOONGARCH64",
  loong64: "SCMP_ARCH_LOONGARCH64",
  m68k: "SCMP_ARCH_M68K",
  mipsel: "SCMP_ARCH_MIPSEL",
  mips64el: "SCMP_ARCH_MIPSEL64",
  ppc: "SCMP_ARCH_PPC",
  ppc64le: "SCMP_ARCH_PPC64LE",
  s390: "SCMP_ARCH_S390",
  s390x: "SCMP_ARCH_S390X",
  parisc: "SCMP_ARCH_PARISC",
  parisc64: "SCMP_ARCH_PARISC64",
  riscv64: "SCMP_ARCH_RISCV64",
};

/**
 * The native architecture from `uname -m` or `process.arch`.
 * @throws Unimplemented for a machine that there is no table of system calls for
 */
export function archOfMachine(machine: string, littleEndian = true): SeccompArch {
  if (machine === "mips") return littleEndian ? "SCMP_ARCH_MIPSEL" : "SCMP_ARCH_MIPS";
  if (machine === "mips64") return littleEndian ? "SCMP_ARCH_MIPSEL64" : "SCMP_ARCH_MIPS64";
  if (machine === "ppc64") return littleEndian ? "SCMP_ARCH_PPC64LE" : "SCMP_ARCH_PPC64";
  const known = MACHINES[machine];
  if (known !== undefined) return known;
  if (/^i[3-6]86$/.test(machine)) return "SCMP_ARCH_X86";
  if (machine.startsWith("arm")) return "SCMP_ARCH_ARM";
  if (machine.startsWith("sh")) return littleEndian ? "SCMP_ARCH_SH" : "SCMP_ARCH_SHEB";
  throw new Unimplemented(`seccomp: no table of system calls for the machine "${machine}"`);
}
