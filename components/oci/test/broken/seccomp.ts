/** config-linux.md, "Seccomp". */
import { linux, type Row } from "./change.ts";

const AT = "linux.seccomp";
const RULE = `${AT}.syscalls[0]`;
const of =
  (extra: object): Row[1] =>
  (c) =>
    linux(c, { seccomp: { defaultAction: "SCMP_ACT_ALLOW", ...extra } });
const rule = (rule: object, extra: object = {}) =>
  of({ syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO", ...rule }], ...extra });
const arg = (extra: object) => rule({ args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ", ...extra }] });
const NOTIFY = "SCMP_ACT_NOTIFY";

// biome-ignore format: a table
export const SECCOMP: readonly Row[] = [
  ["default action", of({ defaultAction: "ALLOW" }), `${AT}.defaultAction`, "string ALLOW is not a valid action for seccomp"],
  ["rules without default", rule({}, { defaultAction: undefined }), `${AT}.defaultAction`],
  ["rules with empty default", rule({}, { defaultAction: "" }), `${AT}.defaultAction`, "is not a valid action"],
  ["NOTIFY as default", of({ defaultAction: NOTIFY, listenerPath: "/s" }), `${AT}.defaultAction`, "SCMP_ACT_NOTIFY cannot be used as default action"],
  ["errno of ALLOW", of({ defaultErrnoRet: 1 }), `${AT}.defaultErrnoRet`, "errno value specified for action"],
  ["errno of a KILL rule", rule({ action: "SCMP_ACT_KILL", errnoRet: 1 }), `${RULE}.errnoRet`, "errno value specified for action"],
  ["architecture", of({ architectures: ["x86_64"] }), `${AT}.architectures[0]`, "is not a valid arch for seccomp"],
  ["flag", of({ flags: ["SECCOMP_FILTER_FLAG_LOGS"] }), `${AT}.flags[0]`, 'did you mean "SECCOMP_FILTER_FLAG_LOG"?'],
  ["rule without names", rule({ names: [] }), `${RULE}.names`],
  ["rule with an empty name", rule({ names: ["read", ""] }), `${RULE}.names[1]`],
  ["action", rule({ action: "SCMP_ACT_DENY" }), `${RULE}.action`, "is not a valid action"],
  ["index 6", arg({ index: 6 }), `${RULE}.args[0].index`],
  ["operator", arg({ op: "==" }), `${RULE}.args[0].op`, "string == is not a valid operator for seccomp"],
  ["NOTIFY without listener", rule({ action: NOTIFY }), `${AT}.listenerPath`, "seccomp listenerPath is not set"],
  ["NOTIFY of write", rule({ action: NOTIFY, names: ["read", "write"] }, { listenerPath: "/s" }), `${RULE}.names[1]`, "SCMP_ACT_NOTIFY cannot be used for the write syscall"],
  ["metadata without listener", of({ listenerMetadata: "m" }), `${AT}.listenerMetadata`],
  ["relative listener", of({ listenerPath: "s.sock" }), `${AT}.listenerPath`, "absolute"],
];
