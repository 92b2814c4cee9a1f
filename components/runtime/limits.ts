/** Resource limits of a process; runtime-spec, config.md, "POSIX process". */
import { FailedPrecondition, PermissionDenied, RLIMITS, type Spec } from "@gantry/oci";
import { isErrno, setLimit } from "@gantry/sys";

/** Set from outside: the runtime may raise hard limits where the container's root could not. */
export function setLimits(pid: number, spec: Pick<Spec, "process">): void {
  for (const [i, limit] of (spec.process?.rlimits ?? []).entries()) {
    try {
      setLimit(pid, RLIMITS[limit.type as keyof typeof RLIMITS], {
        soft: BigInt(limit.soft),
        hard: BigInt(limit.hard),
      });
    } catch (error) {
      if (!isErrno(error, "EPERM"))
        throw new FailedPrecondition(
          `process.rlimits[${i}]: error setting rlimit ${limit.type}: ${(error as Error).message}`,
        );
      throw new PermissionDenied(
        `process.rlimits[${i}]: error setting rlimit ${limit.type}: operation not permitted (raising a hard limit needs CAP_SYS_RESOURCE)`,
      );
    }
  }
}
