/** The messages on a shim's socket; `struct shim_request` and `struct shim_reply` of native/launcher/shim.h. */
import {
  AlreadyExists,
  FailedPrecondition,
  type GantryError,
  Internal,
  InvalidArgument,
  NotFound,
  ResourceExhausted,
  Unavailable,
} from "@gantry/oci";
import { errnoName, errnoText } from "@gantry/sys";

export const REQUEST = {
  status: 1,
  wait: 2,
  resize: 3,
  signal: 4,
  closeStdin: 5,
  attach: 6,
  exec: 7,
  shutdown: 8,
} as const;
export type RequestName = keyof typeof REQUEST;

export const ATTACH = { input: 1, inputEnds: 2, replay: 4, lossy: 8 } as const;
export const EXEC = { log: 1 } as const;
export const STDIO = { given: 0, pipes: 1, terminal: 2 } as const;
export type StdioKind = keyof typeof STDIO;

const VERSION = 1;
const REQUEST_SIZE = 96;
const ID_AT = 12;
const ID_SIZE = REQUEST_SIZE - ID_AT;
export const REPLY_SIZE = 32;
const REPLY_FLAGS = { terminal: 1, unrecorded: 2, logLost: 4 };
/** `enum task_state`; "launching" lasts until the program itself runs, a created container included. */
const STATES = ["free", "launching", "running", "ended"] as const;

/** How a process ended. */
export interface ExitStatus {
  /** Exit code, or 128 + signal. */
  readonly status: number;
  /** The signal that ended it, or 0. */
  readonly signal: number;
  readonly time: Date;
}

export interface ShimStatus {
  readonly state: "launching" | "running" | "ended";
  readonly pid: number;
  readonly terminal: boolean;
  /** The exit could not be written to disk: this answer is the only trace of it. */
  readonly unrecorded: boolean;
  /** The log could not be written to its end. */
  readonly logLost: boolean;
  readonly exit?: ExitStatus;
}

/** `id` names an exec; the container's own process without it. @throws InvalidArgument */
export function encodeRequest(name: RequestName, id = "", { flags = 0, a = 0, b = 0 } = {}): Buffer {
  const request = Buffer.alloc(REQUEST_SIZE);
  request[0] = VERSION;
  request[1] = REQUEST[name];
  request.writeUInt16LE(flags, 2);
  request.writeUInt32LE(a, 4);
  request.writeUInt32LE(b, 8);
  if (id.length >= ID_SIZE || !/^(?!\.)[\w.+-]*$/.test(id))
    throw new InvalidArgument(`exec id "${id}": at most ${ID_SIZE - 1} of letters, digits, _ + . -`);
  request.write(id, ID_AT);
  return request;
}

/** @throws GantryError by the error that the shim answered. */
export function decodeReply(reply: Buffer, what: string): ShimStatus {
  if (reply[0] !== VERSION)
    throw new Unavailable(`${what}: the shim speaks version ${reply[0]} of its protocol, we speak ${VERSION}`);
  const errno = reply.readInt32LE(4);
  if (errno !== 0) throw failure(errno, what);
  const flags = reply.readUInt16LE(2);
  const state = STATES[reply.readUInt32LE(8)];
  if (state === undefined || state === "free") throw new Internal(`${what}: answer of the shim that makes no sense`);
  return {
    state,
    pid: reply.readUInt32LE(12),
    terminal: (flags & REPLY_FLAGS.terminal) !== 0,
    unrecorded: (flags & REPLY_FLAGS.unrecorded) !== 0,
    logLost: (flags & REPLY_FLAGS.logLost) !== 0,
    ...(state === "ended" ? { exit: decodeExit(reply) } : {}),
  };
}

function decodeExit(reply: Buffer): ExitStatus {
  const milliseconds = Number(reply.readBigInt64LE(24)) * 1000 + reply.readUInt32LE(20) / 1e6;
  return { ...exitOf(reply.readInt32LE(16)), time: new Date(milliseconds) };
}

/** A wait status as the shell tells it. */
export function exitOf(status: number): Omit<ExitStatus, "time"> {
  const signal = status & 0x7f;
  return { status: signal ? 128 + signal : (status >> 8) & 0xff, signal };
}

function failure(errno: number, what: string): GantryError {
  switch (errnoName(errno)) {
    case "ENOENT":
      return new NotFound(`${what}: the shim knows no such process`);
    case "EEXIST":
      return new AlreadyExists(`${what}: the shim has a process of that id`);
    case "EAGAIN":
      return new ResourceExhausted(`${what}: the shim has no room for another process`);
    case "ENOTTY":
      return new FailedPrecondition(`${what}: the process has no terminal`);
    case "ENOTCONN":
      return new FailedPrecondition(`${what}: the shim does not keep the stdio of the process`);
    case "ESRCH":
      return new FailedPrecondition(`${what}: the process has ended`);
    case "EBUSY":
      return new FailedPrecondition(`${what}: the container has not ended`);
    case "EINVAL":
    case "EPROTO":
      return new InvalidArgument(`${what}: the shim refused the request`);
    default:
      return new Internal(`${what}: ${errnoText(errno)}`);
  }
}
