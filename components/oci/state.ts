/** The JSON shapes that others read: keys in a fixed order, empty ones left out where runc leaves them out. */
import { SPEC_VERSION } from "./names.ts";
import type { ContainerProcessState, State, Status } from "./spec.ts";

type Annotations = Readonly<Record<string, string>>;

/** What `state` prints and `list --format json` has an array of. */
export interface ContainerState {
  readonly ociVersion: string;
  readonly id: string;
  /** 0 when stopped. */
  readonly pid: number;
  readonly status: Status | "paused";
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339 with nanoseconds, UTC. */
  readonly created: string;
  readonly annotations?: Annotations;
  readonly owner: string;
}

/** @returns the same in the order that readers of `state` and `list` expect. */
export function containerState(from: Omit<ContainerState, "ociVersion">): ContainerState {
  const { id, pid, status, bundle, rootfs, created, annotations, owner } = from;
  return {
    ociVersion: SPEC_VERSION,
    id,
    pid,
    status,
    bundle,
    rootfs,
    created,
    ...present(annotations),
    owner,
  };
}

/** @returns what a hook reads on stdin; runtime.md, "State". */
export function hookState(from: Omit<State, "ociVersion">): State {
  const { id, status, pid, bundle, annotations } = from;
  return { ociVersion: SPEC_VERSION, id, status, ...(pid ? { pid } : {}), bundle, ...present(annotations) };
}

/** @returns what the seccomp agent reads beside one file descriptor; config-linux.md, "The Container Process State". */
export function containerProcessState(pid: number, metadata: string, state: State): ContainerProcessState {
  return { ociVersion: SPEC_VERSION, fds: ["seccompFd"], pid, ...(metadata !== "" && { metadata }), state };
}

function present(annotations: Annotations | undefined): { annotations?: Annotations } {
  return annotations !== undefined && Object.keys(annotations).length > 0 ? { annotations } : {};
}
