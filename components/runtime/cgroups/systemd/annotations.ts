/** Annotations that set properties of the container's unit. Pure. */
import { InvalidArgument } from "@gantry/oci";
import { parseGVariant } from "./gvariant.ts";
import type { Variant } from "./wire.ts";

const PREFIX = "org.systemd.property.";
const US_PER_S = 1_000_000;

export interface Property {
  readonly name: string;
  readonly value: Variant;
}

/** `org.systemd.property.TimeoutStopSec` = `uint64 5` → TimeoutStopUSec 5000000. @throws InvalidArgument naming the annotation. */
export function annotatedProperties(annotations: Readonly<Record<string, string>>): Property[] {
  return Object.entries(annotations)
    .filter(([key]) => key.startsWith(PREFIX))
    .map(([key, text]) => property(key, text));
}

function property(key: string, text: string): Property {
  const at = `annotations[${JSON.stringify(key)}]`;
  const name = key.slice(PREFIX.length);
  if (!/^[A-Za-z]{3,}$/.test(name))
    throw new InvalidArgument(
      `${at}: annotation ${key} name incorrect: a property has three letters or more, and letters only`,
    );
  try {
    const value = parseGVariant(text);
    return /[a-z]Sec$/.test(name)
      ? { name: name.replace(/Sec$/, "USec"), value: microseconds(value) }
      : { name, value };
  } catch (error) {
    throw new InvalidArgument(`${at}: annotation ${key}=${text} value parse error: ${(error as Error).message}`);
  }
}

/** systemd has no property in seconds on the bus, only in its files. */
function microseconds({ value }: Variant): Variant {
  if (typeof value !== "number" && typeof value !== "bigint") throw new InvalidArgument("not a number");
  if (value < 0) throw new InvalidArgument("a time cannot be negative");
  const us = typeof value === "bigint" ? value * BigInt(US_PER_S) : BigInt(Math.round(value * US_PER_S));
  return { signature: "t", value: us };
}
