/** What compiled filters look like: short paths, and nothing on them that keeps the kernel from remembering the answer. */
import { expect, test } from "bun:test";
import { SECCOMP_ARCHES } from "@gantry/oci";
import { archFacts, type SeccompArch, X32_BIT } from "../../seccomp/arches.ts";
import { compileSeccomp, disassemble } from "../../seccomp/index.ts";
import { syscallTable } from "../../seccomp/syscalls.ts";
import { type Call, interpret } from "./interpreter.ts";
import { engineProfile } from "./profiles.ts";

const LISTED: readonly SeccompArch[] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
const ALLOW = 0x7fff0000;
const [NUMBER_OFFSET, ARCH_OFFSET] = [0, 4];

function callOf(arch: SeccompArch, nr: number): Call {
  const marked = arch === "SCMP_ARCH_X32" ? nr + X32_BIT : nr;
  return { nr: marked, arch: SECCOMP_ARCHES[arch], args: [0n, 0n, 0n, 0n, 0n, 0n] };
}

test("an engine's profile takes few instructions", () => {
  expect(compileSeccomp(engineProfile(), { arch: "SCMP_ARCH_X86_64" })!.length).toBeLessThan(140);
  expect(compileSeccomp(engineProfile(LISTED), { arch: "SCMP_ARCH_X86_64" })!.length).toBeLessThan(450);
});

test.each(LISTED)("%s: what is always allowed costs a search and loads nothing but arch and number", (arch) => {
  const profile = engineProfile(LISTED);
  const { program } = compileSeccomp(profile, { arch: "SCMP_ARCH_X86_64" })!;
  const plain = profile.syscalls![0]!.names;
  const table = syscallTable(archFacts(arch).table);
  const multiplexers = ["socketcall", "ipc"];
  let count = 0;
  for (const name of plain) {
    const nr = table.get(name);
    if (nr === undefined || multiplexers.includes(name)) continue;
    const { returns, loads, jumps, steps } = interpret(program, callOf(arch, nr));
    expect({ name, returns, loads }).toEqual({ name, returns: ALLOW, loads: [ARCH_OFFSET, NUMBER_OFFSET] });
    // Tests of the architecture and the x32 bit, and the search among at most 128 runs.
    expect(jumps).toBeLessThanOrEqual(2 + 7);
    // Two loads, a return, and a long jump or two.
    expect(steps - jumps).toBeLessThanOrEqual(5);
    count++;
  }
  expect(count).toBeGreaterThan(250);
});

test("a filter of one result is one test long", () => {
  const { program } = compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW" }, { arch: "SCMP_ARCH_AARCH64" })!;
  expect(disassemble(program, "SCMP_ARCH_AARCH64")).toEqual([
    "   0: ld   arch",
    "   1: jeq  SCMP_ARCH_AARCH64 ? 2 : 3",
    "   2: ret  ALLOW",
    "   3: ret  KILL_THREAD",
  ]);
});

test("values of one argument are compared one after the other, without loading it again", () => {
  const syscalls = [3, 5, 0x100000000].map((value) => ({
    names: ["ioctl"],
    action: "SCMP_ACT_ERRNO" as const,
    args: [{ index: 1, value, op: "SCMP_CMP_EQ" as const }],
  }));
  const { program } = compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW", syscalls }, { arch: "SCMP_ARCH_S390X" })!;
  expect(disassemble(program, "SCMP_ARCH_S390X")).toEqual([
    "   0: ld   arch",
    "   1: jeq  SCMP_ARCH_S390X ? 3 : 2",
    "   2: ret  KILL_THREAD",
    "   3: ld   nr",
    "   4: jge  54 (ioctl) ? 5 : 16",
    "   5: jge  55 (fcntl) ? 16 : 6",
    "   6: ld   args[1].high",
    "   7: jeq  0x0 ? 8 : 12",
    "   8: ld   args[1].low",
    "   9: jeq  0x3 ? 15 : 10",
    "  10: jeq  0x5 ? 15 : 11",
    "  11: ld   args[1].high",
    "  12: jeq  0x1 ? 13 : 16",
    "  13: ld   args[1].low",
    "  14: jeq  0x0 ? 15 : 16",
    "  15: ret  ERRNO(1)",
    "  16: ret  ALLOW",
  ]);
});

test("the byte order is that of the machine that the filter is for", () => {
  const bytes = (arch: SeccompArch) =>
    [...compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW" }, { arch })!.program]
      .slice(0, 16)
      .map((byte) => byte.toString(16));
  expect(bytes("SCMP_ARCH_X86_64").join(" ")).toBe("20 0 0 0 4 0 0 0 15 0 0 4 3e 0 0 c0");
  expect(bytes("SCMP_ARCH_S390X").join(" ")).toBe("0 20 0 0 0 0 0 4 0 15 0 1 80 0 0 16");
});

test("an engine's profile compiles within a millisecond", () => {
  const profile = engineProfile(LISTED);
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const start = performance.now();
    compileSeccomp(profile, { arch: "SCMP_ARCH_X86_64" });
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  expect(times[times.length >> 1]!).toBeLessThan(1);
});
