/**
 * compile(spec, facts) → Plan: what the kernel is asked to do for a container, in order. Pure; nothing is looked up here.
 * The order is the specification's lifecycle (runtime.md) and, inside a step, what each operation still needs: names of
 * the host before the root changes, privileges before they are dropped, the filter last.
 */
import { hasNamespace, type Spec } from "@gantry/oci";
import { add, newPlan, type Plan } from "../plan/plan.ts";
import { SYNC } from "../plan/sync.ts";
import { makeDevices } from "./devices.ts";
import type { CompileOptions, Facts } from "./facts.ts";
import { containerHooks, wantsHooks } from "./hooks.ts";
import { mountAll } from "./mounts.ts";
import { joinOrCreateNamespaces, waitForCgroup } from "./namespaces.ts";
import { maskPaths, readonlyPaths } from "./paths.ts";
import { nameTheHost, prepareProcess, startProcess } from "./process.ts";
import { changeRoot, openRoot, sealRoot } from "./rootfs.ts";

/** @throws InvalidArgument naming the field that cannot be compiled. */
export function compile(spec: Spec, facts: Facts, options: CompileOptions): Plan {
  const plan = newPlan();
  plan.fifo = options.fifo;
  plan.cgroup = facts.bornInCgroup;
  joinOrCreateNamespaces(plan, spec, facts, options); // before any file is touched: ids must mean the same everywhere
  const isolated = hasNamespace(spec.linux, "mount");
  openRoot(plan, spec, facts, isolated);
  mountAll(plan, spec, facts);
  makeDevices(plan, spec, facts);
  // The network is usually plugged in here, by hooks that run outside.
  if (wantsHooks(spec)) {
    waitForCgroup(plan, facts); // hooks look for the container's control groups by its pid
    add(plan, "hooks", "sync", [SYNC.hooks, "the hooks of the runtime"]);
  }
  containerHooks(plan, spec, "createContainer", options, facts); // before the root changes: their paths are the host's
  changeRoot(plan, spec, facts, options, isolated);
  sealRoot(plan, spec, facts);
  nameTheHost(plan, spec);
  readonlyPaths(plan, spec);
  maskPaths(plan, spec);
  prepareProcess(plan, spec);
  add(plan, "process", "sync", [SYNC.ready, "the record of the container"]);
  startProcess(plan, spec, facts, options); // drops every privilege: nothing below may need one
  return plan;
}
