/** How the checks of this folder say what they found. */
import type { Findings } from "../check.ts";

export type { Findings };

/** `field: text`, or the text alone when it is about the whole document. */
export function fail(to: Findings, field: string, text: string): void {
  to.failures.push(field === "" ? text : `${field}: ${text}`);
}

export function warn(to: Findings, field: string, text: string): void {
  to.warnings.push(`${field}: ${text}`);
}

/** `; did you mean "…"?`, or nothing when no known name is near. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const { nearest } = require("../suggest.ts") as typeof import("../suggest.ts");
  const near = nearest(name, known);
  return near === undefined ? "" : `; did you mean "${near}"?`;
}

/** Fails with `text(name)` and a suggestion when `name` is not a key of `table`. @returns if it is one. */
export function isNameOf<T extends object>(
  to: Findings,
  field: string,
  name: string | undefined,
  table: T,
  text: (name: string) => string,
): name is Extract<keyof T, string> {
  if (name !== undefined && Object.hasOwn(table, name)) return true;
  fail(to, field, text(name ?? "") + didYouMean(name ?? "", Object.keys(table)));
  return false;
}

/** As `isNameOf`, with a list in place of a table. */
export function isOneOf(
  to: Findings,
  field: string,
  name: string,
  list: readonly string[],
  text: (name: string) => string,
): void {
  if (!list.includes(name)) fail(to, field, text(name) + didYouMean(name, list));
}

/** If `text` has more than `bytes` bytes. `Buffer`, 0.2 ms when first touched, is asked only where it can be. */
export function isLonger(text: string, bytes: number): boolean {
  return text.length * 3 > bytes && Buffer.byteLength(text) > bytes;
}
