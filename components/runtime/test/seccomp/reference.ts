/**
 * What a profile means, said as directly as possible: for one call at a time, rule by rule, with 64-bit integers.
 * The compiler is right when its programs agree with this for every call.
 */
import { SECCOMP_ACTIONS, SECCOMP_ARCHES, type Seccomp, type SeccompArg, type SeccompSyscall } from "@gantry/oci";
import { archFacts, type SeccompArch } from "../../seccomp/arches.ts";
import { sinceRelease } from "../../seccomp/since.ts";
import { type SyscallTable, syscallTable } from "../../seccomp/syscalls.ts";
import type { Call } from "./interpreter.ts";

const X32_BIT = 0x40000000;
const KILL_THREAD = 0;
/** The first name of what ARM and the kernel call sync_file_range2 too. */
const ARM_NAME = "arm_sync_file_range";
const SOCKETCALL =
  "socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg".split(
    " ",
  );
const IPC = new Map<number, string>([
  ...([1, 2, 3, 4] as const).map((n, i) => [n, ["semop", "semget", "semctl", "semtimedop"][i]!] as const),
  ...([11, 12, 13, 14] as const).map((n, i) => [n, ["msgsnd", "msgrcv", "msgget", "msgctl"][i]!] as const),
  ...([21, 22, 23, 24] as const).map((n, i) => [n, ["shmat", "shmdt", "shmget", "shmctl"][i]!] as const),
]);

const tables = new Map<string, SyscallTable>();

function tableOf(arch: SeccompArch): SyscallTable {
  const { table } = archFacts(arch);
  if (!tables.has(table)) tables.set(table, syscallTable(table));
  return tables.get(table)!;
}

/** What the filter for `profile` has to return for `call`. */
export function evaluate(profile: Seccomp, native: SeccompArch, call: Call): number {
  const fallback = returnOf(profile.defaultAction, profile.defaultErrnoRet);
  const arches = new Set([native, ...((profile.architectures ?? []) as SeccompArch[])]);
  const arch = [...arches].find((one) => isMadeBy(one, call));
  if (arch === undefined) {
    const skipped = call.nr === 0xffffffff && call.arch === SECCOMP_ARCHES.SCMP_ARCH_X86_64;
    return skipped && arches.has("SCMP_ARCH_X86_64") ? fallback : KILL_THREAD;
  }
  const nr = arch === "SCMP_ARCH_X32" ? call.nr - X32_BIT : call.nr;
  const table = tableOf(arch);
  const rules = profile.syscalls ?? [];
  const enosys = 0x50000 | archFacts(native).enosys;
  const young = youngest(rules, table, arch);
  const wantsEnosys = young !== undefined && fallback !== enosys && !letsThrough(fallback);
  if (wantsEnosys && nr === 0 && (arch === "SCMP_ARCH_S390" || arch === "SCMP_ARCH_S390X")) return enosys;
  const names = [...table].filter(([, number]) => number === nr).map(([name]) => name);
  if (arch === "SCMP_ARCH_ARM" && names[0] === ARM_NAME && !rules.some((rule) => rule.names.includes(ARM_NAME)))
    names[0] = "sync_file_range2";
  const via = names.find((name) => name === "socketcall" || name === "ipc");
  if (via !== undefined && archFacts(arch).multiplexed) {
    const result = evaluateMultiplexed(rules, via, call, arch, fallback);
    if (result !== undefined) return result;
  } else if (rules.some((rule) => rule.names.some((name) => names.includes(name))))
    return decide(rules, names, call, arch, fallback) ?? fallback;
  return wantsEnosys && young(nr, names) ? enosys : fallback;
}

function isMadeBy(arch: SeccompArch, { arch: audit, nr }: Call): boolean {
  if (SECCOMP_ARCHES[arch] !== audit) return false;
  if (arch === "SCMP_ARCH_X86_64") return (nr & X32_BIT) === 0;
  return arch !== "SCMP_ARCH_X32" || (nr & X32_BIT) !== 0;
}

/** Undefined: no rule says anything but the default. */
function decide(
  rules: readonly SeccompSyscall[],
  names: readonly string[],
  call: Call,
  arch: SeccompArch,
  fallback: number,
): number | undefined {
  const counting = rules.filter(
    (rule) => rule.names.some((name) => names.includes(name)) && returnOf(rule.action, rule.errnoRet) !== fallback,
  );
  const always = counting.find((rule) => isUnconditional(rule, arch));
  if (always !== undefined) return returnOf(always.action, always.errnoRet);
  const match = counting.find((rule) => matches(rule, call, arch));
  return match && returnOf(match.action, match.errnoRet);
}

function evaluateMultiplexed(
  rules: readonly SeccompSyscall[],
  via: string,
  call: Call,
  arch: SeccompArch,
  fallback: number,
): number | undefined {
  const behind = via === "ipc" ? [...IPC.values()] : SOCKETCALL;
  if (!rules.some(({ names }) => names.includes(via) || names.some((name) => behind.includes(name)))) return undefined;
  const own = decide(rules, [via], call, arch, fallback);
  if (own !== undefined) return own;
  const first = Number(call.args[0]! & 0xffffffffn);
  const name = via === "ipc" ? IPC.get(first & 0xffff) : SOCKETCALL[first - 1];
  const its = rules.filter(
    (rule) => name !== undefined && rule.names.includes(name) && returnOf(rule.action, rule.errnoRet) !== fallback,
  );
  const always = its.find((rule) => isUnconditional(rule, arch));
  if (always !== undefined) return returnOf(always.action, always.errnoRet);
  const stricter = its.map((rule) => returnOf(rule.action, rule.errnoRet)).filter((r) => rank(r) < rank(fallback));
  return stricter.sort((a, b) => rank(a) - rank(b))[0] ?? fallback;
}

/** The kernel compares actions as signed numbers. */
function rank(returns: number): number {
  return returns & 0xffff0000;
}

function alternatives({ args = [] }: SeccompSyscall): (readonly SeccompArg[])[] {
  const isRepeated = new Set(args.map(({ index }) => index)).size < args.length;
  return isRepeated ? args.map((arg) => [arg]) : args.length === 0 ? [] : [args];
}

function isUnconditional(rule: SeccompSyscall, arch: SeccompArch): boolean {
  const all = alternatives(rule);
  return (
    all.length === 0 || all.some((args) => args.every((arg) => isMasked(arg) && (mask(arg, arch) as bigint) === 0n))
  );
}

function isMasked({ op }: SeccompArg): boolean {
  return op === "SCMP_CMP_MASKED_EQ";
}

function width(arch: SeccompArch): bigint {
  return archFacts(arch).wide ? (1n << 64n) - 1n : (1n << 32n) - 1n;
}

function mask(arg: SeccompArg, arch: SeccompArch): bigint {
  return BigInt(arg.value) & width(arch);
}

function matches(rule: SeccompSyscall, call: Call, arch: SeccompArch): boolean {
  return alternatives(rule).some((args) => args.every((arg) => holds(arg, call, arch)));
}

function holds(arg: SeccompArg, call: Call, arch: SeccompArch): boolean {
  const argument = call.args[arg.index]! & width(arch);
  const value = BigInt(arg.value) & width(arch);
  switch (arg.op) {
    case "SCMP_CMP_NE":
      return argument !== value;
    case "SCMP_CMP_LT":
      return argument < value;
    case "SCMP_CMP_LE":
      return argument <= value;
    case "SCMP_CMP_EQ":
      return argument === value;
    case "SCMP_CMP_GE":
      return argument >= value;
    case "SCMP_CMP_GT":
      return argument > value;
    case "SCMP_CMP_MASKED_EQ":
      return (argument & value) === (BigInt(arg.valueTwo ?? 0) & value);
  }
}

/** Tells of a call that the profile does not name if it is too young for it; undefined if the profile names none. */
function youngest(
  rules: readonly SeccompSyscall[],
  table: SyscallTable,
  arch: SeccompArch,
): ((nr: number, names: readonly string[]) => boolean) | undefined {
  const named = new Set(rules.flatMap(({ names }) => names));
  if (arch === "SCMP_ARCH_ARM" && named.has("sync_file_range2")) named.add(ARM_NAME);
  const numbers = [...table].filter(([name]) => named.has(name)).map(([, number]) => number);
  if (archFacts(arch).multiplexed)
    for (const [via, behind] of [
      ["socketcall", SOCKETCALL],
      ["ipc", [...IPC.values()]],
    ] as const)
      if (behind.some((name) => named.has(name))) numbers.push(table.get(via)!);
  if (numbers.length === 0) return undefined;
  const releases = sinceRelease();
  const newest = Math.max(0, ...[...named].map((name) => releases.get(name) ?? 0));
  const until = arch === "SCMP_ARCH_ARM" ? 0xf0000 : arch === "SCMP_ARCH_X32" ? 512 : Number.POSITIVE_INFINITY;
  const largest = Math.max(...numbers);
  const largestOrdered = Math.max(-1, ...numbers.filter((number) => number < until));
  return (nr, names) => {
    if (names.some((name) => (releases.get(name) ?? 0) > newest)) return true;
    return largestOrdered >= 0 && nr < until ? nr > largestOrdered : nr > largest;
  };
}

function letsThrough(returns: number): boolean {
  return [0x7fff0000, 0x7ffc0000, 0x7ff00000].includes((returns & 0xffff0000) >>> 0);
}

/** Action and errno → what the filter returns. */
export function returnOf(action: keyof typeof SECCOMP_ACTIONS, errno: number | undefined): number {
  const { value, errno: takesErrno } = SECCOMP_ACTIONS[action];
  if (!takesErrno) return value;
  const data = (errno ?? 1) & 0xffff;
  return value + (action === "SCMP_ACT_ERRNO" ? Math.min(data, 4095) : data);
}
