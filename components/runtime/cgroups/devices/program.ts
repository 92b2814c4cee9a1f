/**
 * Device rules → a BPF program for the device filter of cgroup v2. Pure.
 *
 * The kernel calls it with { u32 type | access << 16, u32 major, u32 minor }; it answers 1 (allowed) or 0. Each right that is
 * asked for is decided by the newest rule that matches it, so the rules are visited newest first: an allowing rule takes its
 * rights out of those still to be decided, a denying one ends with "no" when it meets one of them.
 */
import { type DeviceRule, RWM } from "./rules.ts";

/** struct bpf_insn. */
export interface Instruction {
  readonly op: number;
  readonly dst: number;
  readonly src: number;
  readonly off: number;
  readonly imm: number;
}

const LOAD_WORD = 0x61; // BPF_LDX | BPF_MEM | BPF_W
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const SHIFT_RIGHT = 0x74; // BPF_ALU | BPF_RSH | BPF_K
const MOVE_NUMBER = 0xb4; // BPF_ALU | BPF_MOV | BPF_K
const MOVE = 0xbc; // BPF_ALU | BPF_MOV | BPF_X
const JUMP_NOT_EQUAL = 0x56; // BPF_JMP32 | BPF_JNE | BPF_K
const JUMP_EQUAL = 0x16; // BPF_JMP32 | BPF_JEQ | BPF_K
const EXIT = 0x95; // BPF_JMP | BPF_EXIT

/** Registers. */
const RESULT = 0;
const CONTEXT = 1;
const TYPE = 2;
const ACCESS = 3;
const MAJOR = 4;
const MINOR = 5;

/** BPF_DEVCG_DEV_*. */
const DEVICE_TYPES = { b: 1, c: 2 } as const;

/** @returns the program for rules of which the last match wins, and which deny what none matches. */
export function compileDeviceProgram(rules: readonly DeviceRule[]): Instruction[] {
  const { allowByDefault, exceptions } = simplify(rules);
  const program = [
    load(TYPE, 0),
    number(AND, TYPE, 0xffff),
    load(ACCESS, 0),
    number(SHIFT_RIGHT, ACCESS, 16),
    load(MAJOR, 4),
    load(MINOR, 8),
  ];
  for (const rule of exceptions.toReversed()) program.push(...block(rule));
  program.push(...answer(allowByDefault));
  return program;
}

/** A rule for everything makes those before it pointless. */
function simplify(rules: readonly DeviceRule[]): { allowByDefault: boolean; exceptions: readonly DeviceRule[] } {
  const last = rules.findLastIndex((rule) => rule.type === "a");
  return { allowByDefault: last >= 0 && rules[last]!.allow, exceptions: rules.slice(last + 1) };
}

/** Whether the program would say yes to everything, so that nothing is lost where none can be loaded. */
export function allowsEverything(rules: readonly DeviceRule[]): boolean {
  const { allowByDefault, exceptions } = simplify(rules);
  return allowByDefault && exceptions.every((rule) => rule.allow);
}

function block({ type, major, minor, access, allow }: DeviceRule): Instruction[] {
  const tests: Instruction[] = [];
  if (type !== "a") tests.push(number(JUMP_NOT_EQUAL, TYPE, DEVICE_TYPES[type]));
  if (major !== -1) tests.push(number(JUMP_NOT_EQUAL, MAJOR, major));
  if (minor !== -1) tests.push(number(JUMP_NOT_EQUAL, MINOR, minor));
  if (access !== RWM) {
    if (allow) tests.push(number(AND, ACCESS, RWM & ~access), number(JUMP_NOT_EQUAL, ACCESS, 0));
    else tests.push(move(CONTEXT, ACCESS), number(AND, CONTEXT, access), number(JUMP_EQUAL, CONTEXT, 0));
  }
  const end = [...tests, ...answer(allow)];
  // Every jump leads to the next rule.
  return end.map((instruction, i) =>
    instruction.op === JUMP_NOT_EQUAL || instruction.op === JUMP_EQUAL
      ? { ...instruction, off: end.length - i - 1 }
      : instruction,
  );
}

function answer(allow: boolean): Instruction[] {
  return [number(MOVE_NUMBER, RESULT, allow ? 1 : 0), { op: EXIT, dst: 0, src: 0, off: 0, imm: 0 }];
}

function load(dst: number, off: number): Instruction {
  return { op: LOAD_WORD, dst, src: CONTEXT, off, imm: 0 };
}

function number(op: number, dst: number, imm: number): Instruction {
  return { op, dst, src: 0, off: 0, imm };
}

function move(dst: number, src: number): Instruction {
  return { op: MOVE, dst, src, off: 0, imm: 0 };
}

/** The bytes that bpf(2) takes. */
export function encodeProgram(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(({ op, dst, src, off, imm }, i) => {
    view.setUint8(i * 8, op);
    view.setUint8(i * 8 + 1, dst | (src << 4));
    view.setInt16(i * 8 + 2, off, true);
    view.setInt32(i * 8 + 4, imm | 0, true);
  });
  return bytes;
}
