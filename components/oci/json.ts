/**
 * JSON for the two things that `JSON` cannot do: say the line and column of a mistake, and keep every digit of an integer
 * beyond 2^53. Loaded only when one of the two is needed. RFC 8259, strict.
 */
import { InvalidArgument } from "./errors.ts";

const MAX_DEPTH = 1000;

/**
 * @param file what to call the text in messages.
 * @returns the value; integers that a number cannot hold are bigints.
 * @throws InvalidArgument `file:line:column: …` (both from 1, the column in UTF-16 units).
 */
export function parseJson(text: string, file: string): unknown {
  const reader: Reader = { text, file, at: 0, depth: 0 };
  const value = readValue(reader);
  skipSpace(reader);
  if (reader.at < text.length) fail(reader, `unexpected ${found(reader)} after the end of the document`);
  return value;
}

/** `JSON.stringify` for plain data that may hold bigints, which are written as numbers with all their digits. */
export function stringifyJson(value: unknown): string {
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return `[${value.map((item) => stringifyJson(item ?? null)).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${entries.map(([key, field]) => `${JSON.stringify(key)}:${stringifyJson(field)}`).join(",")}}`;
}

interface Reader {
  readonly text: string;
  readonly file: string;
  at: number;
  depth: number;
}

function readValue(r: Reader): unknown {
  skipSpace(r);
  switch (r.text[r.at]) {
    case "{":
      return nested(r, readObject);
    case "[":
      return nested(r, readArray);
    case '"':
      return readString(r);
    case "t":
      return readWord(r, "true", true);
    case "f":
      return readWord(r, "false", false);
    case "n":
      return readWord(r, "null", null);
    default:
      return readNumber(r);
  }
}

function nested<T>(r: Reader, read: (r: Reader) => T): T {
  if (++r.depth > MAX_DEPTH) fail(r, `nested deeper than ${MAX_DEPTH} levels`);
  const value = read(r);
  r.depth--;
  return value;
}

function readObject(r: Reader): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  r.at++;
  if (take(r, "}")) return object;
  for (;;) {
    if (next(r) !== '"') fail(r, `expected a name in double quotes, found ${found(r)}`);
    const key = readString(r);
    if (!take(r, ":")) fail(r, `expected ":" after "${key}", found ${found(r)}`);
    const value = readValue(r);
    // An assignment would set the prototype.
    if (key === "__proto__")
      Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
    else object[key] = value;
    if (take(r, "}")) return object;
    if (!take(r, ",")) fail(r, `expected "," or "}" after the value of "${key}", found ${found(r)}`);
    if (next(r) === "}") fail(r, `a comma before "}"`);
  }
}

function readArray(r: Reader): unknown[] {
  const array: unknown[] = [];
  r.at++;
  if (take(r, "]")) return array;
  for (;;) {
    array.push(readValue(r));
    if (take(r, "]")) return array;
    if (!take(r, ",")) fail(r, `expected "," or "]" after an element, found ${found(r)}`);
    if (next(r) === "]") fail(r, `a comma before "]"`);
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

function readString(r: Reader): string {
  const open = r.at++;
  let value = "";
  let from = r.at;
  for (;;) {
    const code = r.text.charCodeAt(r.at);
    if (code === 0x22) return value + r.text.slice(from, r.at++);
    if (Number.isNaN(code)) fail({ ...r, at: open }, "a string that does not end");
    if (code < 0x20) fail(r, "a control character in a string; write it as an escape");
    if (code !== 0x5c) {
      r.at++;
      continue;
    }
    value += r.text.slice(from, r.at) + readEscape(r);
    from = r.at;
  }
}

function readEscape(r: Reader): string {
  const letter = r.text[r.at + 1] ?? "";
  const hex = r.text.slice(r.at + 2, r.at + 6);
  if (letter === "u" && /^[0-9a-fA-F]{4}$/.test(hex)) {
    r.at += 6;
    return String.fromCharCode(Number.parseInt(hex, 16));
  }
  if (!Object.hasOwn(ESCAPES, letter)) fail(r, `an escape that JSON does not have: \\${letter}`);
  r.at += 2;
  return ESCAPES[letter]!;
}

function readWord<T>(r: Reader, word: string, value: T): T {
  if (!r.text.startsWith(word, r.at)) fail(r, `expected a value, found ${found(r)}`);
  r.at += word.length;
  return value;
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;

function readNumber(r: Reader): number | bigint {
  NUMBER.lastIndex = r.at;
  const match = NUMBER.exec(r.text);
  if (match === null) fail(r, `expected a value, found ${found(r)}`);
  r.at = NUMBER.lastIndex;
  if (/[0-9]/.test(r.text[r.at] ?? "")) fail(r, "a number that begins with 0");
  const value = Number(match[0]);
  const integer = match[1] === undefined && match[2] === undefined;
  return integer && !Number.isSafeInteger(value) ? BigInt(match[0]) : value;
}

function skipSpace(r: Reader): void {
  for (;;) {
    const code = r.text.charCodeAt(r.at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    r.at++;
  }
}

function next(r: Reader): string | undefined {
  skipSpace(r);
  return r.text[r.at];
}

/** Steps over `mark` if it comes next. */
function take(r: Reader, mark: string): boolean {
  if (next(r) !== mark) return false;
  r.at++;
  return true;
}

function found(r: Reader): string {
  if (r.at >= r.text.length) return "the end of the text";
  const point = String.fromCodePoint(r.text.codePointAt(r.at)!);
  if (point === "\uFEFF") return "a byte order mark";
  return point < " " ? JSON.stringify(point) : `"${point}"`;
}

function fail(r: Reader, what: string): never {
  const before = r.text.slice(0, r.at);
  const line = before.split("\n").length;
  const column = r.at - before.lastIndexOf("\n");
  throw new InvalidArgument(`${r.file}:${line}:${column}: invalid JSON: ${what}`);
}
