/** config-linux.md, "Control groups": what a controller would refuse, or take for something else. */
import { fieldPath } from "../check.ts";
import { parseIdList } from "../lists.ts";
import type { BlockIO, CPU, DeviceCgroup, Memory, Resources } from "../spec-linux.ts";
import type { ValidationFacts } from "../validate.ts";
import { type Findings, fail, warn } from "./findings.ts";

const AT = "linux.resources";

export function checkResources(resources: Resources, facts: ValidationFacts, to: Findings): void {
  for (const [i, rule] of resources.devices?.entries() ?? []) checkDeviceRule(rule, i, to);
  if (resources.memory !== undefined) checkMemory(resources.memory, facts, to);
  if (resources.cpu !== undefined) checkCpu(resources.cpu, to);
  if (resources.blockIO !== undefined) checkBlockIo(resources.blockIO, to);
  for (const [i, { pageSize }] of resources.hugepageLimits?.entries() ?? [])
    if (!/^[1-9][0-9]*[KMG]B$/.test(pageSize))
      fail(to, `${AT}.hugepageLimits[${i}].pageSize`, `must look like "64KB", "2MB" or "1GB", not "${pageSize}"`);
  for (const [i, { name }] of resources.network?.priorities?.entries() ?? [])
    if (name === "") fail(to, `${AT}.network.priorities[${i}].name`, "must not be empty");
  if (resources.network !== undefined && facts.cgroupMode === "unified")
    warn(to, `${AT}.network`, "ignored: cgroup v2 has no net_cls and net_prio controllers");
  for (const key in resources.rdma) {
    const { hcaHandles, hcaObjects } = resources.rdma[key]!;
    if (hcaHandles === undefined && hcaObjects === undefined)
      fail(to, fieldPath(`${AT}.rdma`, key), "at least one of hcaHandles and hcaObjects must be set");
  }
  checkUnified(resources, facts, to);
}

function checkDeviceRule({ type, major, minor, access }: DeviceCgroup, i: number, to: Findings): void {
  const at = `${AT}.devices[${i}]`;
  if (!access) fail(to, `${at}.access`, `device access at ${i} field cannot be empty`);
  else if (!/^[rwm]+$/.test(access)) warn(to, `${at}.access`, `"${access}": only r, w and m have a meaning`);
  if (type !== undefined && !["", "a", "b", "c"].includes(type))
    fail(to, `${at}.type`, `invalid cgroup device type "${type}"; must be "a", "b" or "c"`);
  for (const [name, number] of [
    ["major", major],
    ["minor", minor],
  ] as const)
    if (number !== undefined && number < -1)
      fail(to, `${at}.${name}`, `must be -1 (any) or a device number, not ${number}`);
}

function checkMemory(memory: Memory, facts: ValidationFacts, to: Findings): void {
  for (const name of ["limit", "reservation", "swap"] as const)
    if ((memory[name] ?? 0) < -1)
      fail(to, `${AT}.memory.${name}`, `must be -1 (unlimited) or a number of bytes, not ${memory[name]}`);
  for (const name of ["kernel", "kernelTCP", "useHierarchy"] as const)
    if (memory[name] !== undefined) warn(to, `${AT}.memory.${name}`, "deprecated, ignored");
  if ((memory.swappiness ?? 0) > 100)
    fail(to, `${AT}.memory.swappiness`, `invalid memory swappiness value: ${memory.swappiness} (valid range is 0-100)`);
  const { limit = 0, swap = 0 } = memory;
  if (swap <= 0 || limit < 0) return;
  if (limit > 0 && swap < limit)
    fail(to, `${AT}.memory.swap`, `memory+swap limit should be >= memory limit: ${swap} is less than ${limit}`);
  else if (limit <= 0 && facts.cgroupMode === "unified")
    fail(to, `${AT}.memory.swap`, "unable to set swap limit without memory limit");
}

function checkCpu(cpu: CPU, to: Findings): void {
  const { quota = 0, burst = 0, period = 0 } = cpu;
  if (quota < -1 || (quota > 0 && quota < 1000))
    fail(to, `${AT}.cpu.quota`, `must be -1 (unlimited) or at least 1000 µs, not ${quota}`);
  if (period > 0 && (period < 1000 || period > 1_000_000))
    fail(to, `${AT}.cpu.period`, `must be from 1000 to 1000000 µs, not ${period}`);
  if (burst > 0 && quota > 0 && burst > quota)
    fail(to, `${AT}.cpu.burst`, `must not be greater than the quota ${quota}, not ${burst}`);
  if ((cpu.realtimeRuntime ?? 0) < -1)
    fail(to, `${AT}.cpu.realtimeRuntime`, `must not be less than -1, not ${cpu.realtimeRuntime}`);
  const { idle = 0 } = cpu;
  if (idle < 0 || idle > 1) fail(to, `${AT}.cpu.idle`, `must be 0 or 1, not ${idle}`);
  for (const name of ["cpus", "mems"] as const) checkCpuset(cpu[name] ?? "", `${AT}.cpu.${name}`, to);
}

/** bitmap_parselist of the kernel takes more than plain lists (`0-31:1/4`, `N`, `all`): those pass unread. */
function checkCpuset(text: string, at: string, to: Findings): void {
  if (/^[\d,\s-]*$/.test(text)) {
    const list = parseIdList(text.trim());
    if (typeof list === "string") fail(to, at, `"${text}": ${list}`);
  } else if (!/^([\d,\s:/N-]+|all)$/.test(text)) fail(to, at, `"${text}" is not a list such as "0-3,7"`);
}

const THROTTLES = [
  "throttleReadBpsDevice",
  "throttleWriteBpsDevice",
  "throttleReadIOPSDevice",
  "throttleWriteIOPSDevice",
] as const;

function checkBlockIo(io: BlockIO, to: Findings): void {
  const at = `${AT}.blockIO`;
  checkWeights(io, at, to);
  for (const [i, device] of io.weightDevice?.entries() ?? []) {
    const entry = `${at}.weightDevice[${i}]`;
    if (device.weight === undefined && device.leafWeight === undefined)
      fail(to, entry, "at least one of weight and leafWeight must be set");
    checkWeights(device, entry, to);
    checkDeviceNumbers(device, entry, to);
  }
  for (const name of THROTTLES)
    for (const [i, device] of io[name]?.entries() ?? []) checkDeviceNumbers(device, `${at}.${name}[${i}]`, to);
}

function checkWeights(of: { readonly weight?: number; readonly leafWeight?: number }, at: string, to: Findings): void {
  for (const name of ["weight", "leafWeight"] as const) {
    const weight = of[name] ?? 0;
    if (weight !== 0 && (weight < 10 || weight > 1000))
      fail(to, `${at}.${name}`, `must be from 10 to 1000, not ${weight}`);
  }
}

function checkDeviceNumbers(of: { readonly major: number; readonly minor: number }, at: string, to: Findings): void {
  for (const name of ["major", "minor"] as const)
    if (of[name] < 0) fail(to, `${at}.${name}`, `must be a device number, not ${of[name]}`);
}

/** config-linux.md, "unified": names of files in the container's own directory. */
function checkUnified({ unified = {} }: Resources, facts: ValidationFacts, to: Findings): void {
  const keys = Object.keys(unified);
  if (keys.length === 0) return;
  if (facts.cgroupMode !== "unified")
    fail(to, `${AT}.unified`, "invalid configuration: cannot use unified on cgroup v1");
  for (const key of keys) {
    const at = fieldPath(`${AT}.unified`, key);
    if (key.includes("/")) fail(to, at, `unified resource "${key}" must be a file name (no slashes)`);
    else if (key.indexOf(".") <= 0) fail(to, at, `unified resource "${key}" must be in the form CONTROLLER.PARAMETER`);
  }
}
