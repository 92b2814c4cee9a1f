/** JSON with every digit of its integers. */

/** @returns any document, with integers that a number cannot hold as bigints. @throws InvalidArgument with line and column. */
export function readJson(text: string, file: string): unknown {
  const quick = LONG_INTEGER.test(text) ? undefined : tryJson(text);
  if (quick !== undefined) return quick;
  const { parseJson } = require("./json.ts") as typeof import("./json.ts");
  return parseJson(text, file);
}

/** The same way back. */
export function writeJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // there is a bigint in it
    const { stringifyJson } = require("./json.ts") as typeof import("./json.ts");
    return stringifyJson(value);
  }
}

/** 16 digits is where a number may stop being exact. */
export const LONG_INTEGER = /[:[,\s-]\d{16}/;

/** Undefined when the text is no JSON: our own parser says where. */
export function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
