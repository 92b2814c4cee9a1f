/** Hands the seccomp listener to the agent that answers its notifications; runtime-spec, config-linux.md, "containerProcessState". */
import { closeSync } from "node:fs";
import { containerProcessState, FailedPrecondition, type Spec, type State } from "@gantry/oci";
import { connectUnix, pidfdGetfd, pollReadable, sendMessage } from "@gantry/sys";

/**
 * Takes descriptor `fd` out of the process the moment its filter exists, and sends it with the state.
 * @throws FailedPrecondition when there is nobody to give it to.
 */
export function handOver(
  spec: Spec,
  state: Pick<State, "id" | "bundle" | "status"> & { readonly pid: number },
  pidfd: number,
  fd: number,
  process = state.pid,
): void {
  const { listenerPath, listenerMetadata = "" } = spec.linux?.seccomp ?? {};
  if (!listenerPath) throw new FailedPrecondition("linux.seccomp.listenerPath: seccomp listenerPath is not set");
  let socket: number;
  try {
    socket = connectUnix(listenerPath);
  } catch (error) {
    throw new FailedPrecondition(
      `linux.seccomp.listenerPath: failed to connect with seccomp agent specified in the seccomp profile: ${(error as Error).message}`,
    );
  }
  try {
    const listener = take(pidfd, fd);
    const { annotations, ociVersion } = spec;
    const document = containerProcessState(process, listenerMetadata, {
      ociVersion,
      ...state,
      ...(annotations && { annotations }),
    });
    sendMessage(socket, Buffer.from(JSON.stringify(document)), [listener]);
    closeSync(listener);
  } finally {
    closeSync(socket);
  }
}

/** The process announced the number and installs its filter in this moment. */
function take(pidfd: number, fd: number): number {
  for (let attempt = 0; attempt < 2000; attempt++) {
    const taken = pidfdGetfd(pidfd, fd);
    if (taken !== undefined) return taken;
    if (pollReadable([pidfd], attempt < 100 ? 0 : 5).length > 0) break;
  }
  throw new FailedPrecondition("linux.seccomp: the process ended before its listener could be taken");
}
