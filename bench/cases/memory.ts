/** What a `run` of `true` needs in memory: the runtime's own peak, and what the kernel charged for all of it. */
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import type { Case } from "../case.ts";

const MB = 1e6;

export const memory: Case = {
  name: "memory",
  title: "peak resident memory of run (largest process)",
  unit: "MB",
  async open(subject, { timer, bundle, freshId }) {
    return {
      sample: async () => (await timer.time([...subject.command, "run", "--bundle", bundle, freshId()])).peakBytes / MB,
      async [Symbol.asyncDispose]() {},
    };
  },
};

/** The memory hierarchy, v1 or v2, and the file with the highest charge. */
function memoryCgroups(): { root: string; peak: string } {
  if (existsSync("/sys/fs/cgroup/memory/memory.max_usage_in_bytes")) {
    return { root: "/sys/fs/cgroup/memory", peak: "memory.max_usage_in_bytes" };
  }
  return { root: "/sys/fs/cgroup", peak: "memory.peak" };
}

export const charged: Case = {
  name: "charged",
  title: "memory charged to all processes of run at the peak",
  unit: "MB",
  async open(subject, { timer, bundle, freshId }) {
    const { root, peak } = memoryCgroups();
    return {
      async sample() {
        const id = freshId();
        const cgroup = join(root, id);
        mkdirSync(cgroup);
        try {
          await timer.time([...subject.command, "run", "--bundle", bundle, id], [cgroup]);
          return Number(readFileSync(join(cgroup, peak), "utf8")) / MB;
        } finally {
          rmdirSync(cgroup);
        }
      },
      async [Symbol.asyncDispose]() {},
    };
  },
};
