/** What the process is and may do; runtime-spec, config.md, "Process". Steps 24 to 37 of a start, in order. */
import {
  InvalidArgument,
  IOPRIO_CLASSES,
  MEMORY_POLICY_FLAGS,
  MEMORY_POLICY_MODES,
  PERSONALITY_DOMAINS,
  type Process,
  parseIdList,
  SCHEDULER_FLAGS,
  SCHEDULER_POLICIES,
  type Scheduler,
  type Seccomp,
  type Spec,
  sysctlPath,
} from "@gantry/oci";
import { add, type Plan } from "../plan/plan.ts";
import { SYNC } from "../plan/sync.ts";
import { compileSeccomp } from "../seccomp/index.ts";
import { capabilityMasks } from "./capabilities.ts";
import { environment } from "./environment.ts";
import type { CompileOptions, Facts } from "./facts.ts";
import { containerHooks } from "./hooks.ts";

export function nameTheHost(plan: Plan, spec: Spec): void {
  if (spec.hostname) add(plan, "hostname", "hostname", [spec.hostname]);
  if (spec.domainname) add(plan, "domainname", "domainname", [spec.domainname]);
  for (const [name, value] of Object.entries(spec.linux?.sysctl ?? {}))
    add(plan, `linux.sysctl.${name}`, "sysctl", [sysctlPath(name)!, value]);
}

/** What still needs the privileges of the runtime, or must be inherited. */
export function prepareProcess(plan: Plan, spec: Spec): void {
  const process = spec.process;
  if (process) restrictProcess(plan, process);
  const { personality, memoryPolicy } = spec.linux ?? {};
  if (personality) add(plan, "linux.personality", "personality", [PERSONALITY_DOMAINS[personality.domain]]);
  if (memoryPolicy) setMemoryPolicy(plan, memoryPolicy.mode, memoryPolicy.flags ?? [], memoryPolicy.nodes ?? "");
}

export function restrictProcess(plan: Plan, process: Process): void {
  if (process.noNewPrivileges) add(plan, "process.noNewPrivileges", "no_new_privs", []);
  if (process.scheduler) add(plan, "process.scheduler", "scheduler", [schedulerAttributes(process.scheduler)]);
  const priority = process.ioPriority;
  if (priority)
    add(plan, "process.ioPriority", "io_priority", [(IOPRIO_CLASSES[priority.class] << 13) | (priority.priority ?? 0)]);
}

/** struct sched_attr; sched_setattr(2). */
function schedulerAttributes(scheduler: Scheduler): Uint8Array {
  const view = new DataView(new ArrayBuffer(48));
  let flags = 0;
  for (const name of scheduler.flags ?? []) flags |= SCHEDULER_FLAGS[name as keyof typeof SCHEDULER_FLAGS];
  view.setUint32(0, 48, true);
  view.setUint32(4, SCHEDULER_POLICIES[scheduler.policy], true);
  view.setBigUint64(8, BigInt(flags), true);
  view.setInt32(16, scheduler.nice ?? 0, true);
  view.setUint32(20, scheduler.priority ?? 0, true);
  view.setBigUint64(24, BigInt(scheduler.runtime ?? 0), true);
  view.setBigUint64(32, BigInt(scheduler.deadline ?? 0), true);
  view.setBigUint64(40, BigInt(scheduler.period ?? 0), true);
  return new Uint8Array(view.buffer);
}

function setMemoryPolicy(plan: Plan, mode: string, flags: readonly string[], nodes: string): void {
  let value: number = MEMORY_POLICY_MODES[mode as keyof typeof MEMORY_POLICY_MODES].mode;
  for (const flag of flags) value |= MEMORY_POLICY_FLAGS[flag as keyof typeof MEMORY_POLICY_FLAGS];
  add(plan, "linux.memoryPolicy", "memory_policy", [value, listMask(nodes)]);
}

/** A list such as `0-3,7` as a bit mask of whole 8-byte words; empty for an empty list. */
export function listMask(list: string): Uint8Array {
  const parsed = parseIdList(list);
  if (typeof parsed === "string") throw new InvalidArgument(`"${list}": ${parsed}`);
  if (parsed.count === 0) return new Uint8Array(0);
  const mask = new Uint8Array((Math.floor(parsed.max / 64) + 1) * 8);
  for (const { first, last } of parsed.ranges) for (let n = first; n <= last; n++) mask[n >> 3]! |= 1 << (n & 7);
  return mask;
}

/** From here on the process gives up what it has, step by step, and becomes the program. */
export function startProcess(plan: Plan, spec: Spec, facts: Facts, options: CompileOptions): void {
  giveUpPrivileges(plan, spec, facts);
  if (options.fifo) add(plan, "process", "fifo_wait", []);
  containerHooks(plan, spec, "startContainer", options, facts);
  if (spec.annotations?.["org.gantry.init"] === "true") add(plan, "annotations", "init", []);
  execute(plan, spec, facts, options.extraEnv);
}

/** The last steps that a container's first process and an exec have in common. */
export function giveUpPrivileges(plan: Plan, spec: Spec, facts: Facts): void {
  const process = spec.process!;
  const filter = spec.linux?.seccomp;
  labelProcess(plan, process, facts);
  add(plan, "process", "close_tools", []);
  // Without no_new_privs only an administrator may install a filter, and that is over in a moment.
  if (filter && !process.noNewPrivileges) installFilter(plan, filter, facts);
  becomeUser(plan, process, spec, facts);
  findProgram(plan, process);
  if (filter && process.noNewPrivileges) installFilter(plan, filter, facts);
  add(plan, "process", "sync", [SYNC.done, "the end of the set-up"]);
}

export function execute(plan: Plan, { process }: Spec, facts: Facts, extraEnv: readonly string[]): void {
  const env = environment(process?.env ?? [], extraEnv, facts.home);
  add(plan, "process.args", "exec", [process?.args ?? [], env]);
}

function labelProcess(plan: Plan, process: Process, facts: Facts): void {
  if (process.apparmorProfile && facts.apparmor)
    add(plan, "process.apparmorProfile", "apparmor", [process.apparmorProfile]);
  if (process.selinuxLabel && facts.selinux) add(plan, "process.selinuxLabel", "selinux_exec", [process.selinuxLabel]);
}

function installFilter(plan: Plan, seccomp: Seccomp, facts: Facts): void {
  const filter = compileSeccomp(seccomp, facts.seccomp);
  if (filter) add(plan, "linux.seccomp", "seccomp", [filter.flags, filter.program, filter.notify ? 1 : 0]);
}

const EACCES_LATER = 1;
const AFTER_REFUSAL = 2;

function becomeUser(plan: Plan, process: Process, spec: Spec, facts: Facts): void {
  const uid = process.user?.uid ?? 0;
  const gid = process.user?.gid ?? 0;
  const cwd = process.cwd;
  const masks = capabilityMasks(process.capabilities, facts, spec);
  add(plan, "process.cwd", "chdir", [cwd, EACCES_LATER]);
  add(plan, "process.capabilities.bounding", "bounding", [masks.bounding]);
  add(plan, "process.user", "keep_caps", [1]);
  if (!process.terminal || uid !== 0) add(plan, "process.user.uid", "chown_fds", [uid]);
  const groups = process.user?.additionalGids ?? [];
  const bytes = new Uint8Array(new Uint32Array(groups).buffer);
  add(plan, "process.user", "set_user", [uid, gid, bytes, setgroupsFlags(spec, facts)]);
  add(plan, "process.cwd", "chdir", [cwd, AFTER_REFUSAL]);
  add(plan, "process.cwd", "cwd_inside", []);
  add(plan, "process.user", "keep_caps", [0]);
  add(plan, "process.capabilities", "capabilities", [masks.effective, masks.permitted, masks.inheritable]);
  add(plan, "process.capabilities.ambient", "ambient", [masks.ambient]);
}

const DENIED = 1;
const PERHAPS_DENIED = 2;

/**
 * user_namespaces(7): an unprivileged process that maps its own group alone gave up setgroups(2); whether the maker of a
 * namespace that is joined did, shows only in there.
 */
function setgroupsFlags(spec: Spec, facts: Facts): number {
  const { gidMappings, namespaces } = spec.linux ?? {};
  const alone = gidMappings?.length === 1 && gidMappings[0]!.size === 1;
  if (facts.rootless && (facts.setgroupsDenied || alone)) return DENIED;
  return namespaces?.some(({ type, path }) => type === "user" && path) ? PERHAPS_DENIED : 0;
}

function findProgram(plan: Plan, process: Process): void {
  const name = process.args?.[0] ?? "";
  let path = "";
  for (const entry of process.env ?? []) if (entry.startsWith("PATH=")) path = entry.slice(5);
  add(plan, "process.args[0]", "find_program", [name, path === "" ? [] : path.split(":"), path]);
}
