/** config-linux.md, "Sysctl": only what a namespace of the container keeps to itself may be written. */
import { fieldPath } from "../check.ts";
import type { Linux } from "../spec-linux.ts";
import type { ValidationFacts } from "../validate.ts";
import { type Findings, fail } from "./findings.ts";
import { hasNamespace, namespacePath } from "./namespaces.ts";

const IPC_NAMES: ReadonlySet<string> = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);

/**
 * sysctl(8): both separators are allowed; where the first one is `/`, the two change places.
 * @returns the name with `.` as the separator, a literal dot as `/`: `net/ipv4/conf/eno2.100/mtu` → `net.ipv4.conf.eno2/100.mtu`.
 */
export function dottedSysctl(name: string): string {
  const separator = /[./]/.exec(name)?.[0];
  return separator === "/" ? swapSeparators(name) : name;
}

/** @returns the path below /proc/sys that `name` stands for; undefined when a part of it is empty, `.` or `..`. */
export function sysctlPath(name: string): string | undefined {
  const path = swapSeparators(dottedSysctl(name));
  return path.split("/").some((part) => part === "" || part === "." || part === "..") ? undefined : path;
}

function swapSeparators(name: string): string {
  return name.replace(/[./]/g, (separator) => (separator === "." ? "/" : "."));
}

export function validateSysctl(linux: Linux, facts: ValidationFacts, to: Findings): void {
  for (const key in linux.sysctl) {
    const at = fieldPath("linux.sysctl", key);
    const name = dottedSysctl(key);
    const refused = sysctlPath(key) === undefined ? notPlain(name) : refusal(name, linux, facts);
    if (refused !== undefined) fail(to, at, refused);
  }
}

function notPlain(name: string): string {
  return `sysctl "${name}" is not in a separate kernel namespace: a part of the name is empty, "." or ".."`;
}

/** @returns why `name` may not be written in this container, or undefined. */
function refusal(name: string, linux: Linux, facts: ValidationFacts): string | undefined {
  if (IPC_NAMES.has(name) || name.startsWith("fs.mqueue."))
    return hasNamespace(linux, "ipc") ? undefined : `sysctl "${name}" is not allowed in the hosts ipc namespace`;
  if (name.startsWith("net.")) {
    const path = namespacePath(linux, "network");
    const host = path === undefined || (path !== "" && facts.networkIsHost === true);
    return host ? `sysctl "${name}" not allowed in host network namespace` : undefined;
  }
  if (hasNamespace(linux, "uts")) {
    if (name === "kernel.domainname") return undefined;
    if (name === "kernel.hostname")
      return `sysctl "${name}" is not allowed as it conflicts with the OCI "hostname" field`;
  }
  if (name.startsWith("user."))
    return hasNamespace(linux, "user") ? undefined : `setting ucounts without a user namespace not allowed: ${name}`;
  return `sysctl "${name}" is not in a separate kernel namespace`;
}
