/** sd_notify(3) for containers: that the program inside is ready is passed on to the service manager that started us. */
import { chmodSync, closeSync, constants, existsSync, mkdirSync } from "node:fs";
import type { Mount } from "@gantry/oci";
import {
  AT_FDCWD,
  bindDatagram,
  connectDatagram,
  openat2,
  pipe,
  pollReadable,
  receiveMessage,
  sendMessage,
} from "@gantry/sys";
import type { Log } from "./log.ts";

const INSIDE = "/run/notify";
const NAME = "notify.sock";

/** The environment variable that the container gets. */
export const NOTIFY_ENV = `NOTIFY_SOCKET=${INSIDE}/${NAME}`;

/** `directory`: of the container's record. */
export function notifyMount(directory: string): Mount {
  const options = ["bind", "nosuid", "noexec", "nodev", "ro"];
  return { destination: INSIDE, source: `${directory}/notify`, options };
}

export function makeNotifyDirectory(directory: string): void {
  mkdirSync(`${directory}/notify`, 0o755);
  chmodSync(`${directory}/notify`, 0o755); // whatever our umask is: the container's user must get through
}

/** The socket that the container writes to; undefined when the container was made without one. */
export function bindNotify(directory: string): number | undefined {
  if (!existsSync(`${directory}/notify`)) return undefined;
  const parent = openat2(AT_FDCWD, `${directory}/notify`, constants.O_DIRECTORY);
  try {
    // Through the descriptor: an address has room for 107 bytes, and ids are long.
    const socket = bindDatagram(`/proc/self/fd/${parent}/${NAME}`);
    chmodSync(`${directory}/notify/${NAME}`, 0o777);
    return socket;
  } finally {
    closeSync(parent);
  }
}

export interface Relay {
  /** Bound by `bindNotify`; closed in the end. */
  readonly socket: number;
  /** NOTIFY_SOCKET of the service manager. */
  readonly host: string;
  /** The container's first process: when it ends there is nothing to wait for. */
  readonly pidfd: number;
  /** The pid that the service manager is to watch from now on. */
  readonly mainPid: number;
  readonly log: Log;
}

/**
 * Waits for the container to say that it is ready, at most `timeoutMs` (−1: as long as it lives), and says so to the host.
 * Returns false when it neither has become ready nor ended.
 */
export function relayReady({ socket, host, pidfd, mainPid, log }: Relay, timeoutMs = -1): boolean {
  const buffer = Buffer.allocUnsafeSlow(4096);
  for (;;) {
    const ready = pollReadable([socket, pidfd], timeoutMs);
    if (ready.length === 0) return false;
    if (ready.includes(socket)) {
      const { length, fds } = receiveMessage(socket, buffer);
      for (const fd of fds) closeSync(fd); // a barrier of the container's own is not for the host
      const line = readyLine(buffer.toString("utf8", 0, length));
      if (line === undefined) continue;
      tellHost(host, line, mainPid, log);
    }
    closeSync(socket);
    return true;
  }
}

/** A datagram holds one assignment a line; this one alone is passed on. */
export function readyLine(datagram: string): string | undefined {
  return datagram.split("\n").find((line) => line.startsWith("READY="));
}

const BARRIER_MS = 30_000;

/** Ready, who we are, and then a descriptor: when the host has closed it, it has read all that came before. */
function tellHost(host: string, ready: string, mainPid: number, log: Log): void {
  const socket = connectDatagram(host);
  const [read, write] = pipe();
  try {
    sendMessage(socket, Buffer.from(`${ready}\n`));
    sendMessage(socket, Buffer.from(`MAINPID=${mainPid}\n`));
    sendMessage(socket, Buffer.from("BARRIER=1"), [write]);
  } finally {
    closeSync(write);
    closeSync(socket);
  }
  if (pollReadable([read], BARRIER_MS).length === 0) log.warn("Timeout after waiting 30s for barrier. Ignored.");
  closeSync(read);
}
