/** Where systemd can be reached. */
import { existsSync } from "node:fs";
import { FailedPrecondition, Unavailable } from "@gantry/oci";
import { type Bus, type BusAddress, connectBus } from "./bus.ts";

const SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket";
/** systemd's own socket, for root, where there is no bus. */
const PRIVATE = "/run/systemd/private";

/** @throws FailedPrecondition on a host that systemd did not boot. */
export function requireSystemd(): void {
  if (!existsSync("/run/systemd/system"))
    throw new FailedPrecondition("systemd not running on this host, cannot use systemd cgroups manager");
}

export interface Systemd extends Bus {
  /** What calls are addressed to; nothing on systemd's own socket. */
  readonly destination?: string;
}

/** Connects to the system's bus, or the user's. @throws Unavailable with a hint of what is missing. */
export function connectSystemd(
  user: boolean,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Systemd {
  const destination = "org.freedesktop.systemd1";
  try {
    const address = user ? userBus(env) : (env.DBUS_SYSTEM_BUS_ADDRESS ?? SYSTEM_BUS);
    return { ...connectFirst(address), destination };
  } catch (error) {
    if (!user && process.geteuid?.() === 0 && existsSync(PRIVATE)) return connectBus(PRIVATE, { hello: false });
    const hint = user ? " (hint: for rootless containers, maybe you need to install dbus-user-session package)" : "";
    throw new Unavailable(`failed to connect to dbus${hint}: ${(error as Error).message}`, { cause: error });
  }
}

function userBus(env: Readonly<Record<string, string | undefined>>): string {
  if (env.DBUS_SESSION_BUS_ADDRESS) return env.DBUS_SESSION_BUS_ADDRESS;
  const path = `${env.XDG_RUNTIME_DIR ?? ""}/bus`;
  if (env.XDG_RUNTIME_DIR && existsSync(path)) return `unix:path=${encodeURI(path)}`;
  throw new Unavailable(
    "neither DBUS_SESSION_BUS_ADDRESS nor a socket XDG_RUNTIME_DIR/bus says where the user's bus is",
  );
}

function connectFirst(list: string): Bus {
  const addresses = parseAddresses(list);
  if (addresses.length === 0) throw new Unavailable(`"${list}" has no address of a unix socket`);
  let failure: unknown;
  for (const address of addresses) {
    try {
      return connectBus(address, { hello: true });
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** D-Bus specification, "Server Addresses": the Unix sockets of a list such as `unix:path=/a;unix:abstract=b,guid=c`. */
export function parseAddresses(list: string): BusAddress[] {
  return list.split(";").flatMap((address) => {
    if (!address.startsWith("unix:")) return [];
    const pairs = new Map(
      address
        .slice(5)
        .split(",")
        .map((pair) => pair.split("=", 2) as [string, string]),
    );
    const path = pairs.get("path");
    if (path !== undefined) return [decodeURIComponent(path)];
    const name = pairs.get("abstract");
    return name === undefined ? [] : [`\0${decodeURIComponent(name)}`];
  });
}
