/** A compiled filter as text, one line per instruction, as `plan` prints it. */
import { SECCOMP_ACTIONS, SECCOMP_ARCHES } from "@gantry/oci";
import { archFacts, type SeccompArch, X32_BIT } from "./arches.ts";
import {
  ALU_AND_K,
  INSTRUCTION_BYTES,
  JMP_JA,
  JMP_JEQ_K,
  JMP_JGE_K,
  JMP_JGT_K,
  JMP_JSET_K,
  LD_W_ABS,
  RET_K,
} from "./assembler.ts";
import { syscallTable } from "./syscalls.ts";

export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** The instructions of a program that `compileSeccomp` made for a machine of that byte order. */
export function decode(program: Uint8Array, bigEndian = false): Instruction[] {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const instructions: Instruction[] = [];
  for (let at = 0; at + INSTRUCTION_BYTES <= program.length; at += INSTRUCTION_BYTES)
    instructions.push({
      code: view.getUint16(at, !bigEndian),
      jt: view.getUint8(at + 2),
      jf: view.getUint8(at + 3),
      k: view.getUint32(at + 4, !bigEndian),
    });
  return instructions;
}

const TESTS: Readonly<Record<number, string>> = {
  [JMP_JEQ_K]: "jeq",
  [JMP_JGE_K]: "jge",
  [JMP_JGT_K]: "jgt",
  [JMP_JSET_K]: "jset",
};

/** What is known when an instruction is reached: the architecture, and the word in the accumulator. */
interface Known {
  readonly arch?: SeccompArch | undefined;
  readonly word?: string | undefined;
}

/**
 * The text of `program`, with architectures, system calls and results by name where they can be told.
 * @param native the architecture that it was compiled for
 */
export function disassemble(program: Uint8Array, native: SeccompArch): string[] {
  const { bigEndian } = archFacts(native);
  const instructions = decode(program, bigEndian);
  const known: Known[] = [{}];
  return instructions.map((instruction, i) => {
    const now = known[i] ?? {};
    for (const [next, then] of successors(instruction, i, now, bigEndian)) known[next] ??= then;
    return `${String(i).padStart(4)}: ${text(instruction, i, now, bigEndian)}`;
  });
}

function successors({ code, jt, jf, k }: Instruction, i: number, now: Known, bigEndian: boolean): [number, Known][] {
  if (code === RET_K) return [];
  if (code === JMP_JA) return [[i + 1 + k, now]];
  if (code === LD_W_ABS) return [[i + 1, { ...now, word: wordName(k, bigEndian) }]];
  if (TESTS[code] === undefined) return [[i + 1, now]];
  const yes = code === JMP_JEQ_K && now.word === "arch" ? { ...now, arch: archName(k) } : now;
  const marked = code === JMP_JSET_K && now.word === "nr" && k === X32_BIT;
  return [
    [i + 1 + jt, marked ? { ...now, arch: "SCMP_ARCH_X32" } : yes],
    [i + 1 + jf, now],
  ];
}

function text({ code, jt, jf, k }: Instruction, i: number, now: Known, bigEndian: boolean): string {
  if (code === LD_W_ABS) return `ld   ${wordName(k, bigEndian)}`;
  if (code === ALU_AND_K) return `and  0x${k.toString(16)}`;
  if (code === JMP_JA) return `ja   ${i + 1 + k}`;
  if (code === RET_K) return `ret  ${returnText(k)}`;
  const test = TESTS[code];
  if (test === undefined) return `?    code 0x${code.toString(16)} jt ${jt} jf ${jf} k 0x${k.toString(16)}`;
  return `${test.padEnd(4)} ${operandText(code, k, now)} ? ${i + 1 + jt} : ${i + 1 + jf}`;
}

function operandText(code: number, k: number, { arch, word }: Known): string {
  if (word === "arch") return archName(k) ?? `0x${k.toString(16)}`;
  if (word !== "nr" || code === JMP_JSET_K || arch === undefined) return `0x${k.toString(16)}`;
  const x32 = arch === "SCMP_ARCH_X32";
  const name = callName(x32 ? "SCMP_ARCH_X32" : arch, x32 ? k - X32_BIT : k);
  return name === undefined ? String(k) : `${k} (${name})`;
}

function callName(arch: SeccompArch, number: number): string | undefined {
  for (const [name, its] of syscallTable(archFacts(arch).table)) if (its === number) return name;
  return undefined;
}

/** x86_64 for the number that it shares with x32. */
function archName(audit: number): SeccompArch | undefined {
  const names = Object.keys(SECCOMP_ARCHES) as SeccompArch[];
  return names.find((name) => SECCOMP_ARCHES[name] === audit);
}

function wordName(offset: number, bigEndian: boolean): string {
  if (offset === 0) return "nr";
  if (offset === 4) return "arch";
  if (offset < 16) return `ip[${offset - 8}]`;
  const high = (offset % 8 === 0) === bigEndian;
  return `args[${(offset - 16) >>> 3}].${high ? "high" : "low"}`;
}

/** `SECCOMP_RET_*` by the name of the action: `ERRNO(38)`. */
export function returnText(returns: number): string {
  const action = (returns & 0xffff0000) >>> 0;
  const name = Object.entries(SECCOMP_ACTIONS).find(([, { value }]) => value === action)?.[0];
  if (name === undefined) return `0x${returns.toString(16)}`;
  const short = name === "SCMP_ACT_KILL" ? "KILL_THREAD" : name.slice("SCMP_ACT_".length);
  return action === 0x00050000 || action === 0x7ff00000 ? `${short}(${returns & 0xffff})` : short;
}
