/** D-Bus messages: D-Bus specification, "Message Protocol". Pure. */
import { marshal, Reader, unmarshal, type Value, type Variant, Writer } from "./wire.ts";

export const METHOD_CALL = 1;
export const METHOD_RETURN = 2;
export const ERROR = 3;
export const SIGNAL = 4;

const LITTLE_ENDIAN = 0x6c;
const VERSION = 1;
/** endian, type, flags, version, body length, serial, length of the header fields. */
const FIXED_HEADER = 16;
/** The specification's own limit. */
const MAX_MESSAGE = 128 << 20;

const PATH = 1;
const INTERFACE = 2;
const MEMBER = 3;
const ERROR_NAME = 4;
const REPLY_SERIAL = 5;
const DESTINATION = 6;
const SIGNATURE = 8;

export interface Message {
  readonly type: number;
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly errorName?: string;
  readonly replySerial?: number;
  readonly body: readonly Value[];
}

export interface Call {
  /** Left out on a connection that goes to systemd directly. */
  readonly destination?: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly args?: readonly Value[];
}

/** The bytes of a method call. */
export function encodeCall(call: Call, serial: number): Uint8Array {
  const body = new Writer();
  marshal(body, call.signature ?? "", call.args ?? []);
  const fields: [number, Variant][] = [
    [PATH, { signature: "o", value: call.path }],
    [INTERFACE, { signature: "s", value: call.interface }],
    [MEMBER, { signature: "s", value: call.member }],
  ];
  if (call.destination !== undefined) fields.push([DESTINATION, { signature: "s", value: call.destination }]);
  if (call.signature) fields.push([SIGNATURE, { signature: "g", value: call.signature }]);
  const message = new Writer();
  marshal(message, "yyyyuua(yv)", [LITTLE_ENDIAN, METHOD_CALL, 0, VERSION, body.length, serial, fields]);
  message.align(8);
  message.raw(body.bytes());
  return message.bytes();
}

/** How long the message at the start of `bytes` is; undefined while that cannot be told. @throws RangeError for nonsense. */
export function messageLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < FIXED_HEADER) return undefined;
  if (bytes[0] !== LITTLE_ENDIAN) throw new RangeError("D-Bus: a message that is not little-endian");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const header = Math.ceil((FIXED_HEADER + view.getUint32(12, true)) / 8) * 8;
  const length = header + view.getUint32(4, true);
  if (length > MAX_MESSAGE) throw new RangeError(`D-Bus: a message of ${length} bytes`);
  return length;
}

/** @throws RangeError when the bytes are not a whole message. */
export function decodeMessage(bytes: Uint8Array): Message {
  const from = new Reader(bytes);
  const [, type, , , , , list] = unmarshal(from, "yyyyuua(yv)");
  const fields = new Map((list as [number, Variant][]).map(([code, variant]) => [code, variant.value]));
  from.align(8);
  const text = (code: number, name: string) => {
    const value = fields.get(code);
    return typeof value === "string" ? { [name]: value } : {};
  };
  const serial = fields.get(REPLY_SERIAL);
  return {
    type: Number(type),
    ...text(PATH, "path"),
    ...text(INTERFACE, "interface"),
    ...text(MEMBER, "member"),
    ...text(ERROR_NAME, "errorName"),
    ...(typeof serial === "number" ? { replySerial: serial } : {}),
    body: unmarshal(from, String(fields.get(SIGNATURE) ?? "")),
  };
}
