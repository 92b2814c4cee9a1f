/**
 * What the rules of a profile together mean for each name. Several rules for one call follow libseccomp: an
 * unconditional rule wins over all that come later, and takes the place of conditional ones that came before;
 * conditional ones are tried in their order; rules that say what the default says anyway do not count.
 */
import { InvalidArgument } from "@gantry/oci";
import { archFacts } from "./arches.ts";
import type { Condition, Profile, Rule } from "./profile.ts";

/** `conditions` are and-ed. `key` is equal for equal conditions. */
export interface Alternative {
  readonly conditions: readonly Condition[];
  readonly returns: number;
  readonly key: string;
  readonly where: string;
}

/** Tried one after the other; when none matches, the filter returns `otherwise`. */
export interface Chain {
  readonly alternatives: readonly Alternative[];
  readonly otherwise: number;
}

/** A constant return value, whatever the arguments; or a chain of conditions. */
export type Decision = number | Chain;

/** What holds for one name of the profile: for 64-bit and for 32-bit arguments. */
export interface Named {
  wide: Decision;
  narrow: Decision;
  /** Only rules that say what the default says have named it so far. */
  isDefault: boolean;
  /** An architecture of the profile has it. */
  seen: boolean;
}

/** `isMixed`: some name has conditional rules with different results. */
export interface Decisions {
  readonly byName: ReadonlyMap<string, Named>;
  readonly isMixed: boolean;
}

/** @throws InvalidArgument when two rules give one condition two results. */
export function decide({ rules, defaultReturn, arches }: Profile): Decisions {
  const hasNarrow = arches.some((arch) => !archFacts(arch).wide);
  const byName = new Map<string, Named>();
  let isMixed = false;
  for (const rule of rules) {
    const isDefault = rule.returns === defaultReturn;
    const wide = isDefault ? defaultReturn : decisionOf(rule, defaultReturn, true);
    const narrow = typeof wide === "number" || !hasNarrow ? wide : decisionOf(rule, defaultReturn, false);
    for (const name of rule.names) {
      const present = byName.get(name);
      if (present === undefined) byName.set(name, { wide, narrow, isDefault, seen: false });
      else if (!isDefault) isMixed = combine(present, wide, narrow, name) || isMixed;
    }
  }
  return { byName, isMixed };
}

function decisionOf(rule: Rule, otherwise: number, wide: boolean): Decision {
  const alternatives: Alternative[] = [];
  for (const all of rule.alternatives) {
    // Where no bit of the mask counts at this word size, the condition always holds.
    const conditions = all.filter(({ maskHigh, maskLow }) => maskLow !== 0 || (wide && maskHigh !== 0));
    if (conditions.length === 0) return rule.returns;
    const key = conditions.map((condition) => keyOf(condition, wide)).join(" & ");
    alternatives.push({ conditions, returns: rule.returns, key, where: rule.where });
  }
  if (alternatives.length === 0) return rule.returns;
  return { alternatives: alternatives.length === 1 ? alternatives : distinct(alternatives, ""), otherwise };
}

function keyOf({ index, op, maskHigh, maskLow, high, low }: Condition, wide: boolean): string {
  return wide ? `${index} ${op} ${maskHigh} ${maskLow} ${high} ${low}` : `${index} ${op} ${maskLow} ${low}`;
}

/** @returns whether `present` now has conditions with different results. */
function combine(present: Named, wide: Decision, narrow: Decision, name: string): boolean {
  const isSame = present.narrow === present.wide;
  present.wide = present.isDefault ? wide : later(present.wide, wide, name);
  // One object for both as long as it is one: half the work where no architecture is narrow.
  if (narrow === wide && isSame) present.narrow = present.wide;
  else present.narrow = present.isDefault ? narrow : later(present.narrow, narrow, name);
  present.isDefault = false;
  if (typeof present.wide === "number") return false;
  const [first, ...others] = present.wide.alternatives;
  return others.some(({ returns }) => returns !== first!.returns);
}

function later(first: Decision, second: Decision, name: string): Decision {
  if (typeof first === "number") return first;
  if (typeof second === "number") return second;
  return { ...first, alternatives: distinct([...first.alternatives, ...second.alternatives], name) };
}

/** Leaves repetitions out. */
function distinct(alternatives: readonly Alternative[], name: string): Alternative[] {
  const kept: Alternative[] = [];
  for (const alternative of alternatives) {
    const same = kept.find(({ key }) => key === alternative.key);
    if (same === undefined) kept.push(alternative);
    else if (same.returns !== alternative.returns)
      throw new InvalidArgument(
        `${alternative.where}: ${name}: the same condition has another action in ${same.where}; remove one of them`,
      );
  }
  return kept;
}
