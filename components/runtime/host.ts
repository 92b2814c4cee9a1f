/** Looks at the host once: everything that compiling and validating want to know. */
import { existsSync, readFileSync } from "node:fs";
import { type CgroupHost, detectCgroups } from "./cgroups/index.ts";

export interface Host {
  readonly euid: number;
  readonly egid: number;
  /** In a user namespace that is not the host's. */
  readonly inUserNamespace: boolean;
  readonly rootless: boolean;
  readonly capabilities: bigint;
  readonly lastCapability: number;
  readonly cgroups: CgroupHost;
  readonly apparmor: boolean;
  readonly selinux: boolean;
}

/** A file's text; "" when this kernel does not have it. */
export function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // a file that this kernel does not have says the same as an empty one
  }
}

/** What uid_map says where nothing is mapped; the kernel pads each number to ten columns. */
const HOST_MAP = "         0          0 4294967295\n";

function hexAfter(text: string, label: string): string {
  const at = text.indexOf(label);
  return at < 0 ? "" : text.slice(at + label.length, text.indexOf("\n", at));
}

/** `rootless` overrides the guess: not root, or in a user namespace of somebody. */
export function inspectHost(rootless?: boolean): Host {
  const euid = process.geteuid!();
  const status = read("/proc/self/status");
  const map = read("/proc/self/uid_map");
  const inUserNamespace = map !== "" && map !== HOST_MAP;
  return {
    euid,
    egid: process.getegid!(),
    inUserNamespace,
    rootless: rootless ?? (euid !== 0 || inUserNamespace),
    capabilities: BigInt(`0x${hexAfter(status, "CapPrm:\t") || "0"}`),
    lastCapability: Number(read("/proc/sys/kernel/cap_last_cap")) || 40,
    cgroups: detectCgroups(),
    apparmor: read("/sys/module/apparmor/parameters/enabled").startsWith("Y"),
    selinux: existsSync("/sys/fs/selinux/enforce"),
  };
}
