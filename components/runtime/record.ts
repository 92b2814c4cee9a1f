/** The record of a container that is being made: what is known before its first process, and with it. */
import { readlinkSync } from "node:fs";
import type { NamespaceType } from "@gantry/oci";
import { isErrno } from "@gantry/sys";
import type { Context, Prepared } from "./prepare.ts";
import { processStat, type Record } from "./state.ts";

export function initialRecord(context: Context, { spec, bundle, rootfs, cgroup, rdt }: Prepared, id: string): Record {
  return {
    id,
    init_process_pid: 0,
    init_process_start: 0,
    created: timestamp(),
    config: {
      rootfs,
      labels: [...Object.entries(spec.annotations ?? {}).map(([key, value]) => `${key}=${value}`), `bundle=${bundle}`],
    },
    rootless: context.host.rootless,
    cgroup_paths: { ...cgroup.paths },
    namespace_paths: {},
    external_descriptors: [],
    intel_rdt_path: rdt?.path ?? "",
    gantry: { bundle, systemdCgroup: context.systemdCgroup, spec },
  };
}

/** RFC 3339 with nanoseconds, as Go prints it. */
function timestamp(): string {
  const now = new Date().toISOString();
  const fraction = String(process.hrtime.bigint() % 1_000_000n).padStart(6, "0");
  return `${now.slice(0, -1)}${fraction}Z`;
}

/** Namespaces by their names in runc's record, and as files of /proc/PID/ns. */
const NAMESPACE_KEYS: Readonly<{ [T in NamespaceType]: readonly [key: string, file: string] }> = {
  mount: ["NEWNS", "mnt"],
  network: ["NEWNET", "net"],
  uts: ["NEWUTS", "uts"],
  ipc: ["NEWIPC", "ipc"],
  pid: ["NEWPID", "pid"],
  user: ["NEWUSER", "user"],
  cgroup: ["NEWCGROUP", "cgroup"],
  time: ["NEWTIME", "time"],
};

/** The same when its first process is there. */
export function completeRecord(record: Record, { cgroup }: Prepared, pid: number): Record {
  const paths: { [flag: string]: string } = {};
  for (const [key, file] of Object.values(NAMESPACE_KEYS)) paths[key] = `/proc/${pid}/ns/${file}`;
  return {
    ...record,
    init_process_pid: pid,
    init_process_start: processStat(pid)?.start ?? 0,
    cgroup_paths: { ...cgroup.paths },
    namespace_paths: paths,
    external_descriptors: [0, 1, 2].map((fd) => linkTarget(pid, fd)),
  };
}

function linkTarget(pid: number, fd: number): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch (error) {
    if (isErrno(error, "ENOENT", "EACCES")) return "/dev/null";
    throw error;
  }
}
