/**
 * Decisions by name → runs of consecutive numbers that share a decision, over the whole range of numbers of one
 * architecture; and the rule that makes old profiles work with new programs: a call that is younger than the profile
 * fails with ENOSYS, for which programs have a fallback, and not with EPERM, for which they have none.
 */
import type { ArchFacts } from "./arches.ts";
import type { Decision, Named } from "./decisions.ts";
import { isMultiplexer, multiplexed } from "./multiplex.ts";
import type { Release } from "./since.ts";
import { aliasOf, syscallWords } from "./syscalls.ts";

/** From `start` up to the start of the next one. */
export interface Run {
  readonly start: number;
  readonly decision: Decision;
}

/** `returns`: ERRNO with the machine's ENOSYS; `newest`: the release of the youngest call that the profile names. */
export interface Enosys {
  readonly returns: number;
  readonly newest: Release;
  readonly releases: ReadonlyMap<string, Release>;
}

/** What the rules say, the same for all architectures. `enosys`: undefined where the default serves for young calls too. */
export interface Meaning {
  readonly byName: ReadonlyMap<string, Named>;
  readonly defaultReturn: number;
  readonly enosys: Enosys | undefined;
}

/**
 * Where the numbers end that new system calls get: those of ARM's private calls are not in that order, nor are the
 * doubled ones of x32.
 */
const ORDERED_UNTIL: Partial<Record<ArchFacts["table"], number>> = { arm: 0x0f0000, x32: 512 };

/**
 * Every container start comes here, once, with the code not yet compiled: hence one flat loop that calls nothing on
 * its usual paths. Calling a function a few dozen times makes the engine compile it, which costs more than it saves.
 */
export function runsOf(meaning: Meaning, arch: ArchFacts, warnings: string[]): Run[] {
  const { byName, defaultReturn, enosys } = meaning;
  const { wide, multiplexed: hasMultiplexers } = arch;
  const runs: Run[] = [];
  let orderedUntil = ORDERED_UNTIL[arch.table] ?? Number.POSITIVE_INFINITY;
  let number = 0;
  let next = 0;
  let last: Decision | undefined;
  // How far things were after the last number that the profile names.
  let namedEnd = 0;
  let namedRuns = 0;
  for (const word of syscallWords(arch.table)) {
    const named = byName.get(word);
    let decision: Decision | undefined;
    if ((hasMultiplexers && (word === "socketcall" || word === "ipc")) || word === "arm_sync_file_range")
      decision = decisionOfOther(word, meaning, arch, warnings);
    else if (named !== undefined) {
      named.seen = true;
      decision = wide ? named.wide : named.narrow;
    } else if (word.charCodeAt(0) <= DIGIT_NINE) {
      number = Number(word);
      continue;
    }
    if (number >= orderedUntil) {
      last = end(runs, namedRuns, namedEnd, next, meaning);
      if (last !== defaultReturn) runs.push({ start: orderedUntil, decision: defaultReturn });
      last = defaultReturn;
      next = orderedUntil;
      orderedUntil = Number.POSITIVE_INFINITY;
    }
    if (number > next && last !== defaultReturn) {
      runs.push({ start: next, decision: defaultReturn });
      last = defaultReturn;
    }
    const isNamed = decision !== undefined;
    // A call that the profile cannot have known, even if its number is below one that it names?
    if (decision === undefined)
      decision =
        enosys !== undefined && (enosys.releases.get(word) ?? 0) > enosys.newest ? enosys.returns : defaultReturn;
    if (decision !== last) {
      runs.push({ start: number, decision });
      last = decision;
    }
    next = ++number;
    if (isNamed) {
      namedEnd = number;
      namedRuns = runs.length;
    }
  }
  if (namedEnd === 0) return [{ start: 0, decision: defaultReturn }];
  end(runs, namedRuns, namedEnd, next, meaning);
  // Linux on s390 hands over numbers that it does not know as 0, which is no call that anyone makes.
  const isS390 = arch.table === "s390" || arch.table === "s390x";
  return enosys !== undefined && isS390 ? withFirst(runs, enosys.returns) : runs;
}

/** Words of a table that begin with a digit are numbers. */
const DIGIT_NINE = 0x39;

/** Multiplexers, and a call with two names. Undefined: the profile does not name it. */
function decisionOfOther(name: string, meaning: Meaning, arch: ArchFacts, warnings: string[]): Decision | undefined {
  const { byName, defaultReturn } = meaning;
  const named = byName.get(name) ?? byName.get(aliasOf(arch.table, name) ?? name);
  if (named !== undefined) named.seen = true;
  if (isMultiplexer(name)) return multiplexed(name, byName, arch.wide, defaultReturn, warnings);
  return named && (arch.wide ? named.wide : named.narrow);
}

/** What comes after the last number that the profile names is younger than the profile. @returns the last decision. */
function end(
  runs: Run[],
  namedRuns: number,
  namedEnd: number,
  next: number,
  { defaultReturn, enosys }: Meaning,
): Decision {
  const start = enosys === undefined || namedEnd === 0 ? next : namedEnd;
  const decision = enosys === undefined || namedEnd === 0 ? defaultReturn : enosys.returns;
  if (start === namedEnd) runs.length = namedRuns;
  if (runs.at(-1)?.decision !== decision) runs.push({ start, decision });
  return decision;
}

/** `runs` with another decision on number 0. */
function withFirst(runs: readonly Run[], decision: Decision): Run[] {
  const [first, second, ...others] = runs;
  const rest = second?.start === 1 || first === undefined ? [] : [{ start: 1, decision: first.decision }];
  return [{ start: 0, decision }, ...rest, ...(second === undefined ? [] : [second]), ...others];
}
