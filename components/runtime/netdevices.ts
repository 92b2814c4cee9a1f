/** Network devices of the host that become the container's; runtime-spec, config-linux.md, "Network Devices". */
import { closeSync, openSync } from "node:fs";
import { FailedPrecondition, type NetDevice, NotFound } from "@gantry/oci";
import { errnoText, isErrno, SysError } from "@gantry/sys";
import { type NetlinkMessage, NetlinkSocket, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL } from "@gantry/sys/netlink";

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;

const IFLA_IFNAME = 3;
const IFLA_NET_NS_FD = 28;
const IFF_UP = 1;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_FLAGS = 8;
const IFA_F_PERMANENT = 0x80;
const RT_SCOPE_UNIVERSE = 0;

/**
 * Moves each device into the network namespace of the process, under its new name, with its permanent global addresses,
 * and up. @throws NotFound or FailedPrecondition naming the device.
 */
export function moveNetDevices(devices: Readonly<Record<string, NetDevice>>, pid: number): void {
  const namespace = openSync(`/proc/${pid}/ns/net`, "r");
  try {
    using here = NetlinkSocket.open();
    using there = NetlinkSocket.openIn(namespace);
    for (const [name, device] of Object.entries(devices)) {
      try {
        move(name, device.name || name, { here, there, namespace });
      } catch (error) {
        throw explain(error, name);
      }
    }
  } finally {
    closeSync(namespace);
  }
}

interface Sides {
  readonly here: NetlinkSocket;
  readonly there: NetlinkSocket;
  readonly namespace: number;
}

function move(name: string, newName: string, { here, there, namespace }: Sides): void {
  const index = indexOf(here, name);
  const addresses = globalAddresses(here, index); // before it goes down, which takes the IPv6 ones away
  setUp(here, index, false, `set ${name} down`);
  here.request({
    type: RTM_NEWLINK,
    body: linkBody(index),
    // Name and namespace in one request: at no moment can the old name collide over there.
    attributes: [
      [IFLA_IFNAME, text(newName)],
      [IFLA_NET_NS_FD, number32(namespace)],
    ],
    about: `move ${name} to the container's network namespace as ${newName}`,
  });
  const newIndex = indexOf(there, newName);
  for (const address of addresses) {
    there.request({
      type: RTM_NEWADDR,
      flags: NLM_F_CREATE | NLM_F_EXCL,
      ...addressOn(newIndex, address),
      about: `give ${newName} its address again`,
    });
  }
  setUp(there, newIndex, true, `set ${newName} up`);
}

function indexOf(socket: NetlinkSocket, name: string): number {
  const about = `look for ${name}`;
  const [link] = socket.request({
    type: RTM_GETLINK,
    body: linkBody(0),
    attributes: [[IFLA_IFNAME, text(name)]],
    about,
  });
  return link!.body.getInt32(4, true);
}

function setUp(socket: NetlinkSocket, index: number, up: boolean, about: string): void {
  socket.request({ type: RTM_NEWLINK, body: linkBody(index, up ? IFF_UP : 0, IFF_UP), about });
}

/** struct ifinfomsg: family, type, index, flags, and which of them to change. */
function linkBody(index: number, flags = 0, change = 0): Uint8Array {
  return new Uint8Array(new Int32Array([0, index, flags, change]).buffer);
}

/** Those that somebody configured for good and that mean the same elsewhere; the kernel drops them with the move. */
function globalAddresses(socket: NetlinkSocket, index: number): NetlinkMessage[] {
  const all = socket.request({
    type: RTM_GETADDR,
    flags: NLM_F_DUMP,
    body: new Uint8Array(8),
    about: "list addresses",
  });
  return all.filter(({ body, attributes }) => {
    const flags = attributes.get(IFA_FLAGS);
    const permanent = (flags ? readNumber32(flags) : body.getUint8(2)) & IFA_F_PERMANENT;
    return body.getInt32(4, true) === index && permanent !== 0 && body.getUint8(3) === RT_SCOPE_UNIVERSE;
  });
}

/** struct ifaddrmsg: family, prefix length, flags, scope, index. */
function addressOn(index: number, { body, attributes }: NetlinkMessage) {
  const bytes = new Uint8Array(8);
  bytes.set([body.getUint8(0), body.getUint8(1), 0, RT_SCOPE_UNIVERSE]);
  new DataView(bytes.buffer).setInt32(4, index, true);
  const kept = [IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST].flatMap((key) => {
    const value = attributes.get(key);
    return value ? [[key, value] as const] : [];
  });
  return { body: bytes, attributes: kept };
}

function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`);
}

function number32(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

function readNumber32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

function explain(error: unknown, name: string): unknown {
  if (!(error instanceof SysError)) return error;
  const field = `linux.netDevices.${name}`;
  if (isErrno(error, "ENODEV")) return new NotFound(`${field}: there is no network device ${name}: no such device`);
  return new FailedPrecondition(`${field}: fail to ${error.path}: ${errnoText(error.errno)}`, { cause: error });
}
