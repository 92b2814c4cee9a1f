/** D-Bus values as bytes: D-Bus specification, "Marshaling (Wire Format)", little-endian. Pure. */
import { InvalidArgument } from "@gantry/oci";

/**
 * By type: y n q i u d number; x t bigint (numbers and decimal strings are taken too); b boolean; s o g string; arrays and
 * structs array (`ay` Uint8Array); dictionaries array of pairs; v `Variant`.
 */
export type Value = number | bigint | boolean | string | Uint8Array | Variant | readonly Value[];

export interface Variant {
  readonly signature: string;
  readonly value: Value;
}

const ALIGNMENT: Readonly<Record<string, number>> = {
  y: 1,
  g: 1,
  v: 1,
  n: 2,
  q: 2,
  i: 4,
  u: 4,
  b: 4,
  s: 4,
  o: 4,
  a: 4,
  x: 8,
  t: 8,
  d: 8,
  "(": 8,
  "{": 8,
};

/** The single complete types of a signature: `sa(sv)u` → `s`, `a(sv)`, `u`. @throws InvalidArgument */
export function splitSignature(signature: string): string[] {
  const types: string[] = [];
  for (let at = 0; at < signature.length; ) {
    const end = typeEnd(signature, at);
    types.push(signature.slice(at, end));
    at = end;
  }
  return types;
}

function typeEnd(signature: string, at: number): number {
  const code = signature[at];
  if (code === "a") return typeEnd(signature, at + 1);
  if (code === "(" || code === "{") {
    const close = code === "(" ? ")" : "}";
    let end = at + 1;
    while (signature[end] !== close) end = typeEnd(signature, end);
    return end + 1;
  }
  if (code === undefined || ALIGNMENT[code] === undefined)
    throw new InvalidArgument(`"${signature}" is not a D-Bus signature`);
  return at + 1;
}

/** Grows as it is written to; positions count from the start of the message, which alignment depends on. */
export class Writer {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  length = 0;

  /** What was written. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }

  align(to: number): void {
    const end = Math.ceil(this.length / to) * to;
    this.#reserve(end - this.length);
    this.length = end;
  }

  #reserve(size: number): number {
    const at = this.length;
    this.length += size;
    while (this.length > this.#bytes.length) {
      const bytes = new Uint8Array(this.#bytes.length * 2);
      bytes.set(this.#bytes);
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
    this.length = at;
    return at;
  }

  u8(value: number): void {
    this.#view.setUint8(this.#reserve(1), value);
    this.length += 1;
  }

  u32(value: number): void {
    this.align(4);
    this.#view.setUint32(this.#reserve(4), value, true);
    this.length += 4;
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
    this.length += bytes.length;
  }

  /** Overwrites four bytes that were written before. */
  patch(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  number(type: string, value: number | bigint): void {
    const size = ALIGNMENT[type]!;
    this.align(size);
    const at = this.#reserve(size);
    const view = this.#view;
    if (type === "y") view.setUint8(at, Number(value));
    else if (type === "n") view.setInt16(at, Number(value), true);
    else if (type === "q") view.setUint16(at, Number(value), true);
    else if (type === "i") view.setInt32(at, Number(value), true);
    else if (type === "u") view.setUint32(at, Number(value), true);
    else if (type === "d") view.setFloat64(at, Number(value), true);
    else view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
    this.length += size;
  }

  text(value: string, shortLength: boolean): void {
    const bytes = new TextEncoder().encode(value);
    if (shortLength) this.u8(bytes.length);
    else this.u32(bytes.length);
    this.raw(bytes);
    this.u8(0);
  }
}

/** Appends values of the given types. @throws InvalidArgument when a value is not of its type. */
export function marshal(to: Writer, signature: string, values: readonly Value[]): void {
  const types = splitSignature(signature);
  if (types.length !== values.length)
    throw new InvalidArgument(`D-Bus: ${values.length} values for the signature "${signature}"`);
  types.forEach((type, i) => {
    marshalOne(to, type, values[i]!);
  });
}

function marshalOne(to: Writer, type: string, value: Value): void {
  const code = type[0]!;
  if (code === "a") marshalArray(to, type.slice(1), value);
  else if (code === "v" && isVariant(value)) {
    to.text(value.signature, true);
    marshal(to, value.signature, [value.value]);
  } else if ((code === "(" || code === "{") && Array.isArray(value)) {
    to.align(8);
    marshal(to, type.slice(1, -1), value);
  } else if ("sog".includes(code) && typeof value === "string") to.text(value, code === "g");
  else if (code === "b" && typeof value === "boolean") to.u32(value ? 1 : 0);
  else if ("ynqiuxtd".includes(code) && (typeof value === "number" || typeof value === "bigint"))
    to.number(code, value);
  else if ("xt".includes(code) && typeof value === "string") to.number(code, BigInt(value));
  else throw new InvalidArgument(`D-Bus: ${String(value)} is not of type "${type}"`);
}

function marshalArray(to: Writer, element: string, value: Value): void {
  to.u32(0);
  const lengthAt = to.length - 4;
  to.align(ALIGNMENT[element[0]!]!);
  const start = to.length;
  if (value instanceof Uint8Array && element === "y") to.raw(value);
  else if (Array.isArray(value)) for (const item of value) marshalOne(to, element, item);
  else throw new InvalidArgument(`D-Bus: ${String(value)} is not an array`);
  to.patch(lengthAt, to.length - start);
}

export function isVariant(value: Value): value is Variant {
  return typeof value === "object" && "signature" in value;
}

/** Reads what a `Writer` wrote; positions count from the start of the message. */
export class Reader {
  readonly #view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    public at = 0,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  align(to: number): void {
    this.at = Math.ceil(this.at / to) * to;
  }

  /** @throws RangeError past the end. */
  number(type: string): number | bigint {
    const size = ALIGNMENT[type]!;
    this.align(size);
    const at = this.at;
    this.at += size;
    const view = this.#view;
    if (type === "y") return view.getUint8(at);
    if (type === "n") return view.getInt16(at, true);
    if (type === "q") return view.getUint16(at, true);
    if (type === "i") return view.getInt32(at, true);
    if (type === "u" || type === "b") return view.getUint32(at, true);
    if (type === "d") return view.getFloat64(at, true);
    return type === "x" ? view.getBigInt64(at, true) : view.getBigUint64(at, true);
  }

  text(shortLength: boolean): string {
    const length = Number(this.number(shortLength ? "y" : "u"));
    const start = this.at;
    this.at += length + 1;
    if (this.at > this.bytes.length) throw new RangeError("text past the end of the message");
    return new TextDecoder().decode(this.bytes.subarray(start, start + length));
  }
}

/** The values of a signature. @throws RangeError when the bytes end too early. */
export function unmarshal(from: Reader, signature: string): Value[] {
  return splitSignature(signature).map((type) => unmarshalOne(from, type));
}

function unmarshalOne(from: Reader, type: string): Value {
  const code = type[0]!;
  if (code === "a") return unmarshalArray(from, type.slice(1));
  if (code === "v") {
    const signature = from.text(true);
    return { signature, value: unmarshal(from, signature)[0]! };
  }
  if (code === "(" || code === "{") {
    from.align(8);
    return unmarshal(from, type.slice(1, -1));
  }
  if (code === "s" || code === "o" || code === "g") return from.text(code === "g");
  const value = from.number(code);
  return code === "b" ? value === 1 : value;
}

function unmarshalArray(from: Reader, element: string): Value {
  const length = Number(from.number("u"));
  from.align(ALIGNMENT[element[0]!]!);
  const end = from.at + length;
  if (end > from.bytes.length) throw new RangeError("array past the end of the message");
  if (element === "y") {
    from.at = end;
    return from.bytes.slice(end - length, end);
  }
  const items: Value[] = [];
  while (from.at < end) items.push(unmarshalOne(from, element));
  return items;
}
