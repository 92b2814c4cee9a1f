/** `linux.resources` → the list of writes, for the hierarchy of this host. Pure. */
import { FailedPrecondition, type Resources } from "@gantry/oci";
import { deviceRules } from "../devices/rules.ts";
import type { CgroupHost } from "../host.ts";
import { findHierarchy } from "../paths.ts";
import { pidsValue } from "./convert.ts";
import { compileV1 } from "./v1.ts";
import { compileV2 } from "./v2.ts";
import type { CgroupWrite, DevicesWrite, FileWrite, WritePolicy } from "./write.ts";

export interface CompileOptions {
  /** Of a running container: devices are touched only if `resources.devices` is given. */
  readonly update?: boolean;
  /** `linux.devices`: a node defined there replaces the default rule of the same path. */
  readonly nodes?: readonly { readonly path: string }[];
  /** With `systemd` the properties of the unit come first. */
  readonly driver?: "cgroupfs" | "systemd" | undefined;
  /** Leave device access alone, as inside a user namespace. */
  readonly skipDevices?: boolean;
  /** Told about fields that have no effect on this host. */
  readonly warn?: (message: string) => void;
}

/**
 * @returns the writes in the order in which they must be done; runtime sheet: cgroups, fields → files.
 * @throws InvalidArgument or FailedPrecondition that names the field.
 */
export function compileResources(
  resources: Resources | undefined,
  host: CgroupHost,
  options: CompileOptions = {},
): CgroupWrite[] {
  const list = new WriteList(host, options);
  const v2 = host.mode === "v2";
  let wanted = resources ?? {};
  if (options.driver === "systemd") {
    const { unitWrites, roundedQuota } = systemd();
    list.writes.push(...unitWrites(wanted, v2));
    if (wanted.cpu?.quota) wanted = { ...wanted, cpu: { ...wanted.cpu, quota: roundedQuota(wanted.cpu) } };
  }
  if (v2) compileV2(wanted, list);
  else compileV1(wanted, list);
  return list.writes;
}

const systemd = () => require("../systemd/properties.ts") as typeof import("../systemd/properties.ts");

/** What the two compilers append to. */
export class WriteList {
  readonly writes: CgroupWrite[] = [];

  constructor(
    readonly host: CgroupHost,
    readonly options: CompileOptions,
  ) {}

  /** `at`: the field, below `linux.resources`. */
  put(controller: string, file: string, value: string | number | bigint, at: string, policy?: WritePolicy): void {
    const from = `linux.resources.${at}`;
    if (!this.has(controller))
      throw new FailedPrecondition(
        `${from}: cannot set ${controller} limit: container could not join or create cgroup: this host has no cgroup controller "${controller}"`,
      );
    const write: FileWrite = { kind: "file", controller, file, value: String(value), from };
    this.writes.push(policy === undefined ? write : { ...write, policy });
  }

  has(controller: string): boolean {
    const { host } = this;
    return host.mode === "v2"
      ? controller === "cgroup" || host.controllers.includes(controller)
      : findHierarchy(host, controller) !== undefined;
  }

  /** The same file on v1 and v2. No limit needs no controller. */
  pids({ pids }: Resources): void {
    if (pids?.limit === undefined || (pids.limit < 0 && !this.has("pids"))) return;
    this.put("pids", "pids.max", pidsValue(pids.limit), "pids.limit");
  }

  devices(resources: Resources): void {
    const { update = false, skipDevices = false, nodes } = this.options;
    if (skipDevices || (update && resources.devices === undefined)) return;
    const rules = deviceRules(resources.devices ?? [], nodes);
    const write: DevicesWrite = { kind: "devices", controller: "devices", rules, from: "linux.resources.devices" };
    this.writes.push(write);
  }

  /** Warns about each of the named fields that is set. */
  ignore<T extends object>(group: T | undefined, at: string, names: readonly (keyof T & string)[], why: string): void {
    for (const name of names) if (group?.[name]) this.options.warn?.(`linux.resources.${at}.${name}: ignored: ${why}`);
  }
}
