/** The numbers as the JSON that readers of `events` expect: which keys are left out at zero, and in which order they come. */
import { writeJson } from "@gantry/oci";
import type { RdtStats } from "../rdt-stats.ts";
import { BLKIO_TABLES, type CgroupStats, CPUSET_FLAGS, type CpuStats, type MemoryEntry, type Psi } from "./types.ts";

/** @returns one line: `data` of a `stats` event. Every digit of a 64-bit number is kept. */
export function statsJson(stats: CgroupStats, rdt: RdtStats = {}): string {
  return writeJson({
    cpu: cpu(stats.cpu),
    cpuset: present(stats.cpuset, ["cpu_exclusive", ...CPUSET_FLAGS]),
    memory: {
      ...present({ cache: stats.memory.cache }),
      ...present({
        usage: memoryEntry(stats.memory.usage),
        swap: memoryEntry(stats.memory.swap),
        kernel: memoryEntry(stats.memory.kernel),
        kernelTCP: memoryEntry(stats.memory.kernelTCP),
        raw: sorted(stats.memory.raw),
        psi: psi(stats.memory.psi),
      }),
    },
    pids: present(stats.pids),
    blkio: present({
      ...Object.fromEntries(BLKIO_TABLES.map((name) => [name, stats.blkio[name]?.map((entry) => present(entry))])),
      psi: psi(stats.blkio.psi),
    }),
    hugetlb: sorted(mapValues(stats.hugetlb, (entry) => present(entry, ["failcnt"]))),
    intel_rdt: present(rdt),
    network_interfaces: null,
  });
}

type Fields = Record<string, unknown>;

function cpu({ usage, throttling, psi: pressure }: CpuStats): Fields {
  const { total, percpu, percpu_kernel, percpu_user, kernel, user } = usage;
  const isZero = [total, kernel, user].every((n) => n === 0) && percpu.length === 0;
  return present({
    usage: isZero
      ? undefined
      : present({ total, percpu, percpu_kernel, percpu_user, kernel, user }, ["kernel", "user"]),
    throttling: orAbsent(present(throttling)),
    psi: psi(pressure),
  });
}

function memoryEntry({ limit, usage, max, failcnt }: MemoryEntry): Fields | undefined {
  if ([limit, usage, max, failcnt].every((n) => n === 0)) return undefined;
  return present({ limit, usage, max, failcnt }, ["limit", "failcnt"]);
}

function psi(pressure: Psi | undefined): Fields | undefined {
  if (pressure === undefined) return undefined;
  const line = (name: "some" | "full") =>
    Object.values(pressure[name]).every((n) => n === 0) ? undefined : pressure[name];
  return present({ some: line("some"), full: line("full") }, []);
}

/** Without what is absent, zero or empty, except `always`. */
function present(fields: object, always: readonly string[] = []): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([key, value]) => always.includes(key) || !isEmpty(value)));
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === 0 || value === "" || (Array.isArray(value) && value.length === 0);
}

function orAbsent(fields: Fields): Fields | undefined {
  return Object.keys(fields).length === 0 ? undefined : fields;
}

function sorted(fields: Readonly<Fields>): Fields {
  return Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function mapValues<T>(fields: Readonly<Record<string, T>>, map: (value: T) => Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, map(value)]));
}
