/**
 * Runs of numbers → the program: one test per architecture, the native one first, then a balanced search for the run.
 *
 * For a call that is allowed whatever its arguments, the path through the program loads `arch` and `nr` and nothing
 * else: since 5.11 the kernel runs the filter once per number in advance, and lets such calls pass without it.
 */
import { InvalidArgument } from "@gantry/oci";
import { type ArchFacts, X32_BIT } from "./arches.ts";
import {
  type Code,
  constant,
  encode,
  INSTRUCTION_BYTES,
  JMP_JEQ_K,
  JMP_JSET_K,
  newCode,
  prependJump,
  prependLoad,
  prependSearch,
  type Target,
} from "./assembler.ts";
import { prependChain, type Words } from "./conditions.ts";
import type { Chain, Decision } from "./decisions.ts";
import type { Run } from "./runs.ts";

export interface Section {
  readonly arch: ArchFacts;
  readonly runs: readonly Run[];
}

const NUMBER_OFFSET = 0;
const ARCH_OFFSET = 4;
/** What happens to calls of an architecture that the profile does not list: SECCOMP_RET_KILL_THREAD, libseccomp's choice. */
const KILL_THREAD = 0;
/** BPF_MAXINSNS */
const MAX_INSTRUCTIONS = 4096;
/** A tracer makes the kernel skip a call by changing its number to -1; then the filter sees that number. */
const SKIPPED = 0xffffffff;

/** @throws InvalidArgument when the program gets longer than the kernel takes. */
export function generate(sections: readonly Section[], defaultReturn: number, where: string): Uint8Array {
  const code = newCode();
  const chains = new Map<string, Target>();
  const byAudit = new Map<number, Section[]>();
  for (const section of sections) {
    const { audit } = section.arch;
    byAudit.set(audit, [...(byAudit.get(audit) ?? []), section]);
  }
  const entries: { readonly audit: number; readonly entry: Target }[] = [];
  for (const [audit, group] of [...byAudit].reverse())
    entries.push({ audit, entry: prependArch(code, group, defaultReturn, chains) });
  let dispatch: Target = constant(code, KILL_THREAD);
  for (const { audit, entry } of entries) dispatch = prependJump(code, JMP_JEQ_K, audit, entry, dispatch);
  prependLoad(code, ARCH_OFFSET, dispatch);
  const program = encode(code, sections[0]!.arch.bigEndian);
  const length = program.length / INSTRUCTION_BYTES;
  if (length <= MAX_INSTRUCTIONS) return program;
  throw new InvalidArgument(
    `${where}: the filter takes ${length} instructions, the kernel at most ${MAX_INSTRUCTIONS}; use fewer conditions or architectures`,
  );
}

/** The code for one audit number, which only x86_64 and x32 share. */
function prependArch(
  code: Code,
  group: readonly Section[],
  defaultReturn: number,
  chains: Map<string, Target>,
): Target {
  const x32 = group.find(({ arch }) => arch.table === "x32");
  const other = group.find(({ arch }) => arch.table !== "x32");
  if (x32 === undefined && other?.arch.table !== "amd64") return loadNumber(code, prependSection(code, other!, chains));
  const marked = x32
    ? prependSection(code, x32, chains)
    : prependJump(code, JMP_JEQ_K, SKIPPED, constant(code, defaultReturn), constant(code, KILL_THREAD));
  const plain = other ? prependSection(code, other, chains) : constant(code, KILL_THREAD);
  return loadNumber(code, prependJump(code, JMP_JSET_K, X32_BIT, marked, plain));
}

/** A constant needs no number. */
function loadNumber(code: Code, then: Target): Target {
  return then < 0 ? then : prependLoad(code, NUMBER_OFFSET, then);
}

/** Constants first looked up in a map: see runs.ts for why this loop calls so little. */
function prependSection(code: Code, { arch, runs }: Section, chains: Map<string, Target>): Target {
  const base = arch.table === "x32" ? X32_BIT : 0;
  const known = new Map<Decision, Target>();
  const starts: number[] = [];
  const targets: Target[] = [];
  for (let i = runs.length - 1; i >= 0; i--) {
    const { start, decision } = runs[i]!;
    let target = known.get(decision);
    if (target === undefined) {
      target = typeof decision === "number" ? constant(code, decision) : sharedChain(code, decision, arch, chains);
      known.set(decision, target);
    }
    starts.push(base + start);
    targets.push(target);
  }
  return prependSearch(code, starts, targets);
}

/** Equal chains are written once, for however many calls and architectures; keys differ between word sizes. */
function sharedChain(code: Code, chain: Chain, words: Words, chains: Map<string, Target>): Target {
  const key = chain.alternatives.map(({ key, returns }) => `${key} → ${returns}`).join(" | ");
  let target = chains.get(key);
  if (target === undefined) {
    target = prependChain(code, chain, words);
    chains.set(key, target);
  }
  return target;
}
