/** What CRIU's log says about a failure. */
import { readFileSync } from "node:fs";
import type { Log } from "../log.ts";

const CONTEXT = 5;

/**
 * Warns with the lines of the log that say "Error" and five before each, as `grep -n -B5 Error` shows them.
 *
 * @returns what CRIU failed at, or undefined when the log does not say.
 */
export function quoteErrors(file: string, log: Log): string | undefined {
  let lines: string[];
  try {
    lines = readFileSync(file, "latin1").split("\n");
  } catch (error) {
    log.warn((error as Error).message); // a configuration file may have sent it elsewhere
    return undefined;
  }
  const quoted = quoteLines(lines);
  if (quoted.length === 0) return undefined;
  log.warn(`--- Quoting "${file}"`);
  for (const line of quoted) log.warn(line);
  log.warn("---");
  return findReason(lines);
}

/** After the error that ends its work CRIU gives up step by step, and calls each step an error as well. */
const AFTERMATH = /FAILED|failed with -?\d|Killing processes because of failure|scripts failed/;
/** Errors so close together are one failure; what lies further back did not stop CRIU. */
const NEAR = 3;

/** The error that made CRIU give up, without the time and the process in front. */
export function findReason(lines: readonly string[]): string | undefined {
  const errors = [...lines.keys()].filter((i) => isError(lines[i]!));
  const aftermath = errors.findIndex((i) => AFTERMATH.test(lines[i]!));
  let at = aftermath > 0 ? aftermath - 1 : errors.length - 1;
  while (at > 0 && errors[at]! - errors[at - 1]! <= NEAR) at--;
  return lines[errors[at] ?? -1]?.replace(/^\([\d.]+\)\s*(\d+:\s*)?/, "").trim();
}

const isError = (line: string) => line.includes("Error");

/** `NUMBER:LINE` for each line that is shown, `...` for each gap. */
export function quoteLines(lines: readonly string[]): string[] {
  const out: string[] = [];
  let shown = 0;
  for (const [i, line] of lines.entries()) {
    if (!isError(line)) continue;
    const from = Math.max(shown, i - CONTEXT);
    if (shown > 0 && from > shown) out.push("...");
    for (let at = from; at <= i; at++) out.push(`${at + 1}:${lines[at]}`);
    shown = i + 1;
  }
  return out;
}
