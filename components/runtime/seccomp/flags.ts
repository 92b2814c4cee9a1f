/** `linux.seccomp.flags` → the flags of seccomp(2). */
import { InvalidArgument, SECCOMP_FLAGS, type Seccomp } from "@gantry/oci";
import type { SeccompFacts } from "./facts.ts";
import type { Profile } from "./profile.ts";

/** No flag of the spec: set when a rule says NOTIFY. */
export const NEW_LISTENER = 0x08;
const { SECCOMP_FILTER_FLAG_LOG: LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW: SPEC_ALLOW } = SECCOMP_FLAGS;
const { SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: WAIT_KILLABLE_RECV } = SECCOMP_FLAGS;

/**
 * The bits worth probing: `seccomp(SECCOMP_SET_MODE_FILTER, bit, NULL)` fails with EFAULT where the kernel takes the
 * bit, with EINVAL where not. WAIT_KILLABLE_RECV has to be probed together with NEW_LISTENER.
 */
export const KERNEL_FLAGS = [LOG, SPEC_ALLOW, NEW_LISTENER, WAIT_KILLABLE_RECV] as const;

/** Those of `SECCOMP_FLAGS` that this kernel takes; `linux.seccomp.supportedFlags` of `features`. */
export function supportedFlags({ flags }: SeccompFacts): (keyof typeof SECCOMP_FLAGS)[] {
  const names = Object.keys(SECCOMP_FLAGS) as (keyof typeof SECCOMP_FLAGS)[];
  return names.filter((name) => isSupported(bitOf(name), flags));
}

/** The number for seccomp(2), 0 meaning that `prctl(PR_SET_SECCOMP)` does. @throws InvalidArgument naming the field. */
export function filterFlags(seccomp: Seccomp, { where, notify }: Profile, facts: SeccompFacts): number {
  const listed = seccomp.flags ?? undefined;
  // Absent is not the same as empty: only then the kernel's speculation default applies, which costs a lot.
  let flags = listed === undefined && isSupported(SPEC_ALLOW, facts.flags) ? SPEC_ALLOW : 0;
  for (const [i, name] of (listed ?? []).entries()) flags |= readFlag(name, facts, `${where}.flags[${i}]`);
  if ((flags & WAIT_KILLABLE_RECV) !== 0 && !notify)
    throw new InvalidArgument(
      `${where}.flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs a rule with SCMP_ACT_NOTIFY`,
    );
  if (!notify) return flags;
  if (!isSupported(NEW_LISTENER, facts.flags))
    throw new InvalidArgument(`${where}: seccomp notify unsupported: the kernel gives no listener (Linux 5.7 does)`);
  return flags | NEW_LISTENER;
}

function readFlag(name: string, facts: SeccompFacts, where: string): number {
  if (!Object.hasOwn(SECCOMP_FLAGS, name))
    throw new InvalidArgument(
      `${where}: seccomp flag ${name} is not known; known: ${Object.keys(SECCOMP_FLAGS).join(", ")}`,
    );
  const bit = bitOf(name as keyof typeof SECCOMP_FLAGS);
  if (!isSupported(bit, facts.flags)) throw new InvalidArgument(`${where}: the kernel does not support ${name}`);
  return bit;
}

/** TSYNC is known and changes nothing: the process that installs the filter has one thread. */
function bitOf(name: keyof typeof SECCOMP_FLAGS): number {
  return name === "SECCOMP_FILTER_FLAG_TSYNC" ? 0 : SECCOMP_FLAGS[name];
}

function isSupported(bit: number, supported: number | undefined): boolean {
  return supported === undefined || (supported & bit) === bit;
}

/** The flags by name, for people: `SPEC_ALLOW | NEW_LISTENER`. */
export function flagsText(flags: number): string {
  const names = { LOG, SPEC_ALLOW, NEW_LISTENER, WAIT_KILLABLE_RECV };
  const set = Object.entries(names).filter(([, bit]) => (flags & bit) !== 0);
  return set.map(([name]) => name).join(" | ") || "none";
}
