/** Device rules, normalised. */
import { type DeviceCgroup, InvalidArgument } from "@gantry/oci";

/** Bits of `access`, those of the kernel's BPF_DEVCG_ACC_*. */
export const MKNOD = 1;
export const READ = 2;
export const WRITE = 4;
export const RWM = MKNOD | READ | WRITE;

/** −1 as number is any. `type` `a` is both kinds, and then the numbers are −1 and the access is all: it starts afresh. */
export interface DeviceRule {
  readonly allow: boolean;
  readonly type: "a" | "b" | "c";
  readonly major: number;
  readonly minor: number;
  readonly access: number;
}

const rule = (type: "b" | "c", major: number, minor: number, access: number): DeviceRule => ({
  allow: true,
  type,
  major,
  minor,
  access,
});

/** What every container may use, after its own rules; with the node's path, for the six that it also finds in /dev. */
const DEFAULTS: readonly { readonly path: string; readonly rule: DeviceRule }[] = [
  { path: "", rule: rule("c", -1, -1, MKNOD) },
  { path: "", rule: rule("b", -1, -1, MKNOD) },
  { path: "/dev/null", rule: rule("c", 1, 3, RWM) },
  { path: "/dev/random", rule: rule("c", 1, 8, RWM) },
  { path: "/dev/full", rule: rule("c", 1, 7, RWM) },
  { path: "/dev/tty", rule: rule("c", 5, 0, RWM) },
  { path: "/dev/zero", rule: rule("c", 1, 5, RWM) },
  { path: "/dev/urandom", rule: rule("c", 1, 9, RWM) },
  { path: "", rule: rule("c", 136, -1, RWM) }, // /dev/pts/*
  { path: "", rule: rule("c", 5, 2, RWM) }, // /dev/ptmx
  { path: "", rule: rule("c", 10, 200, RWM) }, // /dev/net/tun
];

/** The rules of config.json, then the default ones, without those whose node `nodes` defines anew. */
export function deviceRules(
  rules: readonly DeviceCgroup[],
  nodes: readonly { readonly path: string }[] = [],
): DeviceRule[] {
  const all: DeviceRule[] = [];
  for (let i = 0; i < rules.length; i++) addRule(all, rules[i]!, i);
  const defined = new Set<string>();
  for (const { path } of nodes) defined.add(path);
  for (const { path, rule } of DEFAULTS) if (!defined.has(path)) all.push(rule);
  return all;
}

function addRule(to: DeviceRule[], from: DeviceCgroup, i: number): void {
  const { allow, type = "a", major = -1, minor = -1, access = "" } = from;
  const at = `linux.resources.devices[${i}]`;
  if (access === "") throw new InvalidArgument(`${at}: device access at ${i} field cannot be empty`);
  if (major < -1) throw new InvalidArgument(`${at}.major: must be -1 (any) or a device number, not ${major}`);
  if (minor < -1) throw new InvalidArgument(`${at}.minor: must be -1 (any) or a device number, not ${minor}`);
  if (type !== "a" && type !== "b" && type !== "c" && type !== "")
    throw new InvalidArgument(`${at}.type: invalid device type "${type}"`);
  const bits = accessBits(access);
  if (type === "b" || type === "c") to.push({ allow, type, major, minor, access: bits });
  else if (major === -1 && minor === -1 && bits === RWM) to.push({ allow, type: "a", major, minor, access: bits });
  else {
    // The kernel would take "a" with numbers or with some of the rights for everything.
    to.push({ allow, type: "b", major, minor, access: bits });
    to.push({ allow, type: "c", major, minor, access: bits });
  }
}

/** @returns the bits of the letters r, w and m; others have no meaning. */
export function accessBits(text: string): number {
  return (text.includes("r") ? READ : 0) | (text.includes("w") ? WRITE : 0) | (text.includes("m") ? MKNOD : 0);
}

/** @returns the letters in the kernel's order. */
export function accessText(bits: number): string {
  return (bits & READ ? "r" : "") + (bits & WRITE ? "w" : "") + (bits & MKNOD ? "m" : "");
}

/** As `devices.allow`, `devices.deny` and `devices.list` write it: `c 1:3 rwm`. */
export function ruleText({ type, major, minor, access }: Omit<DeviceRule, "allow">): string {
  return `${type} ${number(major)}:${number(minor)} ${accessText(access)}`;
}

function number(n: number): string {
  return n === -1 ? "*" : String(n);
}
