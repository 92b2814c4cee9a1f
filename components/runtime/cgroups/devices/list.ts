/**
 * The device controller of cgroup v1: a default and a list of exceptions. Changing it must never take a right away for an
 * instant that both the old and the new list grant, so only the differences are written. Pure.
 */
import { FailedPrecondition, Internal } from "@gantry/oci";
import { accessBits, accessText, type DeviceRule, ruleText } from "./rules.ts";

/** `exceptions`: access bits by `c 1:3`. */
export interface DeviceList {
  readonly allowByDefault: boolean;
  readonly exceptions: ReadonlyMap<string, number>;
}

/** What `devices.list` says. While everything is allowed by default the kernel does not tell the exceptions. */
export function parseDevicesList(text: string): DeviceList {
  const exceptions = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    if (line.startsWith("a ")) return { allowByDefault: true, exceptions: new Map() };
    const end = line.lastIndexOf(" ");
    if (end < 2 || !(line.startsWith("c ") || line.startsWith("b ")))
      throw new Internal(`devices.list: cannot read "${line}"`);
    add(exceptions, line.slice(0, end), accessBits(line.slice(end + 1)));
  }
  return { allowByDefault: false, exceptions };
}

/** The list that the rules amount to, one after the other, from a cgroup that denies everything. */
export function deviceList(rules: readonly DeviceRule[]): DeviceList {
  let allowByDefault = false;
  let exceptions = new Map<string, number>();
  for (const rule of rules) {
    if (rule.type === "a") {
      allowByDefault = rule.allow;
      exceptions = new Map();
    } else if (rule.allow === allowByDefault) remove(exceptions, rule);
    else add(exceptions, keyOf(rule), rule.access);
  }
  return { allowByDefault, exceptions };
}

function keyOf(rule: DeviceRule): string {
  return ruleText(rule).slice(0, -accessText(rule.access).length - 1);
}

function add(exceptions: Map<string, number>, key: string, access: number): void {
  exceptions.set(key, (exceptions.get(key) ?? 0) | access);
}

/** The kernel would ignore the removal of a part of a wider exception; a rule without effect is worse than an error. */
function remove(exceptions: Map<string, number>, rule: DeviceRule): void {
  const key = keyOf(rule);
  for (const wider of [
    { ...rule, major: -1 },
    { ...rule, minor: -1 },
    { ...rule, major: -1, minor: -1 },
  ]) {
    const overlap = keyOf(wider) === key ? 0 : (exceptions.get(keyOf(wider)) ?? 0) & rule.access;
    if (overlap !== 0)
      throw new FailedPrecondition(
        `linux.resources.devices: requested rule [${ruleText(rule)}] not supported by devices cgroupv1 (cannot punch hole in existing wildcard rule [${ruleText(wider)}])`,
      );
  }
  const left = (exceptions.get(key) ?? 0) & ~rule.access;
  if (left === 0) exceptions.delete(key);
  else exceptions.set(key, left);
}

export interface ListWrite {
  readonly file: "devices.allow" | "devices.deny";
  readonly value: string;
}

/** The fewest writes that lead from one list to the other. */
export function transition(from: DeviceList, to: DeviceList): ListWrite[] {
  const writes: ListWrite[] = [];
  const put = (allow: boolean, value: string) => writes.push({ file: allow ? "devices.allow" : "devices.deny", value });
  let old = from.exceptions;
  // Unknown exceptions of a cgroup that allows by default, or another default: there is no way around starting afresh.
  if (from.allowByDefault || to.allowByDefault) {
    put(to.allowByDefault, "a");
    old = new Map();
  }
  // Gains before losses: whoever is granted by both lists, if under another name, stays granted in between.
  for (const [key, access] of to.exceptions) {
    const gained = access & ~(old.get(key) ?? 0);
    if (gained !== 0) put(!to.allowByDefault, `${key} ${accessText(gained)}`);
  }
  for (const [key, access] of old) {
    const dropped = access & ~(to.exceptions.get(key) ?? 0);
    if (dropped !== 0) put(to.allowByDefault, `${key} ${accessText(dropped)}`);
  }
  return writes;
}

/** True when the cgroup does what was asked; where it allows by default only that can be seen. */
export function sameList(now: DeviceList, wanted: DeviceList): boolean {
  if (now.allowByDefault !== wanted.allowByDefault) return false;
  if (wanted.allowByDefault) return true;
  if (now.exceptions.size !== wanted.exceptions.size) return false;
  for (const [key, access] of wanted.exceptions) if (now.exceptions.get(key) !== access) return false;
  return true;
}
