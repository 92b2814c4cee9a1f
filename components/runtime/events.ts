/** events: what a container uses, and when it runs out of memory. */
import { closeSync } from "node:fs";
import { FailedPrecondition } from "@gantry/oci";
import { isErrno, pidfdOpen, pollReadable } from "@gantry/sys";
import { statsJson } from "./cgroups/stats/json.ts";
import { type Found, find } from "./lifecycle.ts";
import type { Context } from "./prepare.ts";
import { rdtGroup } from "./rdt.ts";

export interface EventsOptions {
  /** Between two statistics. */
  readonly intervalMs: number;
  /** `data` as JSON text: every digit of a 64-bit number is kept. */
  readonly onStats: (data: string) => void;
  readonly onOom: () => void;
  readonly onError: (error: unknown) => void;
}

/** @throws FailedPrecondition when the container has stopped. */
export function running(context: Context, id: string): Found {
  const found = find(context, id);
  if (found.status() === "stopped") throw new FailedPrecondition(`container with id ${id} is not running`);
  return found;
}

/** What the container uses now: `data` of a `stats` event, as JSON text. */
export function statsOf({ id, cgroup, record }: Found): string {
  const rdt = rdtGroup(record.gantry.spec, id, record.intel_rdt_path);
  return statsJson(cgroup.stats(), rdt?.stats() ?? {});
}

/** Returns when the container's first process has ended, or its control group is gone. @throws NotFound without a memory controller. */
export function watch(found: Found, options: EventsOptions): void {
  using oom = found.cgroup.watchOom();
  const pidfd = open(found.record.init_process_pid);
  if (pidfd === undefined) return;
  try {
    let next = performance.now() + options.intervalMs;
    for (;;) {
      const ready = pollReadable([oom.fd, pidfd], Math.max(0, Math.ceil(next - performance.now())));
      if (ready.includes(oom.fd)) {
        const news = oom.read();
        if (news === "oom") options.onOom();
        if (news === "ended") return;
      } else if (ready.includes(pidfd)) return;
      if (performance.now() < next) continue;
      next += options.intervalMs;
      try {
        options.onStats(statsOf(found));
      } catch (error) {
        options.onError(error); // one reading that failed is no reason to miss what comes
      }
    }
  } finally {
    closeSync(pidfd);
  }
}

function open(pid: number): number | undefined {
  try {
    return pidfdOpen(pid);
  } catch (error) {
    if (isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}
