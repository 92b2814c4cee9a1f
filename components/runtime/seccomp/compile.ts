/**
 * `linux.seccomp` → a BPF program for seccomp(2), without libseccomp. A pure function: profile and facts about the
 * machine in, bytes and flags out. In order:
 *
 *   profile.ts    fields of config.json → rules, every error with its field
 *   decisions.ts  rules → one decision per name
 *   runs.ts       × the table of an architecture → runs of numbers, with ENOSYS for calls younger than the profile
 *   generate.ts   → instructions (conditions.ts for arguments, assembler.ts for jumps and bytes)
 */
import type { Seccomp } from "@gantry/oci";
import { archFacts, type SeccompArch } from "./arches.ts";
import { INSTRUCTION_BYTES } from "./assembler.ts";
import { decide, type Named } from "./decisions.ts";
import type { SeccompFacts } from "./facts.ts";
import { filterFlags, flagsText } from "./flags.ts";
import { generate, type Section } from "./generate.ts";
import { letsThrough, type Profile, readProfile } from "./profile.ts";
import { type Enosys, runsOf } from "./runs.ts";
import { type Release, sinceRelease } from "./since.ts";

/** What the launcher installs. */
export interface SeccompFilter {
  /** An array of `struct sock_filter`, in the byte order of `facts.arch`. */
  readonly program: Uint8Array;
  /** The number of instructions in it. */
  readonly length: number;
  /** For seccomp(2); 0: `prctl(PR_SET_SECCOMP)` does, also on kernels that lack seccomp(2). */
  readonly flags: number;
  /** The same for people: `SPEC_ALLOW | NEW_LISTENER`. */
  readonly flagsText: string;
  /** Installing it gives a file descriptor, which has to reach `listenerPath`. */
  readonly notify: boolean;
  /** What is odd in the profile, each with its field. */
  readonly warnings: readonly string[];
  /** Lines for the debug log. */
  readonly debug: readonly string[];
}

const ERRNO = 0x00050000;

/**
 * Compiles `seccomp`; undefined when it asks for no filter (absent, or neither default action nor rules).
 * @param where the field that `seccomp` was read from, for messages
 * @throws InvalidArgument naming the field that is wrong, or asks for what this kernel cannot do
 */
export function compileSeccomp(
  seccomp: Seccomp | undefined | null,
  facts: SeccompFacts,
  where = "linux.seccomp",
): SeccompFilter | undefined {
  if (!seccomp || (!seccomp.defaultAction && !seccomp.syscalls?.length)) return undefined;
  const warnings: string[] = [];
  const profile = readProfile(seccomp, facts, where, warnings);
  const flags = filterFlags(seccomp, profile, facts);
  const { byName, isMixed } = decide(profile);
  const meaning = { byName, defaultReturn: profile.defaultReturn, enosys: enosysRule(profile, byName, facts.arch) };
  const sections = profile.arches.map((name): Section => {
    const arch = archFacts(name);
    return { arch, runs: runsOf(meaning, arch, warnings) };
  });
  const program = generate(sections, profile.defaultReturn, where);
  const debug = [`seccomp filter flags: ${flags}`];
  reportUnseen(byName, profile, warnings, debug);
  if (isMixed) {
    const { overlapWarnings } = require("./overlaps.ts") as typeof import("./overlaps.ts");
    warnings.push(...overlapWarnings(byName));
  }
  return {
    program,
    length: program.length / INSTRUCTION_BYTES,
    flags,
    flagsText: flagsText(flags),
    notify: profile.notify,
    warnings,
    debug,
  };
}

/** Undefined where calls younger than the profile get the default: it lets them through, or says ENOSYS anyway. */
function enosysRule(
  { defaultReturn }: Profile,
  byName: ReadonlyMap<string, Named>,
  native: SeccompArch,
): Enosys | undefined {
  const returns = ERRNO | archFacts(native).enosys;
  if (letsThrough(defaultReturn) || defaultReturn === returns) return undefined;
  const releases = sinceRelease();
  let newest: Release = 0;
  for (const [name, release] of releases) if (release > newest && byName.has(name)) newest = release;
  return { returns, newest, releases };
}

/** Names of other machines are normal in a profile for many; a name of no machine is a slip or younger than our tables. */
function reportUnseen(
  byName: ReadonlyMap<string, Named>,
  { rules, where }: Profile,
  warnings: string[],
  debug: string[],
): void {
  const unseen: string[] = [];
  for (const [name, named] of byName) if (!named.seen) unseen.push(name);
  if (unseen.length === 0) return;
  debug.push(`seccomp: no such system calls here, ignored: ${unseen.join(" ")}`);
  const { namesOfNoMachine } = require("./names.ts") as typeof import("./names.ts");
  for (const name of namesOfNoMachine(unseen)) {
    const i = rules.findIndex(({ names }) => names.includes(name));
    const j = rules[i]!.names.indexOf(name);
    warnings.push(`${where}.syscalls[${i}].names[${j}]: unknown system call "${name}", ignored`);
  }
}
