/** update: new limits for a container that exists; what is not named stays as it is. */
import { existsSync } from "node:fs";
import { FailedPrecondition, type IntelRdt, type Resources, validateResources } from "@gantry/oci";
import { compileResources } from "./cgroups/index.ts";
import { openRdt } from "./cgroups/rdt.ts";
import { validationFacts } from "./facts.ts";
import { type Found, find } from "./lifecycle.ts";
import type { Context } from "./prepare.ts";
import { writeRecord } from "./state.ts";

export type RdtChange = Pick<IntelRdt, "l3CacheSchema" | "memBwSchema">;

/**
 * Writes the limits and keeps them in the record. If the kernel refuses one of them the old ones are in force again.
 * @throws FailedPrecondition when the container has stopped, InvalidArgument or FailedPrecondition naming the field.
 */
export function update(context: Context, id: string, changes: Resources, rdt: RdtChange = {}): void {
  const found = find(context, id);
  if (found.status() === "stopped") throw new FailedPrecondition("container not running");
  const { spec } = found.record.gantry;
  const old = spec.linux?.resources ?? {};
  const wanted = withPartners(changes, old);
  for (const warning of validateResources(wanted, validationFacts(context.host))) context.log.warn(warning);
  const group = rdt.l3CacheSchema || rdt.memBwSchema ? rdtGroup(rdt, found) : undefined;
  const { host } = context;
  const writes = compileResources(wanted, host.cgroups, {
    update: true,
    driver: found.cgroup.driver,
    nodes: spec.linux?.devices ?? [],
    skipDevices: host.rootless || host.inUserNamespace,
    warn: (message) => context.log.warn(message),
  });
  found.cgroup.update(writes);
  group?.apply();
  remember(found, merge(old, wanted), rdt);
}

const RESCTRL = "/sys/fs/resctrl";

/** @throws FailedPrecondition when this host, or this container, has no such thing. */
function rdtGroup(rdt: RdtChange, { id, record }: Found) {
  if (rdt.l3CacheSchema && !existsSync(`${RESCTRL}/info/L3`))
    throw new FailedPrecondition("Intel RDT/CAT: l3 cache schema is not enabled");
  if (rdt.memBwSchema && !existsSync(`${RESCTRL}/info/MB`))
    throw new FailedPrecondition("Intel RDT/MBA: memory bandwidth schema is not enabled");
  const config = record.gantry.spec.linux?.intelRdt;
  if (config === undefined)
    throw new FailedPrecondition("updating a non-existent Intel RDT configuration is not supported");
  return openRdt({ config: { ...config, ...rdt }, id, path: record.intel_rdt_path });
}

function remember({ directory, record }: Found, resources: Resources, rdt: RdtChange): void {
  const { gantry } = record;
  const { linux } = gantry.spec;
  const intelRdt = linux?.intelRdt && { ...linux.intelRdt, ...rdt };
  const spec = { ...gantry.spec, linux: { ...linux, resources, ...(intelRdt && { intelRdt }) } };
  writeRecord(directory, { ...record, gantry: { ...gantry, spec } });
}

/** Some limits are written together: a change of one brings the other along, as the container has it. */
export function withPartners(changes: Resources, old: Resources): Resources {
  let { cpu, memory } = changes;
  if (cpu && Boolean(cpu.period) !== Boolean(cpu.quota)) {
    const { period = 0, quota = 0 } = old.cpu ?? {};
    cpu = cpu.period ? { ...cpu, ...(quota && { quota }) } : { ...cpu, ...(period && { period }) };
  }
  if (memory?.limit === -1 && memory.swap === undefined)
    memory = { ...memory, swap: 0 }; // it goes with the limit
  else if (memory && Boolean(memory.limit) !== Boolean(memory.swap)) {
    const { limit = 0, swap = 0 } = old.memory ?? {};
    memory = memory.limit ? { ...memory, ...(swap && { swap }) } : { ...memory, ...(limit && { limit }) };
  }
  return { ...changes, ...(cpu && { cpu }), ...(memory && { memory }) };
}

/** The limits in force after `changes` were written over `old`. */
export function merge(old: Resources, changes: Resources): Resources {
  const { checkBeforeUpdate: _, ...memory } = changes.memory ?? {}; // a question of this one update
  const { devices, blockIO, hugepageLimits, network, rdma, unified } = changes;
  return {
    ...old,
    ...(devices && { devices }),
    memory: { ...old.memory, ...set(memory), ...(memory.limit === -1 && { swap: memory.swap ?? 0 }) },
    cpu: { ...old.cpu, ...set(changes.cpu ?? {}) },
    pids: { ...old.pids, ...changes.pids },
    ...(blockIO && { blockIO: mergeBlockIo(old.blockIO ?? {}, blockIO) }),
    ...(hugepageLimits && { hugepageLimits: upsert(old.hugepageLimits, hugepageLimits, ({ pageSize }) => pageSize) }),
    ...(network && { network: { ...old.network, ...network } }),
    ...(rdma && { rdma: { ...old.rdma, ...rdma } }),
    ...(unified && { unified: { ...old.unified, ...unified } }),
  };
}

/** Fields for which 0 is a value. For the others, as for an empty text, it says: leave it. */
const MAY_BE_ZERO: ReadonlySet<string> = new Set(["burst", "idle", "swappiness"]);

function set<T extends object>(group: T): Partial<T> {
  const entries = Object.entries(group).filter(
    ([name, value]) => (value !== 0 && value !== "") || MAY_BE_ZERO.has(name),
  );
  return Object.fromEntries(entries) as Partial<T>;
}

type BlockIo = NonNullable<Resources["blockIO"]>;
const DEVICE_LISTS = [
  "weightDevice",
  "throttleReadBpsDevice",
  "throttleWriteBpsDevice",
  "throttleReadIOPSDevice",
  "throttleWriteIOPSDevice",
] as const;

function mergeBlockIo(old: BlockIo, changes: BlockIo): BlockIo {
  const byNumber = ({ major, minor }: { major: number; minor: number }) => `${major}:${minor}`;
  const lists = DEVICE_LISTS.flatMap((name) => {
    const list = changes[name];
    return list ? [[name, upsert<(typeof list)[number]>(old[name], list, byNumber)]] : [];
  });
  return { ...old, ...set(changes), ...Object.fromEntries(lists) };
}

/** Entries of the same key become one, the later winning field by field. */
function upsert<T extends object>(old: readonly T[] = [], changes: readonly T[], key: (entry: T) => string): T[] {
  const entries = new Map<string, T>();
  for (const entry of [...old, ...changes]) entries.set(key(entry), { ...entries.get(key(entry)), ...entry });
  return [...entries.values()];
}
