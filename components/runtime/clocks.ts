/** The clocks of a new time namespace; time_namespaces(7), "/proc/PID/timens_offsets". */
import { writeFileSync } from "node:fs";
import { FailedPrecondition, type Spec } from "@gantry/oci";

/** Written from outside, while the namespace is still empty: the process inside may not own its /proc files any more. */
export function setClocks(pid: number, spec: Spec): void {
  for (const [clock, { secs = 0, nanosecs = 0 }] of Object.entries(spec.linux?.timeOffsets ?? {})) {
    try {
      writeFileSync(`/proc/${pid}/timens_offsets`, `${clock} ${secs} ${nanosecs}\n`);
    } catch (error) {
      throw new FailedPrecondition(`linux.timeOffsets.${clock}: ${(error as Error).message}`, { cause: error });
    }
  }
}
