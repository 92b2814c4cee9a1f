/** Text → `Spec`: syntax, types and ranges of every known field. What the values mean together is `validate`'s. */
import { check, type Findings } from "./check.ts";
import { InvalidArgument } from "./errors.ts";
import { LONG_INTEGER, tryJson } from "./exact.ts";
import type { Kind } from "./kinds.ts";
import { PROCESS, RESOURCES, SPEC } from "./schema.ts";
import type { Process, Spec } from "./spec.ts";
import type { Resources } from "./spec-linux.ts";

/**
 * Reads a config.json; runtime-spec, config.md.
 * @param file what to call the text in messages.
 * @returns the configuration, and as `warnings` the keys that were ignored, each with the nearest known name.
 * @throws InvalidArgument with every wrong field in `failures`, or the line and column where the JSON is broken.
 */
export function parseSpec(text: string, file: string): { spec: Spec; warnings: string[] } {
  const { value, warnings } = parse<Spec>(text, file, "", SPEC, (root, found) => dropEmptySeccomp(root, found));
  return { spec: value, warnings };
}

/** Reads the file of `exec --process`. Fields are named `process.…`. @throws InvalidArgument as `parseSpec`. */
export function parseProcess(text: string, file: string): { process: Process; warnings: string[] } {
  const { value, warnings } = parse<Process>(text, file, "process", PROCESS);
  return { process: value, warnings };
}

/** Reads the file of `update --resources`. Fields are named `linux.resources.…`. @throws InvalidArgument as `parseSpec`. */
export function parseResources(text: string, file: string): { resources: Resources; warnings: string[] } {
  const { value, warnings } = parse<Resources>(text, file, "linux.resources", RESOURCES);
  return { resources: value, warnings };
}

function parse<T>(
  text: string,
  file: string,
  at: string,
  kind: Kind,
  before?: (value: Record<string, unknown>, found: Findings) => void,
): { value: T; warnings: string[] } {
  // Numbers too long to be exact fail the check of their field; only then is the text read again, digit by digit.
  const quick = tryJson(text);
  if (quick !== undefined) {
    const result = checkDocument<T>(quick, text, file, at, kind, before);
    if (!(result instanceof InvalidArgument)) return result;
    if (!LONG_INTEGER.test(text)) throw result;
  }
  const { parseJson } = require("./json.ts") as typeof import("./json.ts");
  const exact = checkDocument<T>(parseJson(text, file), text, file, at, kind, before);
  if (exact instanceof InvalidArgument) throw exact;
  return exact;
}

/** @returns the value that is right, or what is wrong with it. */
function checkDocument<T>(
  value: unknown,
  text: string,
  file: string,
  at: string,
  kind: Kind,
  before?: (value: Record<string, unknown>, found: Findings) => void,
): { value: T; warnings: string[] } | InvalidArgument {
  if (value === null) return new InvalidArgument(`${file}: config cannot be null`);
  if (typeof value !== "object" || Array.isArray(value)) return new InvalidArgument(`${file}: must be a JSON object`);
  const found: Findings = { failures: [], warnings: [] };
  before?.(value as Record<string, unknown>, found);
  // A raw NUL is broken JSON already; the escape is looked for only where there can be one.
  check(value, kind, at, found, { nul: text.includes("\\u0000") });
  if (found.failures.length > 0) return new InvalidArgument(found.failures);
  return { value: value as T, warnings: found.warnings };
}

/** runc takes a filter without default action and rules for no filter. */
function dropEmptySeccomp(root: Record<string, unknown>, found: Findings): void {
  const linux = root.linux as { seccomp?: { defaultAction?: unknown; syscalls?: unknown } | null } | null | undefined;
  const seccomp = linux?.seccomp;
  if (typeof seccomp !== "object" || seccomp === null || Array.isArray(seccomp)) return;
  const rules = seccomp.syscalls;
  if ((seccomp.defaultAction ?? "") !== "" || (rules !== undefined && rules !== null && !isEmptyArray(rules))) return;
  delete linux!.seccomp;
  found.warnings.push("linux.seccomp: no defaultAction and no rules: no filter is installed");
}

function isEmptyArray(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
