/**
 * Reads `linux.seccomp` into rules that no longer depend on its spelling: actions become return values, arguments
 * conditions on two 32-bit words. What is wrong is named by its field; what is merely odd becomes a warning.
 */
import {
  InvalidArgument,
  SECCOMP_ACTIONS,
  SECCOMP_ARCHES,
  SECCOMP_OPERATORS,
  type Seccomp,
  type SeccompArg,
  type SeccompSyscall,
} from "@gantry/oci";
import { archFacts, type SeccompArch } from "./arches.ts";
import type { SeccompFacts } from "./facts.ts";

/** `MASKED_EQ` is `EQ` with a mask; all others have a full one. Values are already masked. */
export interface Condition {
  readonly index: number;
  readonly op: "NE" | "LT" | "LE" | "EQ" | "GE" | "GT";
  readonly maskHigh: number;
  readonly maskLow: number;
  readonly high: number;
  readonly low: number;
}

/** `alternatives` are or-ed, the conditions of each are and-ed; no alternative: always. */
export interface Rule {
  /** `linux.seccomp.syscalls[3]` */
  readonly where: string;
  readonly names: readonly string[];
  /** What the filter returns, `SECCOMP_RET_*` with its data. */
  readonly returns: number;
  readonly alternatives: readonly (readonly Condition[])[];
}

export interface Profile {
  readonly where: string;
  readonly defaultReturn: number;
  readonly rules: readonly Rule[];
  /** The native one first, then those listed. */
  readonly arches: readonly SeccompArch[];
  readonly notify: boolean;
}

const ACTION_MASK = 0xffff0000;
const ERRNO = 0x00050000;
const EPERM = 1;
const MAX_ERRNO = 4095;
/** The most that a rule may have: seccomp_data holds six arguments. */
const ARGUMENTS = 6;

/** Action → its word in /proc/sys/kernel/seccomp/actions_avail. */
const KERNEL_WORDS: Readonly<Record<keyof typeof SECCOMP_ACTIONS, string>> = {
  SCMP_ACT_KILL: "kill_thread",
  SCMP_ACT_KILL_THREAD: "kill_thread",
  SCMP_ACT_KILL_PROCESS: "kill_process",
  SCMP_ACT_TRAP: "trap",
  SCMP_ACT_ERRNO: "errno",
  SCMP_ACT_TRACE: "trace",
  SCMP_ACT_ALLOW: "allow",
  SCMP_ACT_LOG: "log",
  SCMP_ACT_NOTIFY: "user_notif",
};

/** @throws InvalidArgument naming the field. */
export function readProfile(seccomp: Seccomp, facts: SeccompFacts, where: string, warnings: string[]): Profile {
  const { defaultAction, defaultErrnoRet } = seccomp;
  const defaultReturn = returnValue(defaultAction, defaultErrnoRet, facts, where, warnings, {
    action: "defaultAction",
    errno: "defaultErrnoRet",
  });
  if (defaultAction === "SCMP_ACT_NOTIFY")
    throw new InvalidArgument(`${where}.defaultAction: SCMP_ACT_NOTIFY cannot be used as default action`);
  const syscalls = seccomp.syscalls ?? [];
  const rules = syscalls.map((syscall, i) => readRule(syscall, facts, `${where}.syscalls[${i}]`, warnings));
  const notifier = syscalls.findIndex(({ action, names }) => action === "SCMP_ACT_NOTIFY" && names?.length > 0);
  if (notifier >= 0 && !seccomp.listenerPath)
    throw new InvalidArgument(
      `${where}.listenerPath: seccomp listenerPath is not set, but syscalls[${notifier}] uses SCMP_ACT_NOTIFY`,
    );
  const arches = readArches(seccomp.architectures ?? [], facts.arch, `${where}.architectures`);
  return { where, defaultReturn, rules, arches, notify: notifier >= 0 };
}

function readRule(syscall: SeccompSyscall, facts: SeccompFacts, where: string, warnings: string[]): Rule {
  const fields = { action: "action", errno: "errnoRet" };
  const returns = returnValue(syscall.action, syscall.errnoRet, facts, where, warnings, fields);
  const names = syscall.names ?? [];
  const nameless = names.indexOf("");
  if (nameless >= 0)
    throw new InvalidArgument(`${where}.names[${nameless}]: an empty string is not a valid system call`);
  // The launcher still has to report with it after the filter is in.
  if (syscall.action === "SCMP_ACT_NOTIFY" && names.includes("write"))
    throw new InvalidArgument(
      `${where}.names[${names.indexOf("write")}]: SCMP_ACT_NOTIFY cannot be used for the write syscall`,
    );
  const alternatives = readAlternatives(syscall.args ?? [], where, warnings);
  return { where, names, returns, alternatives };
}

/** Action and errno → the 32 bits that the filter returns. */
function returnValue(
  action: string,
  errno: number | undefined,
  facts: SeccompFacts,
  where: string,
  warnings: string[],
  field: { readonly action: string; readonly errno: string },
): number {
  if (!isKeyOf(SECCOMP_ACTIONS, action))
    throw unknownWord(`${where}.${field.action}`, "action", action, SECCOMP_ACTIONS);
  if (facts.actions !== undefined && !facts.actions.includes(KERNEL_WORDS[action]))
    throw unsupported(action, where, field);
  const { value, errno: takesErrno } = SECCOMP_ACTIONS[action];
  if (errno === undefined || errno === null) return takesErrno ? value | EPERM : value;
  const at = `${where}.${field.errno}`;
  if (!Number.isInteger(errno) || errno < 0) throw new InvalidArgument(`${at}: ${errno} is not an errno`);
  if (!takesErrno) {
    warnings.push(`${at}: ignored, ${action} takes no errno`);
    return value;
  }
  // The kernel leaves 16 bits for data, and returns nothing above 4095 as an error.
  const data = errno % 0x10000;
  if (value !== ERRNO || data <= MAX_ERRNO) return value | data;
  warnings.push(`${at}: ${errno} is above the largest errno; the kernel returns ${MAX_ERRNO}`);
  return value | MAX_ERRNO;
}

function unsupported(action: string, where: string, field: { readonly action: string }): InvalidArgument {
  const at = `${where}.${field.action}`;
  if (action === "SCMP_ACT_NOTIFY")
    return new InvalidArgument(
      `${at}: seccomp notify unsupported: the kernel lacks the action user_notif (it came with Linux 5.0)`,
    );
  return new InvalidArgument(`${at}: the kernel does not support ${action}`);
}

/** Conditions on different arguments are and-ed; as soon as two share one, each stands alone, as libseccomp's users expect. */
function readAlternatives(args: readonly SeccompArg[], where: string, warnings: string[]): Condition[][] {
  if (args.length === 0) return [];
  const conditions = args.map((arg, i) => readCondition(arg, `${where}.args[${i}]`, warnings));
  const indexes = new Set(conditions.map(({ index }) => index));
  if (indexes.size === conditions.length) return [conditions.sort((a, b) => a.index - b.index)];
  warnings.push(
    `${where}.args: two conditions on one argument: each of the ${args.length} conditions matches by itself`,
  );
  return conditions.map((condition) => [condition]);
}

function readCondition(arg: SeccompArg, where: string, warnings: string[]): Condition {
  const { index = 0, op } = arg;
  if (!Number.isInteger(index) || index < 0 || index >= ARGUMENTS)
    throw new InvalidArgument(`${where}.index: ${index} is out of range; a system call has the arguments 0 to 5`);
  if (!SECCOMP_OPERATORS.includes(op)) throw unknownWord(`${where}.op`, "operator", op, SECCOMP_OPERATORS);
  const [valueHigh, valueLow] = words(arg.value ?? 0, `${where}.value`);
  if (op !== "SCMP_CMP_MASKED_EQ") {
    const name = op.slice("SCMP_CMP_".length) as Condition["op"];
    return { index, op: name, maskHigh: 0xffffffff, maskLow: 0xffffffff, high: valueHigh, low: valueLow };
  }
  const [high, low] = words(arg.valueTwo ?? 0, `${where}.valueTwo`);
  if ((high & ~valueHigh) !== 0 || (low & ~valueLow) !== 0)
    warnings.push(`${where}.valueTwo: the bits outside the mask in "value" are ignored`);
  return {
    index,
    op: "EQ",
    maskHigh: valueHigh,
    maskLow: valueLow,
    high: (high & valueHigh) >>> 0,
    low: (low & valueLow) >>> 0,
  };
}

/** A uint64 as its high and low word. */
function words(value: number | bigint, where: string): [number, number] {
  if (typeof value === "bigint" && value >= 0n && value < 1n << 64n)
    return [Number(value >> 32n), Number(value & 0xffffffffn)];
  if (Number.isSafeInteger(value) && (value as number) >= 0)
    return [Math.floor((value as number) / 0x100000000), (value as number) >>> 0];
  throw new InvalidArgument(`${where}: ${value} is not an unsigned 64-bit integer`);
}

function readArches(listed: readonly string[], native: SeccompArch, where: string): SeccompArch[] {
  const arches = new Set([native]);
  const { bigEndian } = archFacts(native);
  for (const [i, arch] of listed.entries()) {
    if (!isKeyOf(SECCOMP_ARCHES, arch)) throw unknownWord(`${where}[${i}]`, "architecture", arch, SECCOMP_ARCHES);
    if (archFacts(arch).bigEndian !== bigEndian)
      throw new InvalidArgument(`${where}[${i}]: ${arch} has another byte order than this machine (${native})`);
    arches.add(arch);
  }
  return [...arches];
}

function isKeyOf<T extends object>(table: T, key: unknown): key is keyof T & string {
  return typeof key === "string" && Object.hasOwn(table, key);
}

function unknownWord(where: string, kind: string, word: unknown, known: object): InvalidArgument {
  const names = Array.isArray(known) ? known : Object.keys(known);
  return new InvalidArgument(
    `${where}: ${JSON.stringify(word ?? "")} is not a valid ${kind}; known: ${names.join(", ")}`,
  );
}

/** Do calls with this result reach the kernel, or a tracer that decides? */
export function letsThrough(returns: number): boolean {
  const action = (returns & ACTION_MASK) >>> 0;
  return (
    action === SECCOMP_ACTIONS.SCMP_ACT_ALLOW.value ||
    action === SECCOMP_ACTIONS.SCMP_ACT_LOG.value ||
    action === SECCOMP_ACTIONS.SCMP_ACT_TRACE.value
  );
}
