/**
 * Decisions by name → runs of consecutive numbers that share a decision, over the whole range of numbers of one
 * architecture; and the rule that makes old profiles work with new programs: a call that is younger than the profile
 * fails with ENOSYS, for which programs have a fallback, and not with EPERM, for which they have none.
 */
import type { ArchFacts } from "./arches.ts";
import type { Decision, Named } from "./decisions.ts";
import { isMultiplexer, multiplexed } from "./multiplex.ts";
import type { Release } from "./since.ts";
import { aliasOf, isNumber, syscallWords } from "./syscalls.ts";

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

/** Hot: every container start walks the native table, with the code not yet compiled. Hence one flat loop. */
export function runsOf(meaning: Meaning, arch: ArchFacts, warnings: string[]): Run[] {
  const { byName, defaultReturn, enosys } = meaning;
  const { wide, multiplexed: hasMultiplexers } = arch;
  const state = newState(defaultReturn);
  let orderedUntil = ORDERED_UNTIL[arch.table] ?? Number.POSITIVE_INFINITY;
  let number = 0;
  for (const word of syscallWords(arch.table)) {
    const named = byName.get(word);
    if (number >= orderedUntil) {
      endNamed(state, enosys?.returns);
      startAt(state, orderedUntil);
      orderedUntil = Number.POSITIVE_INFINITY;
    }
    if (named !== undefined && !(hasMultiplexers && isMultiplexer(word))) {
      named.seen = true;
      addNamed(state, number++, wide ? named.wide : named.narrow);
    } else if (isNumber(word)) number = Number(word);
    else addOther(state, number++, word, meaning, arch, warnings);
  }
  if (!state.hasNamed) return [{ start: 0, decision: defaultReturn }];
  endNamed(state, enosys?.returns);
  // Linux on s390 hands over numbers that it does not know as 0, which is no call that anyone makes.
  const isS390 = arch.table === "s390" || arch.table === "s390x";
  return enosys !== undefined && isS390 ? withFirst(state.runs, enosys.returns) : state.runs;
}

/** A call that the profile does not name, or not by this name alone. */
function addOther(
  state: State,
  number: number,
  name: string,
  { byName, defaultReturn, enosys }: Meaning,
  { table, wide, multiplexed: hasMultiplexers }: ArchFacts,
  warnings: string[],
): void {
  const other = hasMultiplexers && isMultiplexer(name) ? name : aliasOf(table, name);
  const named = other === undefined ? undefined : byName.get(other);
  if (named !== undefined) named.seen = true;
  let decision: Decision | undefined;
  if (hasMultiplexers && isMultiplexer(name)) decision = multiplexed(name, byName, wide, defaultReturn, warnings);
  else if (named !== undefined) decision = wide ? named.wide : named.narrow;
  if (decision !== undefined) addNamed(state, number, decision);
  else add(state, number, isYounger(name, enosys) ? enosys!.returns : defaultReturn);
}

/** The profile cannot have known it, even if its number is below one that the profile names. */
function isYounger(name: string, enosys: Enosys | undefined): boolean {
  if (enosys === undefined) return false;
  const release = enosys.releases.get(name);
  return release !== undefined && release > enosys.newest;
}

/** Runs under construction, from numbers in rising order; numbers that are left out get `gap`. */
interface State {
  readonly runs: Run[];
  readonly gap: number;
  next: number;
  last: Decision | undefined;
  hasNamed: boolean;
  /** How far things were after the last number that the profile names. */
  namedRuns: number;
  namedEnd: number;
}

function newState(gap: number): State {
  return { runs: [], gap, next: 0, last: undefined, hasNamed: false, namedRuns: 0, namedEnd: 0 };
}

function startRun(state: State, start: number, decision: Decision): void {
  if (decision === state.last) return;
  state.runs.push({ start, decision });
  state.last = decision;
}

function add(state: State, number: number, decision: Decision): void {
  if (number > state.next) startRun(state, state.next, state.gap);
  startRun(state, number, decision);
  state.next = number + 1;
}

function addNamed(state: State, number: number, decision: Decision): void {
  add(state, number, decision);
  state.hasNamed = true;
  state.namedRuns = state.runs.length;
  state.namedEnd = number + 1;
}

/** Numbers after the last named one get `after`, if there is one. */
function endNamed(state: State, after: number | undefined): void {
  if (after === undefined || !state.hasNamed) {
    startRun(state, state.next, state.gap);
    return;
  }
  state.runs.length = state.namedRuns;
  state.last = state.runs.at(-1)!.decision;
  startRun(state, state.namedEnd, after);
}

/** Goes on at `number`, after a part that has been ended. */
function startAt(state: State, number: number): void {
  state.next = number;
  startRun(state, number, state.gap);
}

/** `runs` with another decision on number 0. */
function withFirst(runs: readonly Run[], decision: Decision): Run[] {
  const [first, second, ...others] = runs;
  const rest = second?.start === 1 || first === undefined ? [] : [{ start: 1, decision: first.decision }];
  return [{ start: 0, decision }, ...rest, ...(second === undefined ? [] : [second]), ...others];
}
