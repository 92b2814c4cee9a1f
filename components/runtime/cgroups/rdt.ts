/**
 * Intel RDT: shares of cache and memory bandwidth, through the resctrl file system. Runtime-spec, config-linux.md, "IntelRdt".
 * A group is a directory: whoever is in its `tasks` gets what its `schemata` say.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { FailedPrecondition, type IntelRdt, InvalidArgument } from "@gantry/oci";
import { isErrno } from "@gantry/sys";
import type { RdtStats } from "./rdt-stats.ts";

/** Where resctrl is mounted, as Documentation/arch/x86/resctrl.rst has it. */
const RESCTRL = "/sys/fs/resctrl";

export interface RdtOptions {
  readonly config: IntelRdt;
  readonly id: string;
  /** The mount point. */
  readonly root?: string;
  /** The directory in the state file of a container that exists (`intel_rdt_path`). */
  readonly path?: string;
}

export interface RdtGroup {
  /** Absolute; `intel_rdt_path` of the state file. */
  readonly path: string;
  /** Makes the groups that are missing, and moves a process in. Right after the cgroup, before it has children. */
  join(pid: number): void;
  /** Writes the schemata of the configuration, in one write. */
  apply(): void;
  stats(): RdtStats;
  /** Removes what is the container's own: never a group that the configuration names. */
  destroy(): void;
}

/** @throws FailedPrecondition when this host lacks what `linux.intelRdt` asks for, InvalidArgument for a bad `closID`. */
export function openRdt({ config, id, root = RESCTRL, path }: RdtOptions): RdtGroup {
  requireFeatures(config, root);
  const { closID = "" } = config;
  if (closID === "." || closID === ".." || closID.includes("/"))
    throw new InvalidArgument(`linux.intelRdt.closID: invalid intelRdt.ClosID "${closID}"`);
  const group = path ?? `${root}/${closID === "" ? id : closID}`;
  const monitor = config.enableMonitoring ? `${group}/mon_groups/${id}` : undefined;
  return {
    path: group,
    join: (pid) => join(config, root, group, monitor, pid),
    apply: () => apply(config, root, group),
    stats: () => readStats(root, group, monitor),
    destroy() {
      if (closID === "") remove(group);
      else if (monitor !== undefined) remove(monitor);
    },
  };
}

function requireFeatures({ l3CacheSchema, memBwSchema }: IntelRdt, root: string): void {
  const has = (name: string) => existsSync(`${root}/info/${name}`);
  if (!existsSync(`${root}/info`))
    throw new FailedPrecondition(
      `linux.intelRdt: intelRdt is specified in config, but Intel RDT is not enabled: no resctrl file system is mounted on ${root}`,
    );
  if (l3CacheSchema && !has("L3"))
    throw new FailedPrecondition(
      "linux.intelRdt.l3CacheSchema: intelRdt.l3CacheSchema is specified in config, but Intel RDT/CAT is not enabled",
    );
  if (memBwSchema && !has("MB"))
    throw new FailedPrecondition(
      "linux.intelRdt.memBwSchema: intelRdt.memBwSchema is specified in config, but Intel RDT/MBA is not enabled",
    );
}

function schemataOf({ l3CacheSchema = "", memBwSchema = "", schemata = [] }: IntelRdt): string {
  return [l3CacheSchema, memBwSchema, ...schemata]
    .filter((line) => line !== "")
    .map((line) => `${line}\n`)
    .join("");
}

function join(config: IntelRdt, root: string, group: string, monitor: string | undefined, pid: number): void {
  if (config.closID && schemataOf(config) === "" && !existsSync(group))
    throw new FailedPrecondition(
      `linux.intelRdt.closID: clos dir not accessible (must be pre-created when schemata, l3CacheSchema and memBwSchema are empty): ${group}`,
    );
  for (const directory of monitor === undefined ? [group] : [group, monitor]) {
    explained(root, `cannot make ${directory}`, () => makeGroup(directory));
    explained(root, `unable to add pid ${pid}`, () => writeFileSync(`${directory}/tasks`, String(pid)));
  }
}

function makeGroup(path: string): void {
  try {
    mkdirSync(path, 0o755);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
}

function apply(config: IntelRdt, root: string, group: string): void {
  const schemata = schemataOf(config);
  if (schemata !== "")
    explained(root, `unable to write ${JSON.stringify(schemata)}`, () => writeFileSync(`${group}/schemata`, schemata));
}

/** resctrl says why in a file of its own. */
function explained(root: string, what: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    const status = existsSync(`${root}/info/last_cmd_status`) ? text(`${root}/info/last_cmd_status`) : "unknown";
    throw new FailedPrecondition(
      `linux.intelRdt: intelrdt: ${what}: ${(error as Error).message}, last_cmd_status: ${status}`,
      { cause: error },
    );
  }
}

function remove(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

const text = (path: string) => readFileSync(path, "utf8").trim();
const number = (path: string) => Number(text(path));

function readStats(root: string, group: string, monitor = group): RdtStats {
  const [top, own] = [text(`${root}/schemata`).split("\n"), text(`${group}/schemata`).split("\n")];
  const of = (lines: readonly string[], name: string) => lines.findLast((line) => line.includes(name))?.trim() ?? "";
  const l3 = existsSync(`${root}/info/L3`);
  const mb = existsSync(`${root}/info/MB`);
  return {
    ...(l3 && {
      l3_cache_info: cacheInfo(`${root}/info/L3`),
      l3_cache_schema_root: of(top, "L3"),
      l3_cache_schema: of(own, "L3"),
    }),
    ...(mb && {
      mem_bw_info: bandwidthInfo(`${root}/info/MB`),
      mem_bw_schema_root: of(top, "MB"),
      mem_bw_schema: of(own, "MB"),
    }),
    schemata: own,
    ...monitoring(root, monitor),
  };
}

function cacheInfo(info: string) {
  return {
    cbm_mask: text(`${info}/cbm_mask`),
    min_cbm_bits: number(`${info}/min_cbm_bits`),
    num_closids: number(`${info}/num_closids`),
  };
}

function bandwidthInfo(info: string) {
  return {
    bandwidth_gran: number(`${info}/bandwidth_gran`),
    delay_linear: number(`${info}/delay_linear`),
    min_bandwidth: number(`${info}/min_bandwidth`),
    num_closids: number(`${info}/num_closids`),
  };
}

/** One entry for each cache that this machine monitors. */
function monitoring(root: string, group: string): Pick<RdtStats, "mbm_stats" | "cmt_stats"> {
  if (!existsSync(`${root}/info/L3_MON/mon_features`)) return {};
  const features = text(`${root}/info/L3_MON/mon_features`).split("\n");
  const bytes = features.includes("mbm_total_bytes") || features.includes("mbm_local_bytes");
  const nodes = readdirSync(`${group}/mon_data`).map((name) => `${group}/mon_data/${name}`);
  const counter = (node: string, name: string) => (features.includes(name) ? number(`${node}/${name}`) : 0);
  return {
    ...(bytes && {
      mbm_stats: nodes.map((node) => ({
        mbm_total_bytes: counter(node, "mbm_total_bytes"),
        mbm_local_bytes: counter(node, "mbm_local_bytes"),
      })),
    }),
    ...(features.includes("llc_occupancy") && {
      cmt_stats: nodes.map((node) => ({ llc_occupancy: counter(node, "llc_occupancy") })),
    }),
  };
}
