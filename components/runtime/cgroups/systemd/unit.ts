/** Names of systemd units, and where their cgroups are. Pure. */
import { FailedPrecondition, InvalidArgument } from "@gantry/oci";
import type { CgroupHost } from "../host.ts";
import { type CgroupPaths, findHierarchy, V1_CONTROLLERS } from "../paths.ts";

export interface Unit {
  /** `prefix-name.scope`, or a name that ends in `.slice` as it is. */
  readonly name: string;
  readonly kind: "Scope" | "Slice";
  /** The slice that it lies in. */
  readonly slice: string;
  /** For people. */
  readonly description: string;
}

/** `slice:prefix:name`; empty is `:runc:<id>`. @throws InvalidArgument naming the field. */
export function parseUnit(cgroupsPath: string, id: string, rootless: boolean): Unit {
  const parts = (cgroupsPath === "" ? `:runc:${id}` : cgroupsPath).split(":");
  const [slice, prefix, name] = parts;
  if (parts.length !== 3 || slice === undefined || prefix === undefined || name === undefined)
    throw new InvalidArgument(
      `linux.cgroupsPath: expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "${cgroupsPath}" instead`,
    );
  const isSlice = name.endsWith(".slice");
  const unit = isSlice ? name : `${prefix}-${name}.scope`;
  if (name === "" || unit.includes("/"))
    throw new InvalidArgument(`linux.cgroupsPath: "${unit}" cannot be the name of a systemd unit`);
  return {
    name: unit,
    kind: isSlice ? "Slice" : "Scope",
    slice: slice === "" ? (rootless ? "user.slice" : "system.slice") : slice,
    description: `gantry container ${name}`,
  };
}

/** `a-b.slice` → `/a.slice/a-b.slice`; `-.slice` → `` . @throws InvalidArgument for names that systemd would refuse. */
export function sliceDirectory(slice: string): string {
  const wrong = () => new InvalidArgument(`linux.cgroupsPath: invalid slice name: ${slice}`);
  if (!slice.endsWith(".slice") || slice === ".slice" || slice.includes("/")) throw wrong();
  if (slice === "-.slice") return "";
  let path = "";
  let prefix = "";
  for (const part of slice.slice(0, -".slice".length).split("-")) {
    if (part === "") throw wrong();
    path += `/${prefix}${part}.slice`;
    prefix += `${part}-`;
  }
  return path;
}

/** `manager`: the cgroup of the user's systemd, which its units lie below. */
export function unitPaths(host: CgroupHost, unit: Unit, manager: string, needsDevices: boolean): CgroupPaths {
  const inner = `${manager === "/" ? "" : manager}${sliceDirectory(unit.slice)}/${unit.name}`;
  if (host.mode === "v2") return { "": host.unified!.mountPoint + inner };
  const paths: Record<string, string> = {};
  for (const controller of V1_CONTROLLERS) {
    const hierarchy = findHierarchy(host, controller);
    if (hierarchy !== undefined) paths[controller] = hierarchy.mountPoint + inner;
  }
  if (needsDevices && paths.devices === undefined)
    throw new FailedPrecondition(
      "the cgroup controller devices is not mounted on this host: device access could not be restricted",
    );
  return paths;
}

/** `252.39-1~deb12u1`, `v245` → 252, 245; 0 when there is no number. */
export function versionNumber(text: string): number {
  return Number(/\d+/.exec(text)?.[0] ?? 0);
}
