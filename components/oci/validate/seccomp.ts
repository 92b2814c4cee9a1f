/** config-linux.md, "Seccomp": names and shapes. What the rules mean together is the compiler's to judge. */
import { SECCOMP_ACTIONS, SECCOMP_ARCHES, SECCOMP_FLAGS, SECCOMP_OPERATORS } from "../names.ts";
import type { Seccomp, SeccompSyscall } from "../spec-linux.ts";
import { type Findings, fail, isNameOf, isOneOf } from "./findings.ts";

const AT = "linux.seccomp";

export function validateSeccomp(seccomp: Seccomp, to: Findings): void {
  validateAction(seccomp.defaultAction, seccomp.defaultErrnoRet, `${AT}.defaultAction`, `${AT}.defaultErrnoRet`, to);
  if (seccomp.defaultAction === "SCMP_ACT_NOTIFY")
    fail(to, `${AT}.defaultAction`, "SCMP_ACT_NOTIFY cannot be used as default action");
  for (const [i, name] of seccomp.architectures?.entries() ?? [])
    isNameOf(
      to,
      `${AT}.architectures[${i}]`,
      name,
      SECCOMP_ARCHES,
      (n) => `string ${n} is not a valid arch for seccomp`,
    );
  for (const [i, name] of seccomp.flags?.entries() ?? [])
    isNameOf(to, `${AT}.flags[${i}]`, name, SECCOMP_FLAGS, (n) => `string ${n} is not a valid flag for seccomp`);
  for (const [i, rule] of seccomp.syscalls?.entries() ?? []) validateRule(rule, `${AT}.syscalls[${i}]`, to);
  validateListener(seccomp, to);
}

function validateListener({ listenerPath, listenerMetadata, syscalls = [] }: Seccomp, to: Findings): void {
  const notifies = syscalls.findIndex(({ action }) => action === "SCMP_ACT_NOTIFY");
  if (!listenerPath && notifies >= 0)
    fail(to, `${AT}.listenerPath`, `seccomp listenerPath is not set, but syscalls[${notifies}] uses SCMP_ACT_NOTIFY`);
  if (!listenerPath && listenerMetadata) fail(to, `${AT}.listenerMetadata`, "must not be set unless listenerPath is");
  if (listenerPath && !listenerPath.startsWith("/"))
    fail(to, `${AT}.listenerPath`, `must be an absolute path, not "${listenerPath}"`);
}

function validateRule(rule: SeccompSyscall, at: string, to: Findings): void {
  if (rule.names.length === 0) fail(to, `${at}.names`, "must contain at least one name");
  for (let i = 0; i < rule.names.length; i++)
    if (rule.names[i] === "") fail(to, `${at}.names[${i}]`, "empty string is not a valid syscall");
  validateAction(rule.action, rule.errnoRet, `${at}.action`, `${at}.errnoRet`, to);
  if (rule.action === "SCMP_ACT_NOTIFY" && rule.names.includes("write"))
    fail(to, `${at}.names[${rule.names.indexOf("write")}]`, "SCMP_ACT_NOTIFY cannot be used for the write syscall");
  for (const [i, { index, op }] of rule.args?.entries() ?? []) {
    if (index > 5) fail(to, `${at}.args[${i}].index`, `must be from 0 to 5, not ${index}`);
    const text = (name: string) => `string ${name} is not a valid operator for seccomp`;
    isOneOf(to, `${at}.args[${i}].op`, op, SECCOMP_OPERATORS, text);
  }
}

function validateAction(
  action: string,
  errno: number | undefined,
  actionField: string,
  errnoField: string,
  to: Findings,
): void {
  const text = (name: string) => `string ${name} is not a valid action for seccomp`;
  if (!isNameOf(to, actionField, action, SECCOMP_ACTIONS, text)) return;
  if (errno !== undefined && !SECCOMP_ACTIONS[action].errno)
    fail(to, errnoField, `errno value specified for action ${action}, which returns none`);
}
