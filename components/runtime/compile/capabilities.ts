/** Capability names to the bit masks of capset(2); capabilities(7). */
import { CAPABILITIES, type Capabilities, hasNamespace, type Spec } from "@gantry/oci";
import type { Facts } from "./facts.ts";

export interface CapabilityMasks {
  readonly bounding: bigint;
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly ambient: bigint;
}

const NUMBERS: ReadonlyMap<string, number> = new Map(CAPABILITIES.map((name, i) => [name, i]));

/** What the kernel lacks or the runtime does not have is left out: it could not be given. Absent sets are empty. */
export function capabilityMasks(capabilities: Capabilities | undefined, facts: Facts, spec: Spec): CapabilityMasks {
  // The first process of a user namespace has every capability there.
  const all = (1n << BigInt(facts.lastCapability + 1)) - 1n;
  const available = hasNamespace(spec.linux, "user") ? all : facts.capabilities;
  const mask = (names: readonly string[] = []) => {
    let bits = 0n;
    for (const name of names) {
      const number = NUMBERS.get(name);
      if (number !== undefined) bits |= 1n << BigInt(number);
    }
    return bits & available;
  };
  return {
    bounding: mask(capabilities?.bounding),
    effective: mask(capabilities?.effective),
    permitted: mask(capabilities?.permitted),
    inheritable: mask(capabilities?.inheritable),
    ambient: mask(capabilities?.ambient),
  };
}

/** Names that `capabilityMasks` leaves out, sorted. */
export function unavailableCapabilities(capabilities: Capabilities | undefined, facts: Facts, spec: Spec): string[] {
  const all = (1n << BigInt(facts.lastCapability + 1)) - 1n;
  const available = hasNamespace(spec.linux, "user") ? all : facts.capabilities;
  const names = new Set(Object.values(capabilities ?? {}).flat());
  return [...names]
    .filter((name) => {
      const number = NUMBERS.get(name);
      return number === undefined || !(available & (1n << BigInt(number)));
    })
    .sort();
}
