/** The calls that we make to systemd's manager. */
import { DeadlineExceeded, FailedPrecondition, GantryError, Unavailable } from "@gantry/oci";
import { connectSystemd, type Systemd } from "./address.ts";
import type { Property } from "./annotations.ts";
import { BusError } from "./bus.ts";
import { type Unit, versionNumber } from "./unit.ts";
import { isVariant, type Value, type Variant } from "./wire.ts";

const PATH = "/org/freedesktop/systemd1";
const MANAGER = "org.freedesktop.systemd1.Manager";
const JOB_MS = 30_000;

export interface UnitManager extends Disposable {
  /** Makes a transient unit and waits for it. @throws FailedPrecondition, DeadlineExceeded */
  start(unit: string, properties: readonly Property[]): void;
  /** Stops it, if there is one, and forgets a failure of it. */
  stop(unit: string): void;
  /** Moves a process into a running unit, with the manager's rights. `sub` starts with a slash. */
  attach(unit: string, sub: string, pid: number): void;
  /** Changes a running unit, until the next boot. */
  set(unit: string, properties: readonly Property[]): void;
  /** The values that properties of a unit have now; those that this systemd does not know are left out. */
  get(unit: Unit, names: readonly string[]): Property[];
  /** A property of the manager itself, as text. */
  property(name: string): string;
  /** The number of systemd's version. */
  version(): number;
}

/** Connects. @throws Unavailable */
export function openUnitManager(user: boolean): UnitManager {
  const systemd = connectSystemd(user);
  let listening = false;
  let version: number | undefined;
  return {
    start(unit, properties) {
      listening = listen(systemd, listening);
      startUnit(systemd, unit, properties);
    },
    stop(unit) {
      listening = listen(systemd, listening);
      stopUnit(systemd, unit);
    },
    attach(unit, sub, pid) {
      call(systemd, "AttachProcessesToUnit", "ssau", [unit, sub, [pid]]);
    },
    set(unit, properties) {
      call(systemd, "SetUnitProperties", "sba(sv)", [unit, true, properties.map(pair)]);
    },
    get: (unit, names) => unitProperties(systemd, unit, names),
    property: (name) => managerProperty(systemd, name),
    version: () => (version ??= versionNumber(managerProperty(systemd, "Version"))),
    [Symbol.dispose]: () => systemd[Symbol.dispose](),
  };
}

const pair = ({ name, value }: Property): Value => [name, value];

function call(systemd: Systemd, member: string, signature: string, args: readonly Value[]): readonly Value[] {
  const { destination } = systemd;
  const to = destination === undefined ? {} : { destination };
  return systemd.call({ ...to, path: PATH, interface: MANAGER, member, signature, args });
}

/** Ends of jobs are broadcast; a bus passes on what was asked for, systemd's own socket everything. */
function listen(systemd: Systemd, already: boolean): true {
  if (already || systemd.destination === undefined) return true;
  systemd.call({
    destination: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
    member: "AddMatch",
    signature: "s",
    args: [`type='signal',path='${PATH}',interface='${MANAGER}',member='JobRemoved'`],
  });
  return true;
}

/** A unit of that name that failed earlier may be in the way: it is reset, and tried once more. */
function startUnit(systemd: Systemd, unit: string, properties: readonly Property[]): void {
  const start = () =>
    call(systemd, "StartTransientUnit", "ssa(sv)a(sa(sv))", [unit, "replace", properties.map(pair), []]);
  let job: readonly Value[];
  try {
    job = start();
  } catch (error) {
    if (!isBusError(error, "UnitExists")) throw explain(unit, error);
    resetFailed(systemd, unit);
    try {
      job = start();
    } catch (second) {
      throw explain(unit, second);
    }
  }
  const result = awaitJob(systemd, job[0]!, unit);
  if (result === "done") return;
  resetFailed(systemd, unit);
  throw new FailedPrecondition(`error creating systemd unit \`${unit}\`: got \`${result}\``);
}

function awaitJob(systemd: Systemd, job: Value, unit: string): string {
  try {
    const removed = systemd.signal((s) => s.member === "JobRemoved" && s.body[1] === job, `the job of ${unit}`, JOB_MS);
    return String(removed.body[3]);
  } catch (error) {
    if (error instanceof DeadlineExceeded) resetFailed(systemd, unit);
    throw error;
  }
}

function stopUnit(systemd: Systemd, unit: string): void {
  try {
    const job = call(systemd, "StopUnit", "ss", [unit, "replace"]);
    awaitJob(systemd, job[0]!, unit);
  } catch (error) {
    // No such unit: a scope goes away by itself with its last process.
    if (!(error instanceof BusError)) throw error;
  }
  resetFailed(systemd, unit);
}

/** Lets go of a failed unit; that there is none is what we want. */
function resetFailed(systemd: Systemd, unit: string): void {
  try {
    call(systemd, "ResetFailedUnit", "s", [unit]);
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
  }
}

function managerProperty(systemd: Systemd, name: string): string {
  return String(getProperty(systemd, PATH, MANAGER, name).value);
}

function unitProperties(systemd: Systemd, unit: Unit, names: readonly string[]): Property[] {
  const path = String(call(systemd, "GetUnit", "s", [unit.name])[0]);
  return names.flatMap((name) => {
    try {
      return [{ name, value: getProperty(systemd, path, `org.freedesktop.systemd1.${unit.kind}`, name) }];
    } catch (error) {
      if (isBusError(error, "UnknownProperty")) return [];
      throw error;
    }
  });
}

function getProperty({ destination, ...systemd }: Systemd, path: string, of: string, name: string): Variant {
  const [value] = systemd.call({
    ...(destination === undefined ? {} : { destination }),
    path,
    interface: "org.freedesktop.DBus.Properties",
    member: "Get",
    signature: "ss",
    args: [of, name],
  });
  if (value === undefined || !isVariant(value)) throw new Unavailable(`systemd does not tell its ${name}`);
  return value;
}

function isBusError(error: unknown, name: string): boolean {
  return error instanceof BusError && error.errorName.endsWith(`.${name}`);
}

function explain(unit: string, error: unknown): unknown {
  if (error instanceof GantryError) return error;
  return new FailedPrecondition(`unable to start unit "${unit}": ${(error as Error).message}`, { cause: error });
}
