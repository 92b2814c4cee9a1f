/** `lint`, `verify`, `doctor`: commands that judge and change nothing. */

import { InvalidArgument } from "@gantry/oci";
import { absolutePath, print } from "@gantry/sys";
import { loadSpec } from "../bundle.ts";
import { diagnose } from "../inspect/doctor.ts";
import { type Finding, lintSpec } from "../inspect/lint.ts";
import { verify as compare } from "../inspect/verify.ts";
import { silent } from "../log.ts";
import { prepare } from "../prepare.ts";
import { type Invocation, messageOf } from "./main.ts";

/** Status 1 when the bundle would be refused. */
export function lint({ flags, context }: Invocation): number {
  const bundle = absolutePath(flags.string("bundle") ?? ".");
  const findings: Finding[] = [];
  const log = { ...silent, warn: (text: string) => void findings.push({ level: "warning", text }) };
  try {
    prepare({ ...context, log }, { id: "lint", bundle, fifo: true });
  } catch (error) {
    const texts = error instanceof InvalidArgument && error.failures.length > 0 ? error.failures : [messageOf(error)];
    findings.push(...texts.map((text): Finding => ({ level: "error", text })));
  }
  if (!findings.some(({ text }) => text.includes("invalid JSON"))) findings.push(...readable(bundle));
  if (flags.bool("json")) print(`${JSON.stringify(findings, null, 2)}\n`);
  else for (const { level, text } of findings) print(`${level.padEnd(7)}  ${text}\n`);
  return findings.some(({ level }) => level === "error") ? 1 : 0;
}

/** Nothing can be said of what cannot even be read; that was said already. */
function readable(bundle: string): Finding[] {
  try {
    return lintSpec(loadSpec(bundle, silent));
  } catch {
    return [];
  }
}

/** Status 1 when something has drifted. */
export function verify({ flags, context }: Invocation): number {
  const drift = compare(context, flags.positional[0]!);
  if (flags.bool("json")) print(`${JSON.stringify(drift, null, 2)}\n`);
  else for (const line of drift) print(`${line}\n`);
  return drift.length > 0 ? 1 : 0;
}

export function doctor({ flags, context }: Invocation): number {
  const facts = diagnose(context.host);
  if (flags.bool("json")) print(`${JSON.stringify(facts, null, 2)}\n`);
  else
    for (const { state, name, value, effect } of facts)
      print(`${state.padEnd(7)}  ${name}: ${value}${effect ? ` (${effect})` : ""}\n`);
  return 0;
}
