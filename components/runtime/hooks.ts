/** Hooks that run in the runtime's namespaces; runtime-spec, config.md, "POSIX-platform Hooks". */
import type { Hook, Spec, Status } from "@gantry/oci";
import { hookArguments } from "./compile/hooks.ts";
import type { Log } from "./log.ts";

export type RuntimeHookPhase = "prestart" | "createRuntime" | "poststart" | "poststop";

export interface HookContext {
  readonly id: string;
  readonly bundle: string;
  readonly pid: number;
  readonly status: Status;
}

/** The document that a hook reads on its standard input. */
export function hookDocument(spec: Spec, context: HookContext): string {
  const { ociVersion, annotations } = spec;
  const { id, status, pid, bundle } = context;
  return JSON.stringify({
    ociVersion,
    id,
    status,
    ...(pid > 0 && { pid }),
    bundle,
    ...(annotations && { annotations }),
  });
}

/** Runs the hooks of a phase in order. @throws Error naming the phase, the index and what the hook said, at the first failure. */
export function runHooks(spec: Spec, phase: RuntimeHookPhase, context: HookContext): void {
  for (const [i, hook] of (spec.hooks?.[phase] ?? []).entries())
    runHook(hook, `${phase} hook #${i}`, hookDocument(spec, context), context.bundle);
}

/** runtime.md, lifecycle step 13: every poststop hook runs; a failure is only told. */
export function runPoststop(spec: Spec, context: HookContext, log: Log): void {
  for (const [i, hook] of (spec.hooks?.poststop ?? []).entries()) {
    try {
      runHook(hook, `poststop hook #${i}`, hookDocument(spec, context), context.bundle);
    } catch (error) {
      log.warn(error instanceof Error ? error.message : String(error));
    }
  }
}

function runHook(hook: Hook, name: string, input: string, cwd: string): void {
  const { spawnSync } = require("node:child_process") as typeof import("node:child_process");
  const [argv0, ...args] = hookArguments(hook);
  const env: Record<string, string> = {};
  for (const entry of hook.env ?? []) env[entry.slice(0, entry.indexOf("="))] = entry.slice(entry.indexOf("=") + 1);
  const timeout = hook.timeout ? hook.timeout * 1000 : undefined;
  const result = spawnSync(hook.path, args, {
    argv0: argv0!,
    input,
    env,
    cwd,
    timeout,
    killSignal: "SIGKILL",
    encoding: "utf8",
  });
  const code = result.error && "code" in result.error ? result.error.code : undefined;
  if (code === "ETIMEDOUT")
    throw new Error(`error running ${name}: hook ran past specified timeout of ${hook.timeout}.0s`);
  if (result.error && code !== "EPIPE") throw new Error(`error running ${name}: ${hook.path}: ${result.error.message}`);
  if (result.status === 0) return;
  const how = result.signal ? `signal: ${result.signal}` : `exit status ${result.status}`;
  throw new Error(`error running ${name}: ${how}, stdout: ${result.stdout.trim()}, stderr: ${result.stderr.trim()}`);
}
