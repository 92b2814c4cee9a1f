/** Why a dump or restore failed: CRIU's own reason, and what right we lack. */
import type { Context } from "../prepare.ts";
import { CriuFailure } from "./criu.ts";
import { quoteErrors } from "./log.ts";

/** What CRIU asks for; capabilities(7). */
const NEEDED = [
  [21, "CAP_SYS_ADMIN"],
  [24, "CAP_SYS_RESOURCE"],
] as const;

/** The same error with the reason from CRIU's log; what CRIU did not cause stays as it is. */
export function explainFailure(error: unknown, logFile: string, { log, host }: Context): unknown {
  if (!(error instanceof CriuFailure)) return error;
  const reason = quoteErrors(logFile, log) ?? error.complaint;
  const missing = NEEDED.filter(([bit]) => (host.capabilities & (1n << BigInt(bit))) === 0n).map(([, name]) => name);
  const hint = missing.length > 0 ? ` (this process lacks ${missing.join(" and ")}, which CRIU may need)` : "";
  return new CriuFailure(`${error.message}${reason ? `: ${reason}` : ""}${hint}`, undefined, { cause: error });
}
