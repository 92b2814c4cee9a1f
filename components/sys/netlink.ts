/** rtnetlink(7): one request after the other on a socket that belongs to one network namespace. */
import { closeSync, openSync } from "node:fs";
import { CLONE_NEWNET } from "./constants.ts";
import { SysError } from "./error.ts";
import { receiveMessage, sendMessage } from "./socket.ts";
import { syscall } from "./syscall.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x80000;
const NETLINK_ROUTE = 0;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 0x001;
const NLM_F_ACK = 0x004;
const HEADER = 16;

/** Flags of a request, beside those that every request has. */
export const NLM_F_DUMP = 0x300;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;

/** A message of the answer: its fixed part, and its attributes by number. */
export interface NetlinkMessage {
  readonly type: number;
  readonly body: DataView;
  readonly attributes: ReadonlyMap<number, Uint8Array>;
}

export interface NetlinkRequest {
  /** RTM_*. */
  readonly type: number;
  readonly flags?: number;
  /** struct ifinfomsg, ifaddrmsg, …; a multiple of 4 bytes. */
  readonly body: Uint8Array;
  readonly attributes?: readonly (readonly [number: number, value: Uint8Array])[];
  /** What the request is about, for the message of an error. */
  readonly about: string;
}

export class NetlinkSocket implements Disposable {
  #sequence = 0;

  private constructor(readonly fd: number) {}

  /** A socket in the network namespace of the caller. */
  static open(): NetlinkSocket {
    const fd = syscall("socket", "netlink", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    return new NetlinkSocket(fd);
  }

  /**
   * A socket in another network namespace, which our thread visits for the length of two system calls: a socket stays
   * where it was made. Nothing in the namespace can see or stop us meanwhile.
   */
  static openIn(namespaceFd: number): NetlinkSocket {
    const home = openSync("/proc/thread-self/ns/net", "r");
    try {
      syscall("setns", "network namespace", namespaceFd, CLONE_NEWNET);
      try {
        return NetlinkSocket.open();
      } finally {
        syscall("setns", "network namespace", home, CLONE_NEWNET);
      }
    } finally {
      closeSync(home);
    }
  }

  /** Sends a request and waits for the whole answer. @throws SysError with `about` when the kernel refuses. */
  request(request: NetlinkRequest): NetlinkMessage[] {
    this.#sequence += 1;
    sendMessage(this.fd, encode(request, this.#sequence));
    const answer: NetlinkMessage[] = [];
    const buffer = Buffer.allocUnsafeSlow(32768);
    for (;;) {
      const { length } = receiveMessage(this.fd, buffer);
      if (this.#read(buffer.subarray(0, length), request, answer)) return answer;
    }
  }

  /** Returns true at the end of the answer. */
  #read(bytes: Buffer, { body, about }: NetlinkRequest, answer: NetlinkMessage[]): boolean {
    for (let at = 0; at + HEADER <= bytes.length; ) {
      const length = bytes.readUInt32LE(at);
      const type = bytes.readUInt16LE(at + 4);
      if (length < HEADER || at + length > bytes.length) throw new SysError("netlink", EPROTO, about);
      const payload = bytes.subarray(at + HEADER, at + length);
      const ours = bytes.readUInt32LE(at + 8) === this.#sequence;
      at += align(length);
      if (!ours) continue;
      if (type === NLMSG_DONE) return true;
      if (type !== NLMSG_ERROR) answer.push({ type, ...decode(payload, body.length) });
      else if (payload.readInt32LE(0) === 0) return true;
      else throw new SysError("netlink", -payload.readInt32LE(0), about);
    }
    return false;
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

const EPROTO = 71;

function align(length: number): number {
  return (length + 3) & ~3;
}

function encode({ type, flags = 0, body, attributes = [] }: NetlinkRequest, sequence: number): Uint8Array {
  const size = attributes.reduce((sum, [, value]) => sum + 4 + align(value.length), HEADER + body.length);
  const out = Buffer.alloc(size);
  out.writeUInt32LE(size, 0);
  out.writeUInt16LE(type, 4);
  out.writeUInt16LE(flags | NLM_F_REQUEST | NLM_F_ACK, 6);
  out.writeUInt32LE(sequence, 8);
  out.set(body, HEADER);
  let at = HEADER + body.length;
  for (const [number, value] of attributes) {
    out.writeUInt16LE(4 + value.length, at);
    out.writeUInt16LE(number, at + 2);
    out.set(value, at + 4);
    at += 4 + align(value.length);
  }
  return out;
}

function decode(payload: Buffer, fixed: number): Omit<NetlinkMessage, "type"> {
  const attributes = new Map<number, Uint8Array>();
  for (let at = fixed; at + 4 <= payload.length; ) {
    const length = payload.readUInt16LE(at);
    if (length < 4 || at + length > payload.length) break;
    attributes.set(payload.readUInt16LE(at + 2) & 0x3fff, new Uint8Array(payload.subarray(at + 4, at + length)));
    at += align(length);
  }
  const body = new Uint8Array(payload.subarray(0, fixed));
  return { body: new DataView(body.buffer), attributes };
}
