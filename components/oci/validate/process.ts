/** config.md, "Process" and its Linux parts. */
import { parseIdList } from "../lists.ts";
import {
  CAPABILITIES,
  CAPABILITY_SETS,
  IOPRIO_CLASSES,
  RLIMITS,
  SCHEDULER_FLAGS,
  SCHEDULER_POLICIES,
} from "../names.ts";
import type { Capabilities, Process, Rlimit, Scheduler, Spec, User } from "../spec.ts";
import type { IDMapping } from "../spec-linux.ts";
import type { ValidationFacts } from "../validate.ts";
import { didYouMean, type Findings, fail, isNameOf, warn } from "./findings.ts";
import { isMapped, userMappings } from "./mappings.ts";

export function checkProcess(process: Process, spec: Spec, facts: ValidationFacts, to: Findings): void {
  checkCommand(process, to);
  if (process.user !== undefined) checkUser(process.user, spec, facts, to);
  if (process.capabilities !== undefined) checkCapabilities(process.capabilities, facts, to);
  checkRlimits(process.rlimits ?? [], to);
  checkLabels(process, facts, to);
  const score = process.oomScoreAdj;
  if (score !== undefined && (score < -1000 || score > 1000))
    fail(to, "process.oomScoreAdj", `must be from -1000 to 1000, not ${score}`);
  if (process.scheduler !== undefined) checkScheduler(process.scheduler, to);
  checkIoPriority(process, to);
  for (const [field, name] of [
    ["initial", "Initial"],
    ["final", "Final"],
  ] as const) {
    const list = parseIdList(process.execCPUAffinity?.[field] ?? "");
    if (typeof list === "string") fail(to, `process.execCPUAffinity.${field}`, `bad CPUAffinity.${name}: ${list}`);
  }
}

function checkCommand({ args = [], env = [], cwd }: Process, to: Findings): void {
  if (cwd === undefined || cwd === "") fail(to, "process.cwd", "Cwd property must not be empty");
  else if (!cwd.startsWith("/")) fail(to, "process.cwd", `Cwd must be an absolute path, not "${cwd}"`);
  if (args.length === 0) fail(to, "process.args", "args must not be empty");
  else if (args[0] === "") fail(to, "process.args[0]", 'exec: "": executable file not found in $PATH');
  for (let i = 0; i < env.length; i++) {
    const equals = env[i]!.indexOf("=");
    if (equals > 0) continue;
    const what = equals === 0 ? "name cannot be empty" : `missing '=' in "${env[i]}"`;
    fail(to, `process.env[${i}]`, `invalid environment variable: ${what}`);
  }
}

function checkUser(user: User, spec: Spec, facts: ValidationFacts, to: Findings): void {
  const gids = user.additionalGids ?? [];
  if (facts.rootless && gids.length > 0)
    fail(to, "process.user.additionalGids", "cannot set any additional groups in a rootless container");
  if ((user.umask ?? 0) > 0o777)
    warn(to, "process.user.umask", `0${user.umask!.toString(8)}: bits beyond 0777 have no effect; is it decimal?`);
  const maps = userMappings(spec, facts);
  if (maps === undefined) return;
  const { uid = 0, gid = 0 } = user;
  if (!isMapped(uid, maps.uid)) fail(to, "process.user.uid", `cannot setuid to unmapped uid ${uid} in user namespace`);
  checkGid("process.user.gid", gid, maps.gid, to);
  for (const [i, extra] of gids.entries()) checkGid(`process.user.additionalGids[${i}]`, extra, maps.gid, to);
}

function checkGid(field: string, gid: number, map: readonly IDMapping[], to: Findings): void {
  if (!isMapped(gid, map)) fail(to, field, `cannot setgid to unmapped gid ${gid} in user namespace`);
}

const CAPABILITY_NUMBERS: ReadonlyMap<string, number> = new Map(CAPABILITIES.map((name, number) => [name, number]));

/** One that the kernel cannot grant is a warning, not an error: config.md, "capabilities". */
function checkCapabilities(capabilities: Capabilities, facts: ValidationFacts, to: Findings): void {
  const last = facts.lastCapability ?? CAPABILITIES.length;
  for (const set of CAPABILITY_SETS) {
    const unknown = (capabilities[set] ?? []).filter((name) => !((CAPABILITY_NUMBERS.get(name) ?? 999) <= last));
    if (unknown.length === 0) continue;
    const near = unknown.map((name) => didYouMean(name, CAPABILITIES)).find((hint) => hint !== "") ?? "";
    const text = `ignoring unknown or unavailable capabilities: [${unknown.join(" ")}]${near}`;
    warn(to, `process.capabilities.${set}`, text);
  }
}

function checkRlimits(rlimits: readonly Rlimit[], to: Findings): void {
  const seen = new Set<string>();
  for (const [i, { type, soft, hard }] of rlimits.entries()) {
    const at = `process.rlimits[${i}]`;
    if (!isNameOf(to, `${at}.type`, type, RLIMITS, (name) => `wrong rlimit value: ${name}`)) continue;
    if (seen.has(type)) fail(to, `${at}.type`, `${type} is given twice`);
    seen.add(type);
    if (soft > hard) fail(to, `${at}.soft`, `${soft} is greater than the hard limit ${hard}`);
  }
}

function checkLabels({ selinuxLabel, apparmorProfile }: Process, facts: ValidationFacts, to: Findings): void {
  if (selinuxLabel && facts.selinux === false)
    fail(to, "process.selinuxLabel", "selinux label is specified in config, but selinux is disabled or not supported");
  if (apparmorProfile && facts.apparmor === false)
    fail(to, "process.apparmorProfile", "apparmor: config provided but apparmor not supported");
}

/** sched_setattr(2): which of the values goes with which policy. */
function checkScheduler(s: Scheduler, to: Findings): void {
  const at = "process.scheduler";
  const text = (name: string) => (name ? `invalid scheduler policy: ${name}` : "scheduler policy is required");
  if (!isNameOf(to, `${at}.policy`, s.policy, SCHEDULER_POLICIES, text)) return;
  for (const [i, flag] of s.flags?.entries() ?? [])
    isNameOf(to, `${at}.flags[${i}]`, flag, SCHEDULER_FLAGS, (name) => `invalid scheduler flag: ${name}`);

  const { policy, nice = 0, priority = 0 } = s;
  if ((policy === "SCHED_OTHER" || policy === "SCHED_BATCH") && (nice < -20 || nice > 19))
    fail(
      to,
      `${at}.nice`,
      `invalid scheduler.nice: ${nice} when scheduler.policy is ${policy}; must be from -20 to 19`,
    );
  if (policy === "SCHED_FIFO" || policy === "SCHED_RR") {
    if (priority < 1 || priority > 99)
      fail(to, `${at}.priority`, `must be from 1 to 99 with ${policy}, not ${priority}`);
  } else if (priority !== 0) {
    fail(to, `${at}.priority`, "scheduler.priority can only be specified for SchedFIFO or SchedRR policy");
  }
  checkDeadline(s, to);
}

function checkDeadline({ policy, runtime = 0, deadline = 0, period = 0 }: Scheduler, to: Findings): void {
  const at = "process.scheduler";
  if (policy !== "SCHED_DEADLINE") {
    if (runtime || deadline || period)
      fail(to, at, "scheduler runtime/deadline/period can only be specified for SchedDeadline policy");
    return;
  }
  if (runtime < 1024) fail(to, `${at}.runtime`, `must be at least 1024 ns, not ${runtime}`);
  if (deadline < runtime) fail(to, `${at}.deadline`, `must not be less than the runtime ${runtime}, not ${deadline}`);
  if (period && period < deadline)
    fail(to, `${at}.period`, `must not be less than the deadline ${deadline}, not ${period}`);
}

function checkIoPriority({ ioPriority }: Process, to: Findings): void {
  if (ioPriority === undefined) return;
  const { class: name, priority = 0 } = ioPriority;
  isNameOf(to, "process.ioPriority.class", name, IOPRIO_CLASSES, (name) => `invalid ioPriority.Class: "${name}"`);
  if (priority < 0 || priority > 7)
    fail(to, "process.ioPriority.priority", `invalid ioPriority.Priority: ${priority}; must be from 0 to 7`);
}
