/** Walks a JSON value beside its table: types, ranges, required fields, unknown keys, NUL bytes. */
import type { IntegerKind, Kind, ObjectKind } from "./kinds.ts";

/** What a walk collects; both in the order of the document. */
export interface Findings {
  readonly failures: string[];
  readonly warnings: string[];
}

/** `nul`: the text holds the escape of a NUL somewhere, so strings are worth looking at. */
interface Options {
  readonly nul: boolean;
}

/**
 * Adds to `found` what is wrong with `value`. Removes keys that hold `null`, which stands for absent.
 * @param at the path of `value`, `""` for the whole document.
 */
export function check(value: unknown, kind: Kind, at: string, found: Findings, options: Options): void {
  switch (kind.is) {
    case "string":
      if (typeof value !== "string") wrong(found, at, "a string", value);
      else if (options.nul && value.includes("\0")) found.failures.push(`${at}: contains a NUL byte`);
      return;
    case "boolean":
      if (typeof value !== "boolean") wrong(found, at, "true or false", value);
      return;
    case "integer":
      if (!isWithin(value, kind)) wrong(found, at, `an integer from ${kind.min} to ${kind.max}`, value);
      return;
    case "array":
      if (!Array.isArray(value)) wrong(found, at, "an array", value);
      else for (let i = 0; i < value.length; i++) check(value[i], kind.of, `${at}[${i}]`, found, options);
      return;
    case "map":
      if (isObject(value)) checkMap(value, kind.of, at, found, options);
      else wrong(found, at, "an object", value);
      return;
    case "object":
      if (isObject(value)) checkObject(value, kind, at, found, options);
      else wrong(found, at, "an object", value);
      return;
    case "ignored":
      return;
  }
}

function checkMap(value: Record<string, unknown>, of: Kind, at: string, found: Findings, options: Options): void {
  for (const key in value) {
    if (options.nul && key.includes("\0")) found.failures.push(`${fieldPath(at, key)}: the name contains a NUL byte`);
    check(value[key], of, fieldPath(at, key), found, options);
  }
}

function checkObject(
  value: Record<string, unknown>,
  kind: ObjectKind,
  at: string,
  found: Findings,
  options: Options,
): void {
  for (const key of Object.keys(value)) {
    const field = value[key];
    if (!Object.hasOwn(kind.fields, key)) {
      const known = unknownKey(value, kind, at, key, found);
      if (known !== undefined) check(value[known], kind.fields[known]!, fieldPath(at, known), found, options);
    } else if (field === null) delete value[key];
    else check(field, kind.fields[key]!, at === "" ? key : `${at}.${key}`, found, options);
  }
  for (const name of kind.required)
    if (value[name] === undefined) found.failures.push(`${fieldPath(at, name)}: must be set`);
}

/** @returns the known name that `key` was taken for: Go, hence runc, reads names without regard to case. */
function unknownKey(
  value: Record<string, unknown>,
  kind: ObjectKind,
  at: string,
  key: string,
  found: Findings,
): string | undefined {
  const { nearest } = require("./suggest.ts") as typeof import("./suggest.ts");
  const names = Object.keys(kind.fields);
  const same = names.find((name) => name.toLowerCase() === key.toLowerCase());
  if (same !== undefined && value[same] === undefined && value[key] !== null) {
    value[same] = value[key];
    delete value[key];
    found.warnings.push(`${fieldPath(at, key)}: unknown key; taken for "${same}"`);
    return same;
  }
  const near = same ?? nearest(key, names);
  const hint = near === undefined ? "" : `; did you mean "${near}"?`;
  if (kind.closed) found.failures.push(`${fieldPath(at, key)}: unknown key${hint || `; known: ${names.join(", ")}`}`);
  else found.warnings.push(`${fieldPath(at, key)}: unknown key, ignored${hint}`);
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isWithin(value: unknown, kind: IntegerKind): boolean {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= kind.low && value <= kind.high;
  return typeof value === "bigint" && value >= kind.min && value <= kind.max;
}

/** `at.key`, or `at["key"]` where the key is not a plain word. */
export function fieldPath(at: string, key: string): string {
  if (!/^[A-Za-z_][\w-]*$/.test(key)) return `${at}[${JSON.stringify(key)}]`;
  return at === "" ? key : `${at}.${key}`;
}

function wrong(found: Findings, at: string, expected: string, value: unknown): void {
  const hint =
    typeof value === "string" && /^-?\d+$/.test(value) && expected.startsWith("an integer")
      ? "; remove the quotes"
      : "";
  found.failures.push(`${at}: must be ${expected}, not ${describe(value)}${hint}`);
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  if (typeof value === "bigint") return String(value);
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
