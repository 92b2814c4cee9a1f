/**
 * Classic BPF, written from its end to its start: jumps only go forward, so whatever an instruction jumps to is there
 * already when it is written. A place is a position counted from the end of the program.
 */

export type Place = number;

/** Where a jump goes: a place, or (negative) a constant that the filter shall return. */
export type Target = number;

export interface Code {
  /** Operation << 16 | jump if true << 8 | jump if false. */
  readonly operations: number[];
  readonly operands: number[];
  readonly constants: number[];
  /** Of each constant, the `ret` that was written last. */
  readonly returns: Place[];
}

/** Opcodes of linux/bpf_common.h, as many as filters need. */
export const LD_W_ABS = 0x20;
export const ALU_AND_K = 0x54;
export const JMP_JA = 0x05;
export const JMP_JEQ_K = 0x15;
export const JMP_JGT_K = 0x25;
export const JMP_JGE_K = 0x35;
export const JMP_JSET_K = 0x45;
export const RET_K = 0x06;

/** The bits of an opcode that are the same for all jumps. */
const CLASS = 0x07;

/** sizeof(struct sock_filter) */
export const INSTRUCTION_BYTES = 8;
const MAX_JUMP = 255;
const NOT_WRITTEN = Number.NEGATIVE_INFINITY;

export function newCode(): Code {
  return { operations: [], operands: [], constants: [], returns: [] };
}

/** The target of jumps that make the filter return `value`. */
export function constant({ constants, returns }: Code, value: number): Target {
  let index = constants.indexOf(value);
  if (index < 0) {
    index = constants.push(value) - 1;
    returns.push(NOT_WRITTEN);
  }
  return -1 - index;
}

/** Writes an instruction before all that are there. */
export function prepend(code: Code, operation: number, operand: number): Place {
  code.operations.push(operation << 16);
  return code.operands.push(operand) - 1;
}

/** Writes a conditional jump, with what it takes to get further than its 8-bit offsets go. */
export function prependJump(code: Code, operation: number, operand: number, yes: Target, no: Target): Place {
  // One more instruction may come between, for the other target, and one for this: hence the two in hand.
  const noPlace = within(code, no, MAX_JUMP - 2);
  const yesPlace = within(code, yes, MAX_JUMP - 2);
  const here = code.operations.length;
  code.operations.push((operation << 16) | ((here - yesPlace - 1) << 8) | (here - noPlace - 1));
  code.operands.push(operand);
  return here;
}

/**
 * Writes a balanced search for the range that the accumulator is in: from `starts[i]` on it goes to `targets[i]`.
 * Both are in falling order. Neighbours are joined pairwise until one is left; flat, for the reason given in runs.ts.
 */
export function prependSearch(code: Code, starts: readonly number[], targets: readonly Target[]): Target {
  const { operations, operands, returns } = code;
  let [froms, tos] = [starts, targets];
  while (tos.length > 1) {
    const joinedFroms: number[] = [];
    const joinedTos: Target[] = [];
    for (let i = 0; i < tos.length; i += 2) {
      const upper = tos[i]!;
      const lower = tos[i + 1];
      let place: Target = upper;
      if (lower !== undefined) {
        place = operations.length;
        const yes = place - 1 - (upper < 0 ? returns[-1 - upper]! : upper);
        const no = place - 1 - (lower < 0 ? returns[-1 - lower]! : lower);
        if (yes < MAX_JUMP && no < MAX_JUMP) {
          operations.push((JMP_JGE_K << 16) | (yes << 8) | no);
          operands.push(froms[i]!);
        } else place = prependJump(code, JMP_JGE_K, froms[i]!, upper, lower);
      }
      joinedFroms.push(froms[i + 1] ?? froms[i]!);
      joinedTos.push(place);
    }
    [froms, tos] = [joinedFroms, joinedTos];
  }
  return tos[0]!;
}

/** Writes a load of the word at `offset` of seccomp_data, that the code at `then` works on. */
export function prependLoad(code: Code, offset: number, then: Target): Place {
  within(code, then, 0);
  return prepend(code, LD_W_ABS, offset);
}

/** A place at most `limit` instructions away from the next one to write that leads to `target`. */
function within(code: Code, target: Target, limit: number): Place {
  const place = target < 0 ? code.returns[-1 - target]! : target;
  const distance = code.operations.length - 1 - place;
  if (distance <= limit) return place;
  if (target >= 0) return prepend(code, JMP_JA, distance);
  const written = prepend(code, RET_K, code.constants[-1 - target]!);
  code.returns[-1 - target] = written;
  return written;
}

/** The array of `struct sock_filter`, in the byte order of the machine that it is for. */
export function encode({ operations, operands }: Code, bigEndian: boolean): Uint8Array {
  const places = reachable(operations, operands);
  const index = new Int32Array(operations.length);
  for (let i = 0; i < places.length; i++) index[places[i]!] = i;
  const words = new Uint32Array(places.length * 2);
  for (let i = 0; i < places.length; i++) {
    const place = places[i]!;
    const operation = operations[place]!;
    const code = operation >>> 16;
    let operand = operands[place]!;
    let yes = 0;
    let no = 0;
    // Leaving instructions out makes jumps shorter only, so they still fit.
    if ((code & CLASS) === JMP_JA && code !== JMP_JA) {
      yes = index[place - 1 - ((operation >>> 8) & 0xff)]! - i - 1;
      no = index[place - 1 - (operation & 0xff)]! - i - 1;
    } else if (code === JMP_JA) operand = index[place - 1 - operand]! - i - 1;
    // code: 16 bits, then the two offsets, a byte each.
    words[i * 2] = bigEndian ? (code << 16) | (yes << 8) | no : code | (yes << 16) | (no << 24);
    words[i * 2 + 1] = operand;
  }
  if (bigEndian !== isBigEndian()) swapBytes(words);
  return new Uint8Array(words.buffer);
}

/** Of the machine that compiles. */
function isBigEndian(): boolean {
  return new Uint8Array(new Uint32Array([1]).buffer)[0] === 0;
}

function swapBytes(words: Uint32Array): void {
  for (const [i, word] of words.entries())
    words[i] = (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

/** The places that can be reached, in the order of the program: tests that others jump past into leave a rest. */
function reachable(operations: readonly number[], operands: readonly number[]): Place[] {
  const seen = new Uint8Array(operations.length);
  seen[operations.length - 1] = 1;
  const places: Place[] = [];
  for (let place = operations.length - 1; place >= 0; place--) {
    if (seen[place] === 0) continue;
    places.push(place);
    const operation = operations[place]!;
    const code = operation >>> 16;
    if ((code & CLASS) === JMP_JA && code !== JMP_JA) {
      seen[place - 1 - ((operation >>> 8) & 0xff)] = 1;
      seen[place - 1 - (operation & 0xff)] = 1;
    } else if (code === JMP_JA) seen[place - 1 - operands[place]!] = 1;
    else if (code !== RET_K) seen[place - 1] = 1;
  }
  return places;
}
