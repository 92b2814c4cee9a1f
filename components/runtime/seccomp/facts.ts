/** What the compiler is told of the machine; gathering it is the caller's work. */
import type { SeccompArch } from "./arches.ts";

export interface SeccompFacts {
  /** The architecture of the kernel (`archOfMachine(process.arch)`). */
  readonly arch: SeccompArch;
  /** The words of /proc/sys/kernel/seccomp/actions_avail; absent: all that we know. */
  readonly actions?: readonly string[];
  /** `SECCOMP_FILTER_FLAG_*` bits that seccomp(2) takes (see `KERNEL_FLAGS`); absent: all that we know. */
  readonly flags?: number;
}
