/** One connection to a message bus, or to systemd itself. Synchronous; whatever is waited for has a deadline. */
import { closeSync, readSync, writeSync } from "node:fs";
import { DeadlineExceeded, Unavailable } from "@gantry/oci";
import { errnoText, isErrno, pollReadable, syscall, trySyscall } from "@gantry/sys";
import {
  type Call,
  decodeMessage,
  ERROR,
  encodeCall,
  METHOD_RETURN,
  type Message,
  messageLength,
  SIGNAL,
} from "./message.ts";
import type { Value } from "./wire.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_SNDTIMEO = 21;
const EAGAIN = 11;

const CONNECT_MS = 10_000;
const CALL_MS = 25_000;

/** An error reply. `errorName` is like `org.freedesktop.systemd1.NoSuchUnit`. */
export class BusError extends Error {
  override readonly name = "BusError";
  constructor(
    readonly errorName: string,
    readonly call: string,
    text: string,
  ) {
    super(`${call}: ${text === "" ? errorName : text}`);
  }
}

export interface Bus extends Disposable {
  /** Makes a call and returns the values of its reply. @throws BusError, DeadlineExceeded, Unavailable */
  call(call: Call, timeoutMs?: number): readonly Value[];
  /** Returns the first signal, past or future, that `matches`. @throws DeadlineExceeded, Unavailable */
  signal(matches: (signal: Message) => boolean, what: string, timeoutMs: number): Message;
}

/** Where a bus listens: a path, or with a NUL at its start a name in the abstract namespace. */
export type BusAddress = string;

interface Connection {
  readonly fd: number;
  readonly address: BusAddress;
  serial: number;
  received: Uint8Array;
  /** Signals that came while something else was waited for. */
  readonly signals: Message[];
}

/** Connects, proves who we are by the credentials of the socket, and, if it is a bus, says hello. @throws Unavailable */
export function connectBus(address: BusAddress, { hello }: { readonly hello: boolean }): Bus {
  const connection: Connection = { fd: dial(address), address, serial: 0, received: new Uint8Array(), signals: [] };
  const bus: Bus = {
    call: (call, timeoutMs = CALL_MS) => request(connection, call, timeoutMs),
    signal: (matches, what, timeoutMs) => awaitSignal(connection, matches, what, timeoutMs),
    [Symbol.dispose]: () => closeSync(connection.fd),
  };
  try {
    authenticate(connection);
    const DBUS = "org.freedesktop.DBus";
    if (hello) bus.call({ destination: DBUS, path: "/org/freedesktop/DBus", interface: DBUS, member: "Hello" });
    return bus;
  } catch (error) {
    closeSync(connection.fd);
    throw error;
  }
}

function dial(address: BusAddress): number {
  const fd = syscall("socket", undefined, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeout = new BigInt64Array([BigInt(CONNECT_MS / 1000), 0n]);
  syscall("setsockopt", undefined, fd, SOL_SOCKET, SO_SNDTIMEO, new Uint8Array(timeout.buffer), 16);
  const name = Buffer.from(address);
  const abstract = address.startsWith("\0");
  const bytes = new Uint8Array(2 + name.length + (abstract ? 0 : 1));
  bytes[0] = AF_UNIX;
  bytes.set(name, 2);
  const errno = name.length > 107 ? 36 : -trySyscall("connect", fd, bytes, bytes.length);
  if (errno === 0) return fd;
  closeSync(fd);
  const reason = errno === EAGAIN ? `no answer within ${CONNECT_MS / 1000} s` : errnoText(errno);
  throw new Unavailable(`cannot connect to ${printable(address)}: ${reason}`);
}

function printable(address: BusAddress): string {
  return address.startsWith("\0") ? `@${address.slice(1)}` : address;
}

/** EXTERNAL without a name: the other side looks at the socket's credentials, which is right in user namespaces as well. */
function authenticate(connection: Connection): void {
  send(connection, Buffer.from("\0AUTH EXTERNAL\r\nDATA\r\n"));
  const deadline = performance.now() + CALL_MS;
  for (;;) {
    const line = takeLine(connection);
    if (line === undefined) receive(connection, deadline, "authentication");
    else if (line.startsWith("OK")) break;
    else if (line !== "DATA") throw new Unavailable(`${printable(connection.address)} refuses us: ${line}`);
  }
  send(connection, Buffer.from("BEGIN\r\n"));
}

function takeLine(connection: Connection): string | undefined {
  const end = Buffer.from(connection.received).indexOf("\r\n");
  if (end < 0) return undefined;
  const line = Buffer.from(connection.received.subarray(0, end)).toString();
  connection.received = connection.received.subarray(end + 2);
  return line;
}

function request(connection: Connection, call: Call, timeoutMs: number): readonly Value[] {
  const serial = ++connection.serial;
  const deadline = performance.now() + timeoutMs;
  send(connection, encodeCall(call, serial));
  for (;;) {
    const message = next(connection, deadline, call.member);
    if (message.type === SIGNAL) connection.signals.push(message);
    if (message.replySerial !== serial) continue;
    if (message.type === METHOD_RETURN) return message.body;
    if (message.type === ERROR) throw new BusError(message.errorName ?? "", call.member, String(message.body[0] ?? ""));
  }
}

function awaitSignal(
  connection: Connection,
  matches: (signal: Message) => boolean,
  what: string,
  timeoutMs: number,
): Message {
  const at = connection.signals.findIndex(matches);
  if (at >= 0) return connection.signals.splice(at, 1)[0]!;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const message = next(connection, deadline, what);
    if (message.type !== SIGNAL) continue;
    if (matches(message)) return message;
    connection.signals.push(message);
  }
}

function next(connection: Connection, deadline: number, what: string): Message {
  for (;;) {
    const length = messageLength(connection.received);
    if (length !== undefined && connection.received.length >= length) {
      const message = decodeMessage(connection.received.subarray(0, length));
      connection.received = connection.received.subarray(length);
      return message;
    }
    receive(connection, deadline, what);
  }
}

const CHUNK = 65536;

function receive(connection: Connection, deadline: number, what: string): void {
  const left = deadline - performance.now();
  if (left <= 0 || (pollReadable([connection.fd], Math.ceil(left)).length === 0 && deadline <= performance.now()))
    throw new DeadlineExceeded(`D-Bus: no answer to ${what} from ${printable(connection.address)} in time`);
  if (pollReadable([connection.fd], 0).length === 0) return; // interrupted by a signal
  const chunk = new Uint8Array(CHUNK);
  const n = readSync(connection.fd, chunk, 0, CHUNK, null);
  if (n === 0) throw new Unavailable(`D-Bus: ${printable(connection.address)} closed the connection`);
  const joined = new Uint8Array(connection.received.length + n);
  joined.set(connection.received);
  joined.set(chunk.subarray(0, n), connection.received.length);
  connection.received = joined;
}

function send({ fd, address }: Connection, bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  } catch (error) {
    const slow = isErrno(error, "EAGAIN") ? "takes no more bytes" : (error as Error).message;
    throw new Unavailable(`D-Bus: ${printable(address)}: ${slow}`, { cause: error });
  }
}
