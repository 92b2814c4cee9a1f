/**
 * Runs a plan: starts the launcher from its sealed memfd and talks to it until the container's program runs, or the
 * launch has failed. The runtime's own part of a start (control groups, user mappings, hooks, records) happens in the
 * callbacks, at the points where the plan waits for it.
 */
import { closeSync } from "node:fs";
import {
  isErrno,
  launcherFd,
  pidfdOpen,
  pidfdSignal,
  pollReadable,
  receiveMessage,
  sealedMemfd,
  sendMessage,
  seqpacketPair,
  spawnFd,
  waitPid,
} from "@gantry/sys";
import type { Log } from "./log.ts";
import { flagsOf, withFlags } from "./plan/flags.ts";
import type { OpName } from "./plan/ops.ts";
import type { Plan } from "./plan/plan.ts";
import { MESSAGE, ROLE, SYNC } from "./plan/sync.ts";

export interface LaunchOptions extends LaunchEvents {
  readonly plan: Plan;
  /** Descriptors 0, 1, 2 of the container's process (without a terminal). */
  readonly stdio: readonly [number, number, number];
  readonly preserveFds: number;
  readonly fifo?: number;
  readonly cgroup?: number;
  /** Receives the time that each operation took. */
  readonly onTrace?: (index: number, nanoseconds: number) => void;
  readonly log: Log;
}

/** What the runtime does at the points where a plan waits for it, or while it runs. */
export interface LaunchEvents {
  /** The launcher runs, and does not depend on what this does before it says so. */
  readonly onSpawned?: () => void;
  /**
   * The process that will be the container's exists, and does nothing dangerous before `joined` or `ready`. Returns
   * `tasks` files of cgroups (v1) that it is to join by itself at its next question; they are closed here.
   */
  readonly onInit: (pid: number) => readonly number[] | undefined;
  /** It is in its control group and goes on with its mounts: time for what need not be done before. */
  readonly onJoined?: (pid: number) => void;
  /** The pid of the process in a new user namespace that has no mappings yet. */
  readonly onMap?: (pid: number) => void;
  /** The process whose children will be in a new time namespace. */
  readonly onTime?: (pid: number) => void;
  readonly onNetwork?: (pid: number) => void;
  readonly onHooks?: (pid: number) => void;
  /** Everything is set up with the runtime's privileges; after this the process gives up its own. */
  readonly onReady: (pid: number) => void;
  /** The seccomp listener, to be handed to its owner. */
  readonly onListener?: (pid: number, pidfd: number, fd: number) => void;
  readonly onMaster?: (master: number, name: string) => void;
}

export interface Launched {
  readonly pid: number;
  readonly pidfd: number;
}

/** The launch failed in the kernel: message with the field, errno, and how the process ended if it ended unasked. */
export class LaunchFailure extends Error {
  constructor(
    message: string,
    readonly errno: number,
    /** The process vanished without a word: only the caller can find out why (its control group knows of an OOM kill). */
    readonly silent: boolean,
    /** The operation that failed. */
    readonly op?: OpName,
  ) {
    super(message);
    this.name = "LaunchFailure";
  }
}

/**
 * Returns when the process waits on the exec fifo (plan.fifo), or executes its program.
 * @throws LaunchFailure, or whatever a callback threw; the processes are gone by then.
 */
export function launch(options: LaunchOptions): Launched {
  const session = start(options);
  const [launcher] = session.helpers;
  options.log.debug(`nsexec container setup: launcher ${launcher}`);
  announceEffects(options, launcher!);
  try {
    options.onSpawned?.();
    converse(session, options);
    return { pid: session.init, pidfd: session.pidfd };
  } catch (error) {
    kill(session);
    throw error;
  } finally {
    closeSync(session.socket);
    for (const fd of session.tasks) closeSync(fd);
    for (const pid of session.helpers) waitPid(pid);
  }
}

/** For whoever follows what happens to the process: what it inherits, and what watches it. */
function announceEffects({ plan, log }: LaunchOptions, launcher: number): void {
  if (plan.encoded) return; // whoever follows the steps asks for a fresh plan
  for (const { name, args, from } of plan.ops) {
    if (name === "affinity" && from.endsWith(".initial"))
      log.debug(`nsexec[${launcher}]: affinity: 0x${maskText(args[0] as Uint8Array)}`);
    if (name === "seccomp") log.debug(`seccomp filter flags: ${args[0]}`);
  }
}

/** A little-endian mask as one hexadecimal number. */
function maskText(mask: Uint8Array): string {
  return Buffer.from(mask)
    .reverse()
    .toString("hex")
    .replace(/^0+(?=.)/, "");
}

/** What a plan that is there already needs no code for. */
function encode(plan: Plan, trace: boolean): Uint8Array {
  if (plan.encoded) return withFlags(plan.encoded, flagsOf(plan, trace));
  const { encodePlan } = require("./plan/plan.ts") as typeof import("./plan/plan.ts");
  return encodePlan(plan, { trace });
}

const explain: typeof import("./plan/explain.ts").explain = (...failure) =>
  (require("./plan/explain.ts") as typeof import("./plan/explain.ts")).explain(...failure);

interface Session {
  readonly socket: number;
  /** Launcher processes that end by themselves; ours to reap. */
  readonly helpers: number[];
  intermediate: number;
  init: number;
  pidfd: number;
  last: number;
  early: Message | undefined;
  /** What the container's process gets with the next answer. */
  tasks: readonly number[];
}

function start({ plan, stdio, preserveFds, fifo, cgroup, onTrace }: LaunchOptions): Session {
  const [ours, theirs] = seqpacketPair();
  const program = launcherFd();
  const bytes = sealedMemfd("plan", encode(plan, onTrace !== undefined));
  const first = 3 + preserveFds;
  const fds = [...stdio];
  for (let fd = 3; fd < first; fd++) fds.push(fd);
  fds.push(theirs, bytes);
  if (fifo !== undefined) fds.push(fifo);
  if (cgroup !== undefined) fds.push(cgroup);
  try {
    const pid = spawnFd({ execFd: program, argv: ["runc-init", "run", String(first)], env: [], fds });
    return { socket: ours, helpers: [pid], intermediate: 0, init: 0, pidfd: -1, last: -1, early: undefined, tasks: [] };
  } catch (error) {
    closeSync(ours);
    throw error;
  } finally {
    closeSync(theirs);
    closeSync(program);
    closeSync(bytes);
  }
}

function kill(session: Session): void {
  if (session.pidfd >= 0) {
    try {
      pidfdSignal(session.pidfd, 9);
    } catch (error) {
      if (!isErrno(error, "ESRCH")) throw error;
    }
    closeSync(session.pidfd);
    waitPid(session.init);
  }
}

interface Message {
  readonly type: number;
  readonly op: number;
  readonly error: number;
  readonly value: number;
  readonly text: string;
  readonly fds: readonly number[];
}

const HEAD = 24;
const buffer = Buffer.allocUnsafeSlow(HEAD + 768);

function receive(socket: number): Message | undefined {
  let received: ReturnType<typeof receiveMessage>;
  try {
    received = receiveMessage(socket, buffer);
  } catch (error) {
    if (isErrno(error, "ECONNRESET")) return undefined;
    throw error;
  }
  if (received.length < HEAD) return undefined;
  return {
    type: buffer.readUInt32LE(0),
    op: buffer.readUInt32LE(4),
    error: buffer.readInt32LE(8),
    value: Number(buffer.readBigUInt64LE(16)),
    text: buffer.toString("utf8", HEAD, HEAD + buffer.readUInt32LE(12)),
    fds: received.fds,
  };
}

function go(session: Session): void {
  const message = Buffer.alloc(HEAD);
  message.writeUInt32LE(MESSAGE.go, 0);
  message.writeBigUInt64LE(BigInt(session.init), 16);
  sendMessage(session.socket, message, session.tasks);
  for (const fd of session.tasks) closeSync(fd);
  session.tasks = [];
}

function converse(session: Session, options: LaunchOptions): void {
  for (let done = false; ; ) {
    const message = receive(session.socket);
    if (message === undefined) {
      if (done) return; // the descriptor went away with execve
      throw silentEnd(session, options.plan);
    }
    session.last = message.op;
    switch (message.type) {
      case MESSAGE.pid:
        adopt(session, message, options);
        if (session.early) answer(session, session.early, options);
        break;
      case MESSAGE.sync:
        if (message.value === SYNC.done) {
          options.log.debug("init: closing the pipe to signal completion");
          if (options.plan.fifo) return;
          done = true;
        } else answer(session, message, options);
        break;
      case MESSAGE.error:
        throw new LaunchFailure(
          explain(options.plan, message.op, -message.error, message.text),
          -message.error,
          false,
          options.plan.ops[message.op]?.name,
        );
      case MESSAGE.warning:
        options.log.warn(explain(options.plan, message.op, -message.error, message.text));
        break;
      case MESSAGE.fd:
        options.onMaster?.(message.fds[0]!, message.text);
        break;
      case MESSAGE.trace:
        options.onTrace?.(message.op, message.value);
        break;
    }
  }
}

function adopt(session: Session, message: Message, options: LaunchOptions): void {
  if (message.error === ROLE.intermediate) {
    session.intermediate = message.value;
    session.helpers.push(message.value);
    return;
  }
  options.log.debug(`child process in init(): pid ${message.value}`);
  session.init = message.value;
  session.pidfd = pidfdOpen(session.init);
  session.tasks = options.onInit(session.init) ?? [];
}

/** Parent and child write at the same time: a child's question may overtake the message that says who it is. */
function answer(session: Session, message: Message, options: LaunchOptions): void {
  const known = message.value === SYNC.time || (message.value === SYNC.map ? session.intermediate : session.init) !== 0;
  session.early = known ? undefined : message;
  if (session.early) return;
  switch (message.value) {
    case SYNC.map:
      options.onMap?.(session.intermediate);
      break;
    case SYNC.time:
      options.onTime?.(message.error);
      break;
    case SYNC.network:
      options.onNetwork?.(session.init);
      break;
    case SYNC.hooks:
      options.onHooks?.(session.init);
      break;
    case SYNC.ready:
      options.onReady(session.init);
      break;
    case SYNC.listener:
      options.onListener?.(session.init, session.pidfd, message.error);
      break;
  }
  go(session);
  if (message.value === SYNC.joined) options.onJoined?.(session.init);
}

/** The socket closed without an error message: somebody killed the process, or it was refused on the way to its program. */
function silentEnd(session: Session, plan: Plan): LaunchFailure {
  const pid = session.init || session.intermediate || session.helpers[0]!;
  const last = session.last >= 0 && session.last < plan.ops.length ? plan.ops[session.last]! : undefined;
  const where = last ? ` after ${last.name} (${last.from})` : "";
  if (session.pidfd >= 0) pollReadable([session.pidfd], 1000);
  const ended = waitPid(pid, 1);
  if (ended && session.pidfd >= 0) {
    closeSync(session.pidfd);
    session.pidfd = -1;
  }
  if (ended && session.helpers.includes(pid)) session.helpers.splice(session.helpers.indexOf(pid), 1);
  const how = !ended
    ? "closed its socket"
    : ended.status & 0x7f
      ? `was killed by signal ${ended.status & 0x7f}`
      : `ended with status ${ended.status >> 8}`;
  return new LaunchFailure(`the container's first process ${how}${where}`, 0, true);
}
