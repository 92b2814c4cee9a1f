/** config-linux.md: devices, network devices, Intel RDT, memory policy, personality, propagation, paths. */
import { fieldPath } from "../check.ts";
import { parseIdList } from "../lists.ts";
import { mountOption } from "../mount-options.ts";
import { MEMORY_POLICY_FLAGS, MEMORY_POLICY_MODES, PERSONALITY_DOMAINS } from "../names.ts";
import type { Spec } from "../spec.ts";
import type { Device, IntelRdt, Linux, MemoryPolicy } from "../spec-linux.ts";
import type { ValidationFacts } from "../validate.ts";
import { didYouMean, type Findings, fail, isLonger, isNameOf, warn } from "./findings.ts";
import { hasNamespace } from "./namespaces.ts";
import { validateSystemdProperties } from "./top.ts";

export function validateLinux(spec: Spec, facts: ValidationFacts, to: Findings): void {
  const linux = spec.linux!;
  for (const [i, device] of linux.devices?.entries() ?? []) validateDevice(device, `linux.devices[${i}]`, to);
  validateNetDevices(linux, facts, to);
  validateCgroupsPath(linux.cgroupsPath ?? "", facts, to);
  if (facts.systemdCgroup) validateSystemdProperties(spec.annotations, to);
  validatePropagation(linux.rootfsPropagation ?? "", facts, to);
  for (const field of ["maskedPaths", "readonlyPaths"] as const)
    for (const [i, path] of linux[field]?.entries() ?? [])
      if (!path.startsWith("/")) fail(to, `linux.${field}[${i}]`, `must be an absolute path, not "${path}"`);
  if (linux.intelRdt !== undefined) validateIntelRdt(linux.intelRdt, facts, to);
  if (linux.memoryPolicy !== undefined) validateMemoryPolicy(linux.memoryPolicy, to);
  validatePersonality(linux, to);
}

function validateDevice({ type, path, major, minor }: Device, at: string, to: Findings): void {
  if (!path.startsWith("/")) fail(to, `${at}.path`, `must be an absolute path, not "${path}"`);
  if (type === "p") return;
  if (!["b", "c", "u"].includes(type))
    fail(to, `${at}.type`, `invalid device type "${type}"; must be "c", "b", "u" or "p"`);
  checkNumber(major, 0xfff, `${at}.major`, to);
  checkNumber(minor, 0xfffff, `${at}.minor`, to);
}

/** The kernel keeps 12 bits of the major and 20 of the minor number. */
function checkNumber(number: number | undefined, max: number, at: string, to: Findings): void {
  if (number === undefined) fail(to, at, "must be set");
  else if (number < 0 || number > max) fail(to, at, `must be from 0 to ${max}, not ${number}`);
}

/** config-linux.md, "Network Devices". */
function validateNetDevices(linux: Linux, facts: ValidationFacts, to: Findings): void {
  const names = Object.keys(linux.netDevices ?? {});
  if (names.length === 0) return;
  const at = "linux.netDevices";
  if (!hasNamespace(linux, "network")) fail(to, at, "unable to move network devices without a NET namespace");
  if (facts.rootless) fail(to, at, "network devices are not supported for rootless containers");
  const inside = new Set<string>();
  for (const name of names) {
    const field = fieldPath(at, name);
    const target = linux.netDevices![name]!.name || name;
    if (!isDeviceName(name)) fail(to, field, `invalid network device name "${name}"`);
    if (target !== name && !isDeviceName(target)) fail(to, `${field}.name`, `invalid network device name "${target}"`);
    if (inside.has(target) && !target.includes("%d")) fail(to, `${field}.name`, `"${target}" is given twice`);
    inside.add(target);
  }
}

/** Linux: dev_valid_name. */
function isDeviceName(name: string): boolean {
  if (name === "" || name === "." || name === "..") return false;
  return !isLonger(name, 15) && !/[/:\s]/.test(name);
}

function validateCgroupsPath(path: string, facts: ValidationFacts, to: Findings): void {
  if (path === "" || !facts.systemdCgroup || path.split(":").length === 3) return;
  const text = `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "${path}" instead`;
  fail(to, "linux.cgroupsPath", text);
}

function validatePropagation(mode: string, facts: ValidationFacts, to: Findings): void {
  if (mode === "") return;
  if (mountOption(mode)?.does !== "propagation") {
    const modes = ["private", "slave", "shared", "unbindable"].flatMap((name) => [name, `r${name}`]);
    fail(to, "linux.rootfsPropagation", `rootfsPropagation=${mode} is not supported${didYouMean(mode, modes)}`);
  } else if (facts.noPivot && mode.endsWith("private")) {
    fail(to, "linux.rootfsPropagation", "rootfsPropagation of [r]private is not safe without pivot_root");
  }
}

/** config-linux.md, "IntelRdt". */
function validateIntelRdt(rdt: IntelRdt, facts: ValidationFacts, to: Findings): void {
  const at = "linux.intelRdt";
  if (facts.intelRdt === false) fail(to, at, "intelRdt is specified in config, but Intel RDT is not enabled");
  const id = rdt.closID ?? "";
  if (id === "." || id === ".." || (id.length > 1 && id.includes("/")))
    fail(to, `${at}.closID`, `invalid intelRdt.ClosID "${id}"`);
  if (rdt.memBwSchema && !rdt.memBwSchema.startsWith("MB:"))
    fail(to, `${at}.memBwSchema`, `must begin with "MB:", not "${rdt.memBwSchema}"`);
  for (const name of ["l3CacheSchema", "memBwSchema"] as const)
    if (rdt[name]?.includes("\n")) fail(to, `${at}.${name}`, "must not contain a newline");
  for (const [i, line] of rdt.schemata?.entries() ?? [])
    if (line.includes("\n")) fail(to, `${at}.schemata[${i}]`, "must not contain a newline");
}

/** set_mempolicy(2). */
function validateMemoryPolicy({ mode, nodes = "", flags = [] }: MemoryPolicy, to: Findings): void {
  const at = "linux.memoryPolicy";
  const known = isNameOf(to, `${at}.mode`, mode, MEMORY_POLICY_MODES, (name) => `invalid memory policy mode "${name}"`);
  for (const [i, flag] of flags.entries())
    isNameOf(to, `${at}.flags[${i}]`, flag, MEMORY_POLICY_FLAGS, (name) => `invalid memory policy flag "${name}"`);
  if (flags.includes("MPOL_F_STATIC_NODES") && flags.includes("MPOL_F_RELATIVE_NODES"))
    fail(
      to,
      `${at}.flags`,
      "invalid memory policy flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other",
    );
  const list = parseIdList(nodes);
  if (typeof list === "string") fail(to, `${at}.nodes`, `invalid memory policy nodes "${nodes}": ${list}`);
  if (!known || typeof list === "string") return;
  const wants = MEMORY_POLICY_MODES[mode].nodes;
  if (wants === "none" && list.count > 0)
    fail(to, `${at}.nodes`, `memory policy mode requires 0 nodes but got ${list.count}`);
  if (wants === "some" && list.count === 0)
    fail(to, `${at}.nodes`, "memory policy mode requires at least one node but got 0");
}

function validatePersonality({ personality }: Linux, to: Findings): void {
  if (personality === undefined) return;
  const text = (name: string) => `invalid personality domain ${name}`;
  isNameOf(to, "linux.personality.domain", personality.domain, PERSONALITY_DOMAINS, text);
  const flags = personality.flags ?? [];
  if (flags.length > 0)
    warn(to, "linux.personality.flags", `ignoring unsupported personality flags: [${flags.join(" ")}]`);
}
