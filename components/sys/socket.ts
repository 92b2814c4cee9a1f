/** Unix sockets that carry descriptors. */
import { SysError } from "./error.ts";
import type { Argument } from "./native.ts";
import { syscall, trySyscall } from "./syscall.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const CMSG_HEADER = 16;

/** A connected pair of SOCK_SEQPACKET sockets: datagrams with order and an end. */
export function seqpacketPair(): [number, number] {
  const fds = new Int32Array(2);
  syscall("socketpair", undefined, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, new Uint8Array(fds.buffer));
  return [fds[0]!, fds[1]!];
}

/** struct sockaddr_un; a leading "@" stands for the NUL of an abstract address. */
function unixAddress(path: string): Uint8Array {
  const name = Buffer.from(path);
  if (name.length > 107) throw new SysError("connect", 36, path);
  const isAbstract = path.startsWith("@");
  const address = new Uint8Array(2 + name.length + (isAbstract ? 0 : 1));
  address[0] = AF_UNIX;
  address.set(name, 2);
  if (isAbstract) address[2] = 0;
  return address;
}

/** Connects to a stream socket in the file system. */
export function connectUnix(path: string): number {
  return socketAt("connect", path, SOCK_STREAM);
}

/** A datagram socket that sends to the one at `path`. */
export function connectDatagram(path: string): number {
  return socketAt("connect", path, SOCK_DGRAM);
}

/** A datagram socket that receives at `path`. */
export function bindDatagram(path: string): number {
  return socketAt("bind", path, SOCK_DGRAM);
}

function socketAt(call: "connect" | "bind", path: string, type: number): number {
  const fd = syscall("socket", path, AF_UNIX, type | SOCK_CLOEXEC, 0);
  const address = unixAddress(path);
  const result = trySyscall(call, fd, address, address.length);
  if (result < 0) {
    require("node:fs").closeSync(fd);
    throw new SysError(call, -result, path);
  }
  return fd;
}

/** struct msghdr with one iovec and a control buffer. */
function messageHeader(data: Uint8Array, control: Uint8Array): Argument {
  const iovec = new BigUint64Array([0n, BigInt(data.length)]);
  const header = new BigUint64Array([0n, 0n, 0n, 1n, 0n, BigInt(control.length), 0n]);
  return {
    bytes: new Uint8Array(header.buffer),
    pointers: [
      [16, { bytes: new Uint8Array(iovec.buffer), pointers: [[0, data]] }],
      [32, control],
    ],
  };
}

/** Sends one message with descriptors. @throws SysError */
export function sendMessage(socket: number, data: Uint8Array, fds: readonly number[] = []): void {
  const control = new Uint8Array(fds.length ? CMSG_HEADER + ((fds.length * 4 + 7) & ~7) : 0);
  if (fds.length) {
    const view = new DataView(control.buffer);
    view.setBigUint64(0, BigInt(CMSG_HEADER + fds.length * 4), true);
    view.setUint32(8, SOL_SOCKET, true);
    view.setUint32(12, SCM_RIGHTS, true);
    fds.forEach((fd, i) => {
      view.setInt32(CMSG_HEADER + i * 4, fd, true);
    });
  }
  for (;;) {
    const n = trySyscall("sendmsg", socket, messageHeader(data, control), MSG_NOSIGNAL);
    if (n >= 0) return;
    if (n !== -4) throw new SysError("sendmsg", -n);
  }
}

export interface Received {
  readonly length: number;
  readonly fds: readonly number[];
}

/** Receives one message into `data`; length 0 is the end. Descriptors are close-on-exec. Blocks. */
export function receiveMessage(socket: number, data: Uint8Array): Received {
  const control = new Uint8Array(CMSG_HEADER + 64);
  const header = messageHeader(data, control);
  for (;;) {
    const n = trySyscall("recvmsg", socket, header, MSG_CMSG_CLOEXEC);
    if (n === -4) continue;
    if (n < 0) throw new SysError("recvmsg", -n);
    const view = new DataView(control.buffer);
    const size = Number(view.getBigUint64(0, true));
    const count = size > CMSG_HEADER && view.getUint32(12, true) === SCM_RIGHTS ? (size - CMSG_HEADER) / 4 : 0;
    return { length: n, fds: Array.from({ length: count }, (_, i) => view.getInt32(CMSG_HEADER + i * 4, true)) };
  }
}

/** A listening stream socket at `path`, which only its owner may connect to. @throws SysError */
export function listenUnix(path: string, backlog = 128): number {
  const fd = syscall("socket", path, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const { closeSync, fchmodSync } = require("node:fs") as typeof import("node:fs");
  try {
    fchmodSync(fd, 0o600); // the mode that bind(2) gives to the file
    const address = unixAddress(path);
    syscall("bind", path, fd, address, address.length);
    syscall("listen", path, fd, backlog);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
