/** Runs a device program as the kernel would, for tests: the instructions that such programs may use, nothing else. */
export interface Access {
  readonly type: "b" | "c";
  readonly major: number;
  readonly minor: number;
  /** MKNOD 1, READ 2, WRITE 4. */
  readonly access: number;
}

/** @returns the verdict. @throws Error for anything that the verifier would refuse. */
export function interpret(code: Uint8Array, { type, major, minor, access }: Access): boolean {
  const context = new DataView(new ArrayBuffer(12));
  context.setUint32(0, ((type === "b" ? 1 : 2) | (access << 16)) >>> 0, true);
  context.setUint32(4, major, true);
  context.setUint32(8, minor, true);
  const view = new DataView(code.buffer, code.byteOffset, code.length);
  const registers: (number | "context" | undefined)[] = [undefined, "context"];
  const value = (r: number): number => {
    const v = registers[r];
    if (typeof v !== "number") throw new Error(`register ${r} holds no number`);
    return v;
  };
  for (let at = 0; at < code.length / 8; at++) {
    const op = view.getUint8(at * 8);
    const dst = view.getUint8(at * 8 + 1) & 15;
    const src = view.getUint8(at * 8 + 1) >> 4;
    const off = view.getInt16(at * 8 + 2, true);
    const imm = view.getUint32(at * 8 + 4, true);
    if (off < 0) throw new Error("backward jump");
    if (op === 0x61) {
      if (registers[src] !== "context") throw new Error("load from something else than the context");
      registers[dst] = context.getUint32(off, true);
    } else if (op === 0x54) registers[dst] = (value(dst) & imm) >>> 0;
    else if (op === 0x74) registers[dst] = value(dst) >>> imm;
    else if (op === 0xb4) registers[dst] = imm;
    else if (op === 0xbc) registers[dst] = value(src);
    else if (op === 0x56) at += value(dst) === imm ? 0 : off;
    else if (op === 0x16) at += value(dst) === imm ? off : 0;
    else if (op === 0x95) return value(0) === 1;
    else throw new Error(`unknown instruction 0x${op.toString(16)}`);
  }
  throw new Error("the program runs past its end");
}
