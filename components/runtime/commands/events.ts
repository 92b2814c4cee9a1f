/** `events`: one line of JSON for each. */
import { InvalidArgument } from "@gantry/oci";
import { print } from "@gantry/sys";
import { running, statsOf, watch } from "../events.ts";
import { UsageError } from "./flags.ts";
import { type Invocation, messageOf } from "./main.ts";

export function events({ flags, context }: Invocation): number {
  const id = flags.positional[0]!;
  const intervalMs = milliseconds(flags.string("interval") ?? "5s");
  if (intervalMs <= 0) throw new InvalidArgument("duration interval must be greater than 0");
  const found = running(context, id);
  const name = JSON.stringify(id);
  const onStats = (data: string) => print(`{"type":"stats","id":${name},"data":${data}}\n`);
  if (flags.bool("stats")) {
    onStats(statsOf(found));
    return 0;
  }
  watch(found, {
    intervalMs,
    onStats,
    onOom: () => print(`{"type":"oom","id":${name}}\n`),
    onError: (error) => context.log.error(messageOf(error)),
  });
  return 0;
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1e3,
  m: 6e4,
  h: 36e5,
};

/** A duration as Go writes it, such as `1m30s` or `100ms`. @throws UsageError */
export function milliseconds(text: string): number {
  const [, sign, rest = ""] = /^([+-]?)(.*)$/s.exec(text)!;
  const parts = [...rest.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy)];
  const read = parts.reduce((length, [part]) => length + part.length, 0);
  if (rest === "0") return 0;
  if (parts.length === 0 || read < rest.length)
    throw new UsageError(`invalid value "${text}" for flag -interval: time: invalid duration "${text}"`);
  const sum = parts.reduce((total, [, number, unit]) => total + Number(number) * UNITS[unit!]!, 0);
  return sign === "-" ? -sum : sum;
}
