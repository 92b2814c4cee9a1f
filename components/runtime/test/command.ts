/** Calls the command line as a program of its own. */
import { join } from "node:path";

/** argv of our runc. `GANTRY` names an executable to test instead of the sources. */
export const RUNC: readonly string[] = process.env["GANTRY"]
  ? [process.env["GANTRY"], "runc"]
  : [process.execPath, join(import.meta.dir, "../../../gantry/main.ts"), "runc"];

export interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. A process that died of a signal has status 128 + signal, as in a shell. */
export function runc(
  args: readonly string[],
  options: { readonly stdin?: string; readonly cwd?: string; readonly env?: Record<string, string> } = {},
): Result {
  const result = Bun.spawnSync([...RUNC, ...args], {
    stdin: options.stdin === undefined ? "ignore" : Buffer.from(options.stdin),
    stdout: "pipe",
    stderr: "pipe",
    ...(options.cwd && { cwd: options.cwd }),
    ...(options.env && { env: { ...process.env, ...options.env } }),
    timeout: 60_000,
  });
  return { status: result.exitCode, stdout: result.stdout.toString(), stderr: result.stderr.toString() };
}
