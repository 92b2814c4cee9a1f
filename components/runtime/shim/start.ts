/** Starts a shim, and execs in it. Both end where the launcher takes over: its messages come on `control`. */
import { closeSync, constants, openSync, rmSync } from "node:fs";
import { Internal, Unavailable } from "@gantry/oci";
import {
  connectUnix,
  errnoText,
  launcherFd,
  listenUnix,
  receiveMessage,
  sealedMemfd,
  sendMessage,
  seqpacketPair,
  spawnFd,
  waitPid,
} from "@gantry/sys";
import { MESSAGE, ROLE } from "../plan/sync.ts";
import { decodeReply, EXEC, encodeRequest, REPLY_SIZE, STDIO } from "./message.ts";

/**
 * Who keeps descriptors 0 to 2 of the process: nobody (`given`: these are them), or the shim, by pipes or by the terminal
 * that the plan's `console` makes.
 */
export type ShimStdio =
  | { readonly kind: "given"; readonly fds: readonly [number, number, number] }
  | { readonly kind: "pipes" | "terminal" };

export interface ShimStart {
  /** A plan as `encodePlan` gives it. */
  readonly plan: Uint8Array;
  readonly stdio: ShimStdio;
  /** Descriptor to which all output is copied: raw for a terminal, in frames (see `frames`) for pipes. */
  readonly log?: number;
  readonly fifo?: number;
  readonly cgroup?: number;
}

export interface ContainerStart extends ShimStart {
  /** The container's directory: the socket `shim.sock` and the record `exit` appear in it. Removing it ends the shim of an ended container. */
  readonly directory: string;
  /** Descriptors 3 to 3 + n − 1 go to the container. */
  readonly preserveFds?: number;
  /** A descriptor from `launcherFd`, for whoever starts many: their code is then in memory once. Stays the caller's. */
  readonly program?: number;
  /** What ps(1) shows. */
  readonly name?: string;
}

/** A launch under way. The caller converses with the launcher on `control` (native/launcher/README.md) and closes it. */
export interface Launching {
  readonly control: number;
  /** The process that executes the plan, and not our child: hold a pidfd rather than its number. */
  readonly launcher: number;
}

export const SOCKET_NAME = "shim.sock";

/** Starts the shim of a container; it is nobody's child. @throws SysError, Internal when it cannot set itself up */
export function startShim(start: ContainerStart): Launching & { readonly shim: number } {
  using held = new Descriptors();
  const { name = "", preserveFds = 0, stdio } = start;
  const directory = held.add(openSync(start.directory, constants.O_RDONLY | constants.O_DIRECTORY));
  const listener = held.add(listenUnix(`/proc/self/fd/${directory}/${SOCKET_NAME}`));
  const [ours, theirs] = seqpacketPair();
  held.add(theirs);
  const plan = held.add(sealedMemfd("plan", start.plan));
  const null_ = stdio.kind === "given" ? -1 : held.add(openSync("/dev/null", constants.O_RDWR));
  const first = 3 + preserveFds;
  const fds = stdio.kind === "given" ? [...stdio.fds] : [null_, null_, null_];
  for (let fd = 3; fd < first; fd++) fds.push(fd);
  fds.push(listener, directory, start.log ?? -1, theirs, plan, ...extras(start));
  try {
    const program = start.program ?? held.add(launcherFd());
    const pid = spawnFd({
      execFd: program,
      argv: ["gantry-shim", "shim", String(first), stdio.kind, name],
      env: [],
      fds,
    });
    waitPid(pid); // it only forks
    held.closeAll(); // the end of the others must be visible to us
    return { control: ours, shim: announced(ours, ROLE.shim), launcher: announced(ours, ROLE.launcher) };
  } catch (error) {
    closeSync(ours);
    rmSync(`${start.directory}/${SOCKET_NAME}`, { force: true });
    throw error;
  }
}

/** The exec fifo and the cgroup, in this order, as far as the plan's flags name them. */
function extras({ fifo, cgroup }: ShimStart): number[] {
  return [fifo, cgroup].filter((fd) => fd !== undefined);
}

/** Starts one more process under the shim in `directory`, whose exit is kept as `exit.<id>`. @throws AlreadyExists, Unavailable, … */
export function startExec(directory: string, id: string, start: ShimStart): Launching {
  using held = new Descriptors();
  const { stdio, log } = start;
  const dir = held.add(openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY));
  const socket = held.add(connectUnix(`/proc/self/fd/${dir}/${SOCKET_NAME}`));
  const [ours, theirs] = seqpacketPair();
  held.add(theirs);
  const fds = [theirs, held.add(sealedMemfd("plan", start.plan)), ...(log === undefined ? [] : [log])];
  if (stdio.kind === "given") fds.push(...stdio.fds);
  fds.push(...extras(start));
  try {
    sendMessage(
      socket,
      encodeRequest("exec", id, { a: STDIO[stdio.kind], flags: log === undefined ? 0 : EXEC.log }),
      fds,
    );
    const reply = Buffer.alloc(REPLY_SIZE);
    const { length } = receiveMessage(socket, reply);
    if (length < REPLY_SIZE) throw new Unavailable(`exec ${id}: the shim has ended`);
    decodeReply(reply, `exec ${id}`);
    held.closeAll();
    return { control: ours, launcher: announced(ours, ROLE.launcher) };
  } catch (error) {
    closeSync(ours);
    throw error;
  }
}

const HEAD = 24;

function announced(control: number, role: number): number {
  const buffer = Buffer.alloc(HEAD + 768);
  const { length } = receiveMessage(control, buffer);
  if (length >= HEAD && buffer.readUInt32LE(0) === MESSAGE.pid && buffer.readInt32LE(8) === role)
    return Number(buffer.readBigUInt64LE(16));
  if (length >= HEAD && buffer.readUInt32LE(0) === MESSAGE.error)
    throw new Internal(`${buffer.toString("utf8", HEAD, length)}: ${errnoText(-buffer.readInt32LE(8))}`);
  throw new Internal("the shim ended before it had started the launcher");
}

/** Descriptors that are closed together. */
class Descriptors implements Disposable {
  readonly #fds: number[] = [];

  add(fd: number): number {
    this.#fds.push(fd);
    return fd;
  }

  closeAll(): void {
    for (const fd of this.#fds.splice(0)) closeSync(fd);
  }

  [Symbol.dispose](): void {
    this.closeAll();
  }
}
