/** Runs a filter like the kernel does, and refuses what the kernel's checker refuses. Written from seccomp(2) and bpf(4). */

export interface Call {
  readonly nr: number;
  /** AUDIT_ARCH_* */
  readonly arch: number;
  readonly args: readonly bigint[];
}

export interface Outcome {
  readonly returns: number;
  /** Instructions executed, jumps among them, and the offsets that were loaded. */
  readonly steps: number;
  readonly jumps: number;
  readonly loads: readonly number[];
}

const LD = 0x20;
const AND = 0x54;
const JA = 0x05;
const RET = 0x06;
const JUMPS: Readonly<Record<number, (a: number, k: number) => boolean>> = {
  21: (a, k) => a === k,
  37: (a, k) => a > k,
  53: (a, k) => a >= k,
  69: (a, k) => (a & k) !== 0,
};

export function interpret(program: Uint8Array, call: Call, bigEndian = false): Outcome {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const data = seccompData(call, bigEndian);
  const length = program.byteLength / 8;
  let accumulator = 0;
  let steps = 0;
  let jumps = 0;
  const loads: number[] = [];
  for (let pc = 0; ; pc++) {
    if (pc >= length) throw new Error(`ran past the end at ${pc}`);
    steps++;
    const operation = code.getUint16(pc * 8, !bigEndian);
    const k = code.getUint32(pc * 8 + 4, !bigEndian);
    const test = JUMPS[operation];
    if (operation === RET) return { returns: k, steps, jumps, loads };
    if (operation === LD) {
      if (k % 4 !== 0 || k >= 64) throw new Error(`load of ${k}`);
      loads.push(k);
      accumulator = data.getUint32(k, !bigEndian);
    } else if (operation === AND) accumulator = (accumulator & k) >>> 0;
    else if (operation === JA) pc += k;
    else if (test !== undefined) {
      jumps++;
      pc += code.getUint8(pc * 8 + (test(accumulator, k) ? 2 : 3));
    } else throw new Error(`instruction 0x${operation.toString(16)} at ${pc}`);
  }
}

function seccompData({ nr, arch, args }: Call, bigEndian: boolean): DataView {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, nr, !bigEndian);
  data.setUint32(4, arch, !bigEndian);
  data.setBigUint64(8, 0xdeadbeefcafen, !bigEndian);
  for (const [i, arg] of args.entries()) data.setBigUint64(16 + i * 8, arg, !bigEndian);
  return data;
}

/** Can every instruction be reached, and does every path end in a return? That is more than the kernel asks. */
export function check(program: Uint8Array, bigEndian = false): void {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const length = program.byteLength / 8;
  const reached = new Set([0]);
  for (let pc = 0; pc < length; pc++) {
    if (!reached.has(pc)) throw new Error(`instruction ${pc} is never reached`);
    const operation = code.getUint16(pc * 8, !bigEndian);
    if (operation === RET) continue;
    const nexts =
      operation === JA
        ? [pc + 1 + code.getUint32(pc * 8 + 4, !bigEndian)]
        : JUMPS[operation] === undefined
          ? [pc + 1]
          : [pc + 1 + code.getUint8(pc * 8 + 2), pc + 1 + code.getUint8(pc * 8 + 3)];
    for (const next of nexts) {
      if (next >= length) throw new Error(`instruction ${pc} leads past the end`);
      reached.add(next);
    }
  }
}
