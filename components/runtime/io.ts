/** The three streams of a container's process: inherited, piped through us, or a terminal of its own. */
import { closeSync, fchownSync, readSync, writeSync } from "node:fs";
import { FailedPrecondition, InvalidArgument } from "@gantry/oci";
import { connectUnix, isErrno, pipe, pollReadable, sendMessage, supervise, syscall } from "@gantry/sys";

export interface ContainerIo {
  readonly stdio: readonly [number, number, number];
  /** The container's terminal is there: its master side, and its name inside. */
  onMaster(master: number, name: string): void;
  /** The process has started: closes what only it needed. */
  started(): void;
  /** Copies what the process has written so far, without waiting for more. */
  pump?(): void;
  /** Copies and forwards until the process ends. Returns its wait status. */
  supervise(pid: number, pidfd: number): number;
}

export interface IoOptions {
  readonly terminal: boolean;
  readonly detach: boolean;
  readonly consoleSocket?: string | undefined;
  /** Owner of the pipes: the container's root, as the host knows it. */
  readonly uid: number;
  readonly gid: number;
}

/** @throws InvalidArgument for combinations that cannot work. */
export function containerIo(options: IoOptions): ContainerIo {
  const { terminal, detach, consoleSocket } = options;
  if (detach && terminal && !consoleSocket)
    throw new InvalidArgument("cannot allocate tty if runc will detach without setting console socket");
  if ((!detach || !terminal) && consoleSocket)
    throw new InvalidArgument("cannot use console socket if runc will not detach or allocate tty");
  if (terminal) return consoleSocket ? socketTerminal(consoleSocket) : ownTerminal();
  return detach ? inherited() : piped(options.uid, options.gid);
}

const none = () => {
  throw new FailedPrecondition("the container made a terminal that nobody asked for");
};

function inherited(): ContainerIo {
  return {
    stdio: [0, 1, 2],
    onMaster: none,
    started() {},
    supervise: (pid, pidfd) => supervise({ pid, pidfd, master: -1, copies: [] }),
  };
}

/** Pipes, so that the container never holds a descriptor of our own terminal. */
function piped(uid: number, gid: number): ContainerIo {
  const [inRead, inWrite] = pipe();
  const [outRead, outWrite] = pipe();
  const [errRead, errWrite] = pipe();
  for (const fd of [inRead, inWrite, outRead, outWrite, errRead, errWrite])
    if (uid !== 0 || gid !== 0) fchownSync(fd, uid, gid);
  return {
    stdio: [inRead, outWrite, errWrite],
    onMaster: none,
    started() {
      for (const fd of [inRead, outWrite, errWrite]) closeSync(fd);
    },
    pump: () =>
      copyReady([
        [outRead, 1],
        [errRead, 2],
      ]),
    supervise: (pid, pidfd) =>
      supervise({
        pid,
        pidfd,
        master: -1,
        copies: [
          [0, inWrite, 1],
          [outRead, 1, 0],
          [errRead, 2, 0],
        ],
      }),
  };
}

/** The master goes to whoever listens on the socket: one message, the pty's name, the descriptor beside it. */
function socketTerminal(path: string): ContainerIo {
  const socket = connectUnix(path); // before anything is made: a wrong path is an early error
  return {
    stdio: [0, 1, 2],
    onMaster(master, name) {
      sendMessage(socket, Buffer.from(name), [master]);
      closeSync(master);
    },
    started: () => closeSync(socket),
    supervise: (pid, pidfd) => supervise({ pid, pidfd, master: -1, copies: [] }),
  };
}

function ownTerminal(): ContainerIo {
  let held = -1;
  return {
    stdio: [0, 1, 2],
    onMaster(master) {
      plainNewlines(master);
      held = master;
    },
    started() {},
    pump: () => copyReady([[held, 1]]),
    supervise: (pid, pidfd) =>
      supervise({
        pid,
        pidfd,
        master: held,
        copies: [
          [0, held, 0],
          [held, 1, 0],
        ],
      }),
  };
}

const TCGETS = 0x5401;
const TCSETS = 0x5402;
const ONLCR = 4;

/** Our own terminal translates line ends; with the container's doing so too, readers of a pipe would see "\r\n". */
function plainNewlines(master: number): void {
  const termios = new Uint32Array(15);
  const bytes = new Uint8Array(termios.buffer);
  syscall("ioctl", "terminal", master, TCGETS, bytes);
  termios[1]! &= ~ONLCR;
  syscall("ioctl", "terminal", master, TCSETS, bytes);
}

function copyReady(pairs: readonly (readonly [from: number, to: number])[]): void {
  const ready = pollReadable(
    pairs.map(([from]) => from),
    0,
  );
  const buffer = Buffer.allocUnsafe(65536);
  for (const [from, to] of pairs) {
    if (!ready.includes(from)) continue;
    try {
      const length = readSync(from, buffer, 0, buffer.length, null);
      for (let at = 0; at < length; ) at += writeSync(to, buffer, at, length - at);
    } catch (error) {
      if (!isErrno(error, "EIO")) throw error; // a terminal that nobody has open any more
    }
  }
}
