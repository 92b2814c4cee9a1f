/** Values in GVariant text format, as annotations `org.systemd.property.*` have them. Pure. */
import { InvalidArgument } from "@gantry/oci";
import { isVariant, splitSignature, type Value, type Variant } from "./wire.ts";

/** The keywords that may stand before a value. */
const KEYWORDS: Readonly<Record<string, string>> = {
  boolean: "b",
  byte: "y",
  int16: "n",
  uint16: "q",
  int32: "i",
  uint32: "u",
  int64: "x",
  uint64: "t",
  double: "d",
  string: "s",
  objectpath: "o",
  signature: "g",
};

interface Text {
  readonly text: string;
  at: number;
}

/** @throws InvalidArgument with the position of what cannot be read. */
export function parseGVariant(text: string): Variant {
  const from: Text = { text, at: 0 };
  const value = readValue(from, undefined);
  skipBlanks(from);
  if (from.at < text.length) fail(from, "unexpected text after the value");
  return value;
}

function fail(from: Text, what: string): never {
  throw new InvalidArgument(`${what} at character ${from.at + 1} of ${JSON.stringify(from.text)}`);
}

function skipBlanks(from: Text): void {
  while (/\s/.test(from.text[from.at] ?? "")) from.at++;
}

function take(from: Text, token: string): boolean {
  skipBlanks(from);
  if (!from.text.startsWith(token, from.at)) return false;
  from.at += token.length;
  return true;
}

function match(from: Text, pattern: RegExp): string | undefined {
  skipBlanks(from);
  const sticky = new RegExp(pattern.source, "y");
  sticky.lastIndex = from.at;
  const found = sticky.exec(from.text)?.[0];
  if (found !== undefined) from.at += found.length;
  return found;
}

/** `wanted`: the type that is known from outside. */
function readValue(from: Text, wanted: string | undefined): Variant {
  if (take(from, "@")) {
    const type = match(from, /[a-z(){}]+/) ?? fail(from, "a type is missing");
    if (splitSignature(type).length !== 1) fail(from, `"${type}" is not one type`);
    return readValue(from, type);
  }
  if (take(from, "[")) return readArray(from, wanted);
  if (take(from, "{")) return readDictionary(from, wanted);
  if (take(from, "(")) return readTuple(from, wanted);
  if (take(from, "<")) {
    const value = readValue(from, undefined);
    if (!take(from, ">")) fail(from, '">" is missing');
    return { signature: "v", value };
  }
  const quote = match(from, /b?['"]/);
  if (quote !== undefined) return readString(from, quote, wanted);
  const word = match(from, /[a-zA-Z][a-zA-Z0-9]*/);
  if (word === "true" || word === "false") return { signature: "b", value: word === "true" };
  if (word !== undefined && KEYWORDS[word] !== undefined) return readValue(from, KEYWORDS[word]);
  if (word === "inf" || word === "nan") return { signature: "d", value: word === "inf" ? Infinity : Number.NaN };
  if (word !== undefined) fail(from, `"${word}" means nothing`);
  return readNumber(from, wanted);
}

const BOUNDS: Readonly<Record<string, readonly [bigint, bigint]>> = {
  y: [0n, 255n],
  n: [-(2n ** 15n), 2n ** 15n - 1n],
  q: [0n, 2n ** 16n - 1n],
  i: [-(2n ** 31n), 2n ** 31n - 1n],
  u: [0n, 2n ** 32n - 1n],
  x: [-(2n ** 63n), 2n ** 63n - 1n],
  t: [0n, 2n ** 64n - 1n],
};

/** Without a type: int32, or double when there is a point or an exponent. */
function readNumber(from: Text, wanted: string | undefined): Variant {
  const digits = match(from, /[-+]?(0x[0-9a-fA-F]+|[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?)/);
  if (digits === undefined) return fail(from, "a value is missing");
  const isReal = !digits.includes("x") && /[.eE]/.test(digits);
  const signature = wanted ?? (isReal ? "d" : "i");
  if (signature === "d") return { signature, value: Number(digits) };
  const bounds = BOUNDS[signature];
  if (bounds === undefined || isReal) return fail(from, `"${digits}" is not of type "${signature}"`);
  const value = digits.startsWith("-") ? -BigInt(digits.slice(1)) : BigInt(digits.replace("+", ""));
  if (value < bounds[0] || value > bounds[1]) fail(from, `"${digits}" does not fit into type "${signature}"`);
  return { signature, value: signature === "x" || signature === "t" ? value : Number(value) };
}

const ESCAPES: Readonly<Record<string, string>> = { a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

/** A string, or with `b` in front bytes with a NUL at their end. */
function readString(from: Text, quote: string, wanted: string | undefined): Variant {
  const end = quote.at(-1)!;
  let value = "";
  for (;;) {
    const c = from.text[from.at++];
    if (c === undefined) return fail(from, "the string has no end");
    if (c === end) break;
    if (c !== "\\") value += c;
    else {
      const code = match({ text: from.text, at: from.at }, /u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}/);
      const escaped = from.text[from.at]!;
      value +=
        code === undefined ? (ESCAPES[escaped] ?? escaped) : String.fromCodePoint(Number.parseInt(code.slice(1), 16));
      from.at += code?.length ?? 1;
    }
  }
  if (quote.startsWith("b")) return { signature: "ay", value: Buffer.from(`${value}\0`) };
  if (wanted !== undefined && !["s", "o", "g"].includes(wanted)) fail(from, `a string is not of type "${wanted}"`);
  return { signature: wanted ?? "s", value };
}

/** All elements have one type; numbers without one take that of their neighbours. */
function readArray(from: Text, wanted: string | undefined): Variant {
  const element = wanted?.startsWith("a") ? wanted.slice(1) : undefined;
  const items: Variant[] = [];
  while (!take(from, "]")) {
    if (items.length > 0 && !take(from, ",")) fail(from, '"," or "]" is missing');
    items.push(readValue(from, element === "v" ? undefined : (element ?? items[0]?.signature)));
  }
  const type = element ?? items[0]?.signature ?? fail(from, "an empty array needs its type, like @as []");
  return { signature: `a${type}`, value: items.map((item) => valueOfType(from, item, type)) };
}

function readDictionary(from: Text, wanted: string | undefined): Variant {
  const [keyType, valueType] = wanted?.startsWith("a{") ? splitSignature(wanted.slice(2, -1)) : [];
  const entries: [Variant, Variant][] = [];
  while (!take(from, "}")) {
    if (entries.length > 0 && !take(from, ",")) fail(from, '"," or "}" is missing');
    const key = readValue(from, keyType ?? entries[0]?.[0].signature);
    if (!take(from, ":")) fail(from, '":" is missing');
    entries.push([key, readValue(from, valueType === "v" ? undefined : (valueType ?? entries[0]?.[1].signature))]);
  }
  const first = entries[0];
  const type = [keyType ?? first?.[0].signature, valueType ?? first?.[1].signature] as const;
  if (type[0] === undefined || type[1] === undefined) return fail(from, "an empty dictionary needs its type");
  const [k, v] = [type[0], type[1]];
  const pairs = entries.map(([key, value]) => [valueOfType(from, key, k), valueOfType(from, value, v)]);
  return { signature: `a{${k}${v}}`, value: pairs };
}

function readTuple(from: Text, wanted: string | undefined): Variant {
  const types = wanted?.startsWith("(") ? splitSignature(wanted.slice(1, -1)) : [];
  const items: Variant[] = [];
  while (!take(from, ")")) {
    if (items.length > 0 && !take(from, ",")) fail(from, '"," or ")" is missing');
    if (items.length > 0 && take(from, ")")) break;
    items.push(readValue(from, types[items.length]));
  }
  return { signature: `(${items.map((item) => item.signature).join("")})`, value: items.map((item) => item.value) };
}

function valueOfType(from: Text, item: Variant, type: string): Value {
  if (type === "v") return isVariant(item.value) && item.signature === "v" ? item.value : item;
  return item.signature === type ? item.value : fail(from, `"${item.signature}" among values of type "${type}"`);
}
