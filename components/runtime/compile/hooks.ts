/** Hooks that run in the container's namespaces; those of the runtime's are run by the runtime. config.md, "POSIX-platform Hooks". */
import type { Hook, Spec, Status } from "@gantry/oci";
import { add, type Plan } from "../plan/plan.ts";
import { environment } from "./environment.ts";
import type { CompileOptions, Facts } from "./facts.ts";

/** True when the launcher must stop for the runtime before its own hooks: to run some, or to be told its pid. */
export function wantsHooks({ hooks }: Spec): boolean {
  return [hooks?.prestart, hooks?.createRuntime, hooks?.createContainer, hooks?.startContainer].some(
    (list) => list?.length,
  );
}

export function containerHooks(
  plan: Plan,
  spec: Spec,
  phase: "createContainer" | "startContainer",
  { id }: CompileOptions,
  facts: Facts,
): void {
  const hooks = spec.hooks?.[phase] ?? [];
  if (hooks.length === 0) return;
  const status = phase === "createContainer" ? "creating" : "created";
  const [before, after] = stateAround(spec, id, status, facts.bundle);
  if (phase === "createContainer") add(plan, "hooks.createContainer", "chdir", ["", 4]);
  for (const [i, hook] of hooks.entries()) {
    const env = hook.env ?? (phase === "startContainer" ? environment(spec.process?.env ?? [], [], facts.home) : []);
    add(plan, `hooks.${phase}[${i}]`, "hook", [
      hook.path,
      hookArguments(hook),
      env,
      before,
      after,
      (hook.timeout ?? 0) * 1000,
    ]);
  }
}

export function hookArguments(hook: Hook): readonly string[] {
  return hook.args?.length ? hook.args : [hook.path];
}

/** The state document, cut where the pid stands, which is not known yet. */
function stateAround(spec: Spec, id: string, status: Status, bundle: string): [Uint8Array, Uint8Array] {
  const mark = 987654321;
  const { ociVersion, annotations } = spec;
  const text = JSON.stringify({ ociVersion, id, status, pid: mark, bundle, ...(annotations && { annotations }) });
  const at = text.indexOf(`"pid":${mark}`) + 6;
  const encoder = new TextEncoder();
  return [encoder.encode(text.slice(0, at)), encoder.encode(text.slice(at + String(mark).length))];
}
