/** The plan of an exec: joins the namespaces of a running container and becomes the program there. */
import { NAMESPACES, type Spec } from "@gantry/oci";
import { add, newPlan, type Plan } from "../plan/plan.ts";
import { ROLE, SYNC } from "../plan/sync.ts";
import type { Facts } from "./facts.ts";
import { execute, giveUpPrivileges, listMask, prepareProcess } from "./process.ts";

export interface ExecTarget {
  /** The container's first process. */
  readonly pid: number;
  readonly id: string;
  /** CLONE_NEW* of the namespaces to join. */
  readonly namespaces: number;
  readonly extraEnv: readonly string[];
}

const CPU = "process.execCPUAffinity";

/** @throws InvalidArgument naming the field that cannot be compiled. */
export function compileExec(spec: Spec, facts: Facts, target: ExecTarget): Plan {
  const process = spec.process!;
  const plan = newPlan();
  const oom = process.oomScoreAdj;
  if (oom !== undefined) add(plan, "process.oomScoreAdj", "write_file", ["/proc/self/oom_score_adj", String(oom), 0]);
  const { initial, final } = process.execCPUAffinity ?? {};
  if (initial) add(plan, `${CPU}.initial`, "affinity", [listMask(initial)]);
  // Nobody inside may look at us before we have given up what they may not have (CVE-2016-9962).
  add(plan, "linux.namespaces", "dumpable", [0]);
  if (facts.bornInCgroup || facts.bornInUnified) add(plan, "linux.cgroupsPath", "fork", [0, ROLE.intermediate, 1]);
  add(plan, "linux.namespaces", "setns_pid", [target.pid, target.namespaces]);
  if (target.namespaces & NAMESPACES.user.flag) add(plan, "linux.namespaces", "become_root", []);
  add(plan, "linux.namespaces", "fork", [0, ROLE.init, 0]);
  add(plan, "process", "setsid", []);
  if (!facts.bornInCgroup) add(plan, "linux.cgroupsPath", "sync", [SYNC.joined, "the control group"]);
  if (final) add(plan, `${CPU}.final`, "affinity", [listMask(final)]);
  else if (!initial) add(plan, "process", "affinity", [new Uint8Array(0)], { ignore: [1, 22] });
  add(plan, "process", "keyring", [`_ses.${target.id}`, 0, 1], { ignore: [38, 95] });
  if (process.terminal) {
    const size = process.consoleSize;
    add(plan, "process.terminal", "console", [size?.height ?? 0, size?.width ?? 0, 0]);
  }
  add(plan, "process.user.umask", "umask", [process.user?.umask ?? 0o022]);
  prepareProcess(plan, spec);
  add(plan, "process", "sync", [SYNC.ready, "the limits of the process"]);
  giveUpPrivileges(plan, spec, facts);
  execute(plan, spec, facts, target.extraEnv);
  return plan;
}
