/** NOTIFY_SOCKET on the command line: who waits for the container to be ready, and where. */
import { constants } from "node:os";
import { isErrno, pidfdOpen, pidfdSignal } from "@gantry/sys";
import type { Container } from "../create.ts";
import { find, start } from "../lifecycle.ts";
import { bindNotify, makeNotifyDirectory, NOTIFY_ENV, notifyMount, type Relay, relayReady } from "../notify.ts";
import { type Invocation, messageOf } from "./main.ts";

export interface Notification {
  /** For the container's first process. */
  readonly env: string;
  /** What the container is made with. */
  readonly options: {
    readonly mounts: readonly [ReturnType<typeof notifyMount>];
    readonly onReserved: (directory: string) => void;
  };
  /** Returns when the container is ready, or has ended. */
  relay(container: Pick<Container, "pid" | "pidfd">): void;
  /** The same for one that is ours to watch: its output and our signals go on meanwhile. */
  relayInForeground(container: Pick<Container, "pid" | "pidfd" | "io">): Promise<void>;
}

/** `bind`: `run` receives at once; after `create`, `start` does. */
export function notification({ context, flags }: Invocation, host: string, bind: boolean): Notification {
  const directory = `${context.root}/${flags.positional[0]}`;
  let socket: number | undefined;
  const relay = (mainPid: number, pidfd: number): Relay => ({
    socket: socket!,
    host,
    mainPid,
    pidfd,
    log: context.log,
  });
  return {
    env: NOTIFY_ENV,
    options: {
      mounts: [notifyMount(directory)],
      onReserved(reserved) {
        makeNotifyDirectory(reserved);
        if (bind) socket = bindNotify(reserved);
      },
    },
    relay: ({ pid, pidfd }) => attempt(context.log.warn, () => relayReady(relay(pid, pidfd))),
    async relayInForeground({ pidfd, io }) {
      const stop = forwardSignals(pidfd);
      while (!attempt(context.log.warn, () => relayReady(relay(process.pid, pidfd), 0))) {
        io.pump?.();
        await Bun.sleep(20);
      }
      stop();
    },
  };
}

/** `start` of a container that was created with a socket. */
export function startAndRelay({ context, flags }: Invocation, host: string): void {
  const id = flags.positional[0]!;
  const found = find(context, id);
  const socket = found.status() === "created" ? bindNotify(found.directory) : undefined;
  const { init_process_pid: mainPid } = found.record;
  const pidfd = socket === undefined ? -1 : pidfdOpen(mainPid);
  start(context, id);
  if (socket !== undefined)
    attempt(context.log.warn, () => relayReady({ socket, host, mainPid, pidfd, log: context.log }));
}

/** A host that does not listen is no reason to stop the container. */
function attempt(warn: (message: string) => void, action: () => boolean): boolean {
  try {
    return action();
  } catch (error) {
    warn(`NOTIFY_SOCKET: ${messageOf(error)}`);
    return true;
  }
}

const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

function forwardSignals(pidfd: number): () => void {
  const forward = (name: NodeJS.Signals) => {
    try {
      pidfdSignal(pidfd, constants.signals[name]);
    } catch (error) {
      if (!isErrno(error, "ESRCH")) throw error;
    }
  };
  for (const name of SIGNALS) process.on(name, forward);
  return () => {
    for (const name of SIGNALS) process.off(name, forward);
  };
}
