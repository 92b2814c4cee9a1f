/**
 * Protocol Buffers (proto2) as far as CRIU's messages go: 32-bit integers, booleans, enumerations, strings, messages
 * inside messages, repeated fields. A schema is a table of fields; the type of its values follows from it.
 */

/** `T` is the type of the field's value; it exists for the compiler only. */
export interface Field<T> {
  readonly number: number;
  readonly kind: "int" | "bool" | "string" | "message";
  readonly repeated: boolean;
  readonly of?: Schema;
  readonly value?: T;
}

export type Schema = Readonly<Record<string, Field<unknown>>>;

/** What `encode` takes and `decode` gives: every field may be absent. */
export type Value<S extends Schema> = {
  readonly [K in keyof S]?: (S[K] extends Field<infer T> ? T : never) | undefined;
};

/** int32, uint32 and enumerations. */
export const int = (number: number): Field<number> => ({ number, kind: "int", repeated: false });
export const bool = (number: number): Field<boolean> => ({ number, kind: "bool", repeated: false });
export const string = (number: number): Field<string> => ({ number, kind: "string", repeated: false });
export const message = <S extends Schema>(number: number, of: S): Field<Value<S>> => ({
  number,
  kind: "message",
  repeated: false,
  of,
});
export const repeated = <T>(field: Field<T>): Field<readonly T[]> => ({
  number: field.number,
  kind: field.kind,
  repeated: true,
  ...(field.of && { of: field.of }),
});

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** The fields that are there, in the order of the table. */
export function encode<S extends Schema>(schema: S, value: Value<S>): Uint8Array {
  const out: number[] = [];
  const values = value as Readonly<Record<string, unknown>>;
  for (const [name, field] of Object.entries(schema)) {
    const one = values[name];
    if (one === undefined) continue;
    for (const item of field.repeated ? (one as readonly unknown[]) : [one]) encodeField(out, field, item);
  }
  return Uint8Array.from(out);
}

function encodeField(out: number[], { number, kind, of }: Field<unknown>, value: unknown): void {
  const bytes =
    kind === "string"
      ? Buffer.from(value as string)
      : kind === "message"
        ? encode(of!, value as Value<Schema>)
        : undefined;
  putVarint(out, BigInt((number << 3) | (bytes ? BYTES : VARINT)));
  if (bytes) {
    putVarint(out, BigInt(bytes.length));
    for (const byte of bytes) out.push(byte);
  } else putVarint(out, BigInt(Number(value)));
}

/** Negative numbers take ten bytes: their 64-bit two's complement. */
function putVarint(out: number[], value: bigint): void {
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  out.push(Number(rest));
}

/** Fields that the table does not have are skipped. @throws RangeError when the bytes end within a field. */
export function decode<S extends Schema>(schema: S, bytes: Uint8Array): Value<S> {
  const fields = new Map(Object.entries(schema).map(([name, field]) => [field.number, { name, field }]));
  const out: Record<string, unknown> = {};
  const reader = new Reader(bytes);
  while (!reader.atEnd) {
    const key = reader.varint();
    const content = reader.content(key & 7);
    const known = fields.get(key >>> 3);
    if (known === undefined) continue;
    const value = decodeField(known.field, content);
    if (known.field.repeated) out[known.name] = [...((out[known.name] as unknown[]) ?? []), value];
    else out[known.name] = value;
  }
  return out as Value<S>;
}

function decodeField({ kind, of }: Field<unknown>, content: number | Uint8Array): unknown {
  if ((kind === "string" || kind === "message") !== (typeof content === "object"))
    throw new RangeError("protobuf: field of another type");
  if (typeof content === "number") return kind === "bool" ? content !== 0 : content;
  return kind === "string" ? Buffer.from(content).toString() : decode(of!, content);
}

class Reader {
  private at = 0;
  constructor(private readonly bytes: Uint8Array) {}

  get atEnd(): boolean {
    return this.at === this.bytes.length;
  }

  /** The low 32 bits, signed: CRIU has no larger numbers. */
  varint(): number {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.take(1)[0]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(32, value));
    }
    throw new RangeError("protobuf: number of more than ten bytes");
  }

  content(wireType: number): number | Uint8Array {
    switch (wireType) {
      case VARINT:
        return this.varint();
      case BYTES:
        return this.take(this.varint());
      case FIXED32:
        return this.take(4);
      case FIXED64:
        return this.take(8);
      default:
        throw new RangeError(`protobuf: unknown wire type ${wireType}`);
    }
  }

  private take(length: number): Uint8Array {
    if (length < 0 || this.at + length > this.bytes.length)
      throw new RangeError("protobuf: message ends within a field");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
}
