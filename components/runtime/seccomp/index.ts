/** Seccomp: the compiler of `linux.seccomp`, and what `features` and `plan` say of it. */
export { archOfMachine, type SeccompArch } from "./arches.ts";
export { compileSeccomp, type SeccompFilter } from "./compile.ts";
export { disassemble, returnText } from "./disassemble.ts";
export type { SeccompFacts } from "./facts.ts";
export { flagsText, KERNEL_FLAGS, NEW_LISTENER, supportedFlags } from "./flags.ts";
