/**
 * Warns where conditional rules with different actions can match the same call: the first one in the profile wins,
 * which is easily not what was meant. Loaded only for profiles that have such rules.
 */
import type { Alternative, Named } from "./decisions.ts";
import type { Condition } from "./profile.ts";

export function overlapWarnings(byName: ReadonlyMap<string, Named>): string[] {
  const warnings: string[] = [];
  for (const [name, { wide }] of byName) {
    if (typeof wide === "number") continue;
    for (const [i, later] of wide.alternatives.entries()) {
      const earlier = wide.alternatives.slice(0, i).find((other) => overlap(other, later));
      if (earlier !== undefined)
        warnings.push(`${later.where}: ${name}: overlaps with ${earlier.where}, which comes first and wins`);
    }
  }
  return warnings;
}

function overlap(a: Alternative, b: Alternative): boolean {
  if (a.returns === b.returns) return false;
  return !a.conditions.some((one) => b.conditions.some((two) => one.index === two.index && areDisjoint(one, two)));
}

/** Is there surely no value that both hold for? */
function areDisjoint(a: Condition, b: Condition): boolean {
  if (a.op === "EQ" && b.op === "EQ") {
    const common = mask(a) & mask(b);
    return ((value(a) ^ value(b)) & common) !== 0n;
  }
  if (isOne(a)) return !holds(b, value(a));
  if (isOne(b)) return !holds(a, value(b));
  const [highestA, lowestA, highestB, lowestB] = [highest(a), lowest(a), highest(b), lowest(b)];
  return highestA < lowestB || highestB < lowestA;
}

function holds(condition: Condition, argument: bigint): boolean {
  const bound = value(condition);
  switch (condition.op) {
    case "EQ":
      return (argument & mask(condition)) === bound;
    case "NE":
      return argument !== bound;
    case "GT":
      return argument > bound;
    case "GE":
      return argument >= bound;
    case "LT":
      return argument < bound;
    case "LE":
      return argument <= bound;
  }
}

const MAX = (1n << 64n) - 1n;

function highest(condition: Condition): bigint {
  if (condition.op === "LE") return value(condition);
  return condition.op === "LT" ? value(condition) - 1n : MAX;
}

function lowest(condition: Condition): bigint {
  if (condition.op === "GE") return value(condition);
  return condition.op === "GT" ? value(condition) + 1n : 0n;
}

function isOne(condition: Condition): boolean {
  return condition.op === "EQ" && mask(condition) === MAX;
}

function value({ high, low }: Condition): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

function mask({ maskHigh, maskLow }: Condition): bigint {
  return (BigInt(maskHigh) << 32n) | BigInt(maskLow);
}
