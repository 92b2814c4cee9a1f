/**
 * Configurations with one thing wrong, and the field that the message must name: half generated from the tables, half made by
 * hand. The runtime's end-to-end test of bad input uses the same list.
 */
import { type BrokenConfig, broken } from "./broken/change.ts";
import { GENERATED } from "./broken/generated.ts";
import { HOST } from "./broken/host.ts";
import { LINUX } from "./broken/linux.ts";
import { MOUNTS } from "./broken/mounts.ts";
import { PROCESS } from "./broken/process.ts";
import { RESOURCES } from "./broken/resources.ts";
import { SECCOMP } from "./broken/seccomp.ts";
import { SYNTAX } from "./broken/syntax.ts";
import { TOP } from "./broken/top.ts";

export type { BrokenConfig };

/** Those with `facts` are broken on some hosts only. */
export const BROKEN_CONFIGS: readonly BrokenConfig[] = [
  ...SYNTAX,
  ...GENERATED,
  ...[TOP, PROCESS, MOUNTS, LINUX, RESOURCES, SECCOMP].flat().map((row) => broken(row)),
  ...HOST,
];
