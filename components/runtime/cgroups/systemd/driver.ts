/** Cgroups that systemd makes: each container is a transient scope (or slice), and its limits are known to systemd too. */
import { FailedPrecondition, PermissionDenied } from "@gantry/oci";
import { applyWrites, requireRoom } from "../apply.ts";
import { type Cgroup, type CgroupState, cgroupfs, type OpenOptions, type ReopenOptions } from "../cgroup.ts";
import type { CgroupWrite, UnitWrite } from "../resources/write.ts";
import { requireSystemd } from "./address.ts";
import { annotatedProperties, type Property } from "./annotations.ts";
import { BusError } from "./bus.ts";
import { deviceProperties } from "./devices.ts";
import { openUnitManager, type UnitManager } from "./manager.ts";
import { parseUnit, type Unit, unitPaths } from "./unit.ts";

/** What the methods of one cgroup share; the connection is made when it is first needed. */
interface Driver {
  readonly options: OpenOptions;
  readonly unit: Unit;
  readonly files: Cgroup;
  readonly state: CgroupState;
  manager: UnitManager | undefined;
  /** Properties that can be set when the unit is made only. */
  atStart: readonly UnitWrite[];
}

/** @throws FailedPrecondition when systemd does not run here, InvalidArgument for a path that is not `slice:prefix:name`. */
export function openSystemd(options: OpenOptions | ReopenOptions): Cgroup {
  requireSystemd();
  const { host, cgroupsPath = "", id, rootless = false, userNamespace = false } = options;
  const v2 = host.mode === "v2";
  if (rootless && !v2) throw new FailedPrecondition("cannot use rootless systemd cgroups manager on cgroup v1");
  const unit = parseUnit(cgroupsPath, id, rootless);
  const reopened = "paths" in options;
  let manager: UnitManager | undefined;
  if (!reopened && rootless) manager = openUnitManager(true);
  const paths = reopened
    ? options.paths
    : unitPaths(host, unit, manager?.property("ControlGroup") ?? "/", !userNamespace);
  const { cgroup: files, state } = cgroupfs({ ...options, cgroupsPath: cgroupsPath || unit.name }, paths);
  const driver: Driver = { options, unit, files, state, manager, atStart: [] };
  return {
    ...files,
    driver: "systemd",
    // Only systemd can make the directory, and it does so around a process.
    entersAtClone: reopened && files.entersAtClone,
    create: (writes = []) => prepare(driver, writes),
    join: (pid) => (reopened ? enter(driver, pid) : start(driver, pid)),
    joinSub: (pid, subs) => enter(driver, pid, subs),
    apply: (writes) => {
      setProperties(driver, writes);
      files.apply(writes);
    },
    update: (writes) => update(driver, writes),
    destroy: () => destroy(driver),
    [Symbol.dispose]() {
      driver.manager?.[Symbol.dispose]();
      files[Symbol.dispose]();
    },
  };
}

function connected(driver: Driver): UnitManager {
  driver.manager ??= openUnitManager(driver.options.rootless === true);
  return driver.manager;
}

/** Nothing is made before there is a process. */
function prepare(driver: Driver, writes: readonly CgroupWrite[]): void {
  if (driver.files.exists()) create().requireUnused(driver.state);
  driver.atStart = unitsOf(writes).filter((write) => write.start === true);
}

const create = () => require("../cgroup.ts") as typeof import("../cgroup.ts");
const v1 = () => require("../create-v1.ts") as typeof import("../create-v1.ts");
const v2 = () => require("../create-v2.ts") as typeof import("../create-v2.ts");

function start(driver: Driver, pid: number): void {
  const { unit, options, state, files, atStart } = driver;
  const manager = connected(driver);
  const properties = [...startProperties(unit, pid, options), ...known(manager, atStart)];
  manager.start(unit.name, properties);
  if (options.host.mode === "v2") {
    v2().makeLevels(state, state.paths[""]!, [], []);
    if (options.ownerUid !== undefined) v2().giveAway(state, options.ownerUid);
    return;
  }
  // systemd makes the directories of the controllers that it knows; the rest is ours.
  v1().makeHierarchies(state, []);
  files.join(pid);
}

function unitsOf(writes: readonly CgroupWrite[]): UnitWrite[] {
  return writes.filter((write) => write.kind === "unit");
}

/**
 * The scope is delegated to us, so we may move a process in without asking; but a user may not do so from outside of what is the
 * user's, while systemd may.
 */
function enter(driver: Driver, pid: number, subs: readonly string[] = []): void {
  const { options, unit, files } = driver;
  if (!options.rootless) {
    if (subs.length === 0) files.join(pid);
    else files.joinSub(pid, subs);
    return;
  }
  const { parseSubCgroups, below } = require("../sub.ts") as typeof import("../sub.ts");
  const [sub = ""] = Object.values(parseSubCgroups(subs));
  try {
    connected(driver).attach(unit.name, below("", sub) || "/", pid);
  } catch (error) {
    // A user's process without a cgroup is better than none, unless one was named.
    if (!(error instanceof BusError)) throw error;
    if (sub !== "")
      throw new FailedPrecondition(`error adding pid ${pid} to cgroups: ${error.message}`, { cause: error });
  }
}

function property(name: string, signature: string, value: Property["value"]["value"]): Property {
  return { name, value: { signature, value } };
}

/** Accounting is always on: the numbers are wanted, and memory cannot be accounted for later. */
function startProperties(unit: Unit, pid: number, { host, annotations = {} }: OpenOptions): Property[] {
  const io = host.mode === "v2" ? "IOAccounting" : "BlockIOAccounting";
  return [
    property("Description", "s", unit.description),
    ...(unit.kind === "Slice"
      ? [property("Wants", "as", [unit.slice])]
      : [property("Slice", "s", unit.slice), property("Delegate", "b", true), property("PIDs", "au", [pid])]),
    ...["MemoryAccounting", "CPUAccounting", io, "TasksAccounting"].map((name) => property(name, "b", true)),
    property("DefaultDependencies", "b", false),
    ...annotatedProperties(annotations),
  ];
}

/** Without those that this systemd is too old for; the files are written to in any case. */
function known(manager: UnitManager, writes: readonly UnitWrite[]): Property[] {
  return writes
    .filter(({ since }) => since === undefined || manager.version() >= since)
    .map(({ property: name, signature, value }) => ({ name, value: { signature, value } }));
}

/** On v1 systemd takes all device rights away for a moment: the processes must not notice. */
function setProperties(driver: Driver, writes: readonly CgroupWrite[]): void {
  const { files, options, unit } = driver;
  const units = unitsOf(writes).filter((write) => write.start !== true);
  const devices = options.userNamespace ? undefined : writes.find((write) => write.kind === "devices");
  if (units.length === 0 && devices === undefined) return;
  const manager = connected(driver);
  const properties = [...(devices === undefined ? [] : deviceProperties(devices.rules)), ...known(manager, units)];
  const stop = devices !== undefined && options.host.mode !== "v2" && !files.frozen();
  try {
    if (stop) files.freeze();
    manager.set(unit.name, properties);
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    const fields = [...new Set(units.map((u) => u.from))].join(", ");
    const Kind = error.errorName.endsWith("AccessDenied") ? PermissionDenied : FailedPrecondition;
    throw new Kind(`${fields || "linux.resources"}: unable to set unit properties: ${error.message}`, { cause: error });
  } finally {
    if (stop) files.thaw();
  }
}

/** First systemd, so that it does not undo anything later; then the files, which can say more. Or neither. */
function update(driver: Driver, writes: readonly CgroupWrite[]): void {
  const { unit, state } = driver;
  const { updateWrites } = require("../update.ts") as typeof import("../update.ts");
  requireRoom(state, writes);
  const manager = connected(driver);
  const names = unitsOf(writes).map((write) => write.property);
  if (writes.some((write) => write.kind === "devices")) names.push("DevicePolicy", "DeviceAllow");
  const old = manager.get(unit, [...new Set(names)]);
  updateWrites(state, writes, () => {
    try {
      setProperties(driver, writes);
      applyWrites(state, writes);
    } catch (error) {
      // Lists add to what is there, so they are cleared first.
      const clear = old.filter((p) => p.value.signature === "a(ss)").map((p) => property(p.name, "a(ss)", []));
      manager.set(unit.name, [...clear, ...old]);
      throw error;
    }
  });
}

function destroy(driver: Driver): void {
  connected(driver).stop(driver.unit.name);
  driver.files.destroy();
}
