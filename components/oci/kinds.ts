/** What a field of the specification may hold, as data: the words that the tables in `schema.ts` are written in. */

export type Kind = StringKind | BooleanKind | IntegerKind | ArrayKind | MapKind | ObjectKind | IgnoredKind;

export interface StringKind {
  readonly is: "string";
}
export interface BooleanKind {
  readonly is: "boolean";
}
/** Both ends belong to the range; beyond ±(2^53 − 1) the value is a bigint. `low`, `high`: the same ends, for numbers. */
export interface IntegerKind {
  readonly is: "integer";
  readonly min: bigint;
  readonly max: bigint;
  readonly low: number;
  readonly high: number;
}
export interface ArrayKind {
  readonly is: "array";
  readonly of: Kind;
}
/** Keys are free. */
export interface MapKind {
  readonly is: "map";
  readonly of: Kind;
}
/** `closed`: a key outside `fields` is an error, because the kernel would refuse it; else a warning. */
export interface ObjectKind {
  readonly is: "object";
  readonly fields: Readonly<Record<string, Kind>>;
  readonly required: readonly string[];
  readonly closed: boolean;
}
/** Known to the specification, without meaning on Linux: not looked at. */
export interface IgnoredKind {
  readonly is: "ignored";
}

export const string: StringKind = { is: "string" };
export const boolean: BooleanKind = { is: "boolean" };
export const ignored: IgnoredKind = { is: "ignored" };

const integer = (min: bigint, max: bigint): IntegerKind => ({
  is: "integer",
  min,
  max,
  low: Number(min),
  high: Number(max),
});
export const uint16 = integer(0n, 0xffffn);
export const uint32 = integer(0n, 0xffffffffn);
export const uint64 = integer(0n, 0xffffffffffffffffn);
export const int32 = integer(-0x80000000n, 0x7fffffffn);
export const int64 = integer(-0x8000000000000000n, 0x7fffffffffffffffn);
/** int64 of the specification where the kernel's own type is smaller: always a `number`. */
export const safeInt = integer(BigInt(Number.MIN_SAFE_INTEGER), BigInt(Number.MAX_SAFE_INTEGER));

export const array = (of: Kind): ArrayKind => ({ is: "array", of });
export const map = (of: Kind): MapKind => ({ is: "map", of });
export const object = (fields: Readonly<Record<string, Kind>>, required: readonly string[] = []): ObjectKind => ({
  is: "object",
  fields,
  required,
  closed: false,
});
export const closedObject = (fields: Readonly<Record<string, Kind>>): ObjectKind => ({
  ...object(fields),
  closed: true,
});
