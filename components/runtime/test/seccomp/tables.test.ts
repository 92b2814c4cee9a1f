/** The tables agree with the headers of this machine, and with themselves. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { SECCOMP_ARCHES } from "@gantry/oci";
import { archFacts, archOfMachine, type SeccompArch, type TableName } from "../../seccomp/arches.ts";
import { sinceRelease } from "../../seccomp/since.ts";
import { isNumber, syscallTable, syscallWords } from "../../seccomp/syscalls.ts";

const ARCHES = Object.keys(SECCOMP_ARCHES) as SeccompArch[];
const TABLES = [...new Set(ARCHES.map((arch) => archFacts(arch).table))];

/** Debian's linux-libc-dev for amd64 has those of all three ABIs. */
const HEADERS: readonly (readonly [TableName, string])[] = [
  ["amd64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"],
  ["x86", "/usr/include/x86_64-linux-gnu/asm/unistd_32.h"],
  ["x32", "/usr/include/x86_64-linux-gnu/asm/unistd_x32.h"],
  ["arm64", "/usr/include/asm-generic/unistd.h"],
];

test.each(HEADERS.filter(([, path]) => existsSync(path)))("%s has every call of %s", (table, path) => {
  const ours = syscallTable(table);
  const found: string[] = [];
  const text = readFileSync(path, "utf8");
  for (const [, name, number] of text.matchAll(/^#define __NR_(\w+)\s+(?:\(__X32_SYSCALL_BIT \+ )?(\d+)\)?$/gm)) {
    // The generic header has names for 32-bit machines besides those for 64-bit ones, and no calls of its own.
    if (table === "arm64" && (!ours.has(name!) || name === "arch_specific_syscall")) continue;
    found.push(name!);
    expect({ name, number: ours.get(name!) }).toEqual({ name, number: Number(number) });
  }
  expect(found.length).toBeGreaterThan(250);
});

test.each(TABLES)("%s is in the order of its numbers, with every name once", (name) => {
  const words = syscallWords(name);
  const names = words.filter((word) => !isNumber(word));
  expect(new Set(names).size).toBe(names.length);
  const numbers = [...syscallTable(name).values()];
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
});

test("calls from 424 on have one number everywhere", () => {
  const bases: Partial<Record<TableName, number>> = { mips: 4000, mips64: 5000, mips64n32: 6000 };
  for (const table of TABLES)
    for (const [name, number] of [
      ["pidfd_send_signal", 424],
      ["close_range", 436],
      ["cachestat", 451],
      ["mseal", 462],
    ] as const)
      expect({ table, name, number: syscallTable(table).get(name) }).toEqual({
        table,
        name,
        number: number + (bases[table] ?? 0),
      });
});

test("each call with a release exists, and releases order as numbers do", () => {
  const names = new Set(TABLES.flatMap((table) => [...syscallTable(table).keys()]));
  for (const name of sinceRelease().keys()) expect(names).toContain(name);
  const age = (name: string) => sinceRelease().get(name) ?? 0;
  expect(["read", "finit_module", "sched_setattr", "close_range", "process_madvise", "mseal"].map(age)).toEqual([
    0, 3008, 3014, 5009, 5010, 6010,
  ]);
});

test("machines are known by the names that uname and Bun give them", () => {
  expect(archOfMachine("x86_64")).toBe("SCMP_ARCH_X86_64");
  expect(archOfMachine("x64")).toBe("SCMP_ARCH_X86_64");
  expect(archOfMachine("i686")).toBe("SCMP_ARCH_X86");
  expect(archOfMachine("armv7l")).toBe("SCMP_ARCH_ARM");
  expect(archOfMachine("arm64")).toBe("SCMP_ARCH_AARCH64");
  expect(archOfMachine("ppc64le")).toBe("SCMP_ARCH_PPC64LE");
  expect(archOfMachine("mips64", false)).toBe("SCMP_ARCH_MIPS64");
  expect(() => archOfMachine("vax")).toThrow('no table of system calls for the machine "vax"');
});
