/** A launch plan: the operations in order, each with the field of config.json it came from; and its encoding for the launcher. */
import { PLAN_HASH } from "../../../build/plan-hash.ts";
import { FLAGS, flagsOf } from "./flags.ts";
import { OP_NAMES, OPS, type OpName, PLAN_VERSION } from "./ops.ts";

type Value = { u: number | bigint; s: string; b: Uint8Array; l: readonly string[] };
type Arguments<S extends string> = S extends `${infer K extends keyof Value}${infer Rest}`
  ? [Value[K], ...Arguments<Rest>]
  : [];
export type OpArguments<N extends OpName> = Arguments<(typeof OPS)[N]>;

/** What happens when an operation fails: by default the launch does. */
export interface Policy {
  /** errno values that count as success, at most four. */
  readonly ignore?: readonly number[];
  /** Any failure is only reported. */
  readonly warn?: boolean;
  /** Performed by the process that stayed outside the container's user namespace. */
  readonly proxy?: boolean;
}

export interface Op extends Policy {
  readonly name: OpName;
  readonly args: readonly Value[keyof Value][];
  /** Field of config.json, or why the operation is there at all. */
  readonly from: string;
}

export interface Plan {
  readonly ops: Op[];
  /** An exec fifo is passed to the launcher, which waits for `start`. */
  fifo: boolean;
  /** A cgroup v2 directory is passed, into which the first fork happens. */
  cgroup: boolean;
  /** A fork wants to happen in that directory. */
  born: boolean;
  /** The encoding, where it was kept from an earlier time; `ops` are then made anew when somebody asks. */
  readonly encoded?: Uint8Array;
}

export function newPlan(): Plan {
  return { ops: [], fifo: false, cgroup: false, born: false };
}

/** Appends an operation. */
export function add<N extends OpName>(plan: Plan, from: string, name: N, args: OpArguments<N>, policy?: Policy): void {
  if (name === "fork" && args[2] === 1) plan.born = true;
  plan.ops.push({ name, args: args as readonly Value[keyof Value][], from, ...policy });
}

const MAGIC = 0x4e414c5052544e47n; // "GNTRPLAN"
const POLICY = { warn: 1, proxy: 2 };

/** Numbers of the operations, in the order of the table. */
const CODES = new Map<OpName, number>(OP_NAMES.map((name, i) => [name, i]));

/** The bytes that `native/launcher/plan.c` reads; the layout stands there. */
export function encodePlan(plan: Plan, { trace = false }: { readonly trace?: boolean } = {}): Uint8Array {
  const out = new Writer();
  const flags = flagsOf(plan, trace) | (plan.ops.some((op) => op.proxy) ? FLAGS.proxy : 0);
  out.u64(MAGIC);
  out.u32(PLAN_VERSION);
  out.u32(flags);
  out.u64(PLAN_HASH);
  out.u32(plan.ops.length);
  const total = out.reserve32();
  for (const op of plan.ops) encodeOp(out, op);
  out.patch32(total, out.length);
  return out.bytes();
}

function encodeOp(out: Writer, op: Op): void {
  out.u16(CODES.get(op.name)!);
  out.u16((op.warn ? POLICY.warn : 0) | (op.proxy ? POLICY.proxy : 0));
  for (let i = 0; i < 4; i++) out.u16(op.ignore?.[i] ?? 0);
  const length = out.reserve32();
  const start = out.length;
  const schema = OPS[op.name];
  for (let i = 0; i < schema.length; i++) {
    const value = op.args[i]!;
    if (typeof value === "string") out.text(value);
    else if (typeof value === "number" || typeof value === "bigint") out.u64(value);
    else if (value instanceof Uint8Array) out.blob(value);
    else {
      out.u32(value.length);
      for (const item of value) out.text(item);
    }
  }
  out.patch32(length, out.length - start);
}

/** A little-endian buffer that grows. */
class Writer {
  #buffer = Buffer.allocUnsafe(8192);
  length = 0;

  #room(size: number): void {
    if (this.length + size <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.length + size));
    this.#buffer.copy(larger, 0, 0, this.length);
    this.#buffer = larger;
  }

  u16(value: number): void {
    this.#room(2);
    this.length = this.#buffer.writeUInt16LE(value, this.length);
  }

  u32(value: number): void {
    this.#room(4);
    this.length = this.#buffer.writeUInt32LE(value, this.length);
  }

  u64(value: number | bigint): void {
    this.#room(8);
    if (typeof value === "bigint") {
      this.length = this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, value), this.length);
    } else {
      // Two halves; a negative number becomes its two's complement.
      this.#buffer.writeUInt32LE(value >>> 0, this.length);
      this.length = this.#buffer.writeUInt32LE(Math.floor(value / 4294967296) >>> 0, this.length + 4);
    }
  }

  text(value: string): void {
    this.#room(value.length * 3 + 5);
    const n = this.#buffer.write(value, this.length + 4);
    this.#buffer.writeUInt32LE(n, this.length);
    this.length += n + 4;
    this.#buffer[this.length++] = 0;
  }

  blob(value: Uint8Array): void {
    this.u32(value.length);
    this.#room(value.length + 1);
    this.#buffer.set(value, this.length);
    this.length += value.length;
    this.#buffer[this.length++] = 0;
  }

  reserve32(): number {
    this.u32(0);
    return this.length - 4;
  }

  patch32(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value, at);
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.length);
  }
}
