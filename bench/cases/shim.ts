/** What a running container costs in memory besides itself: the proportional set size of its shim. */
import { closeSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { add, encodePlan, MESSAGE, newPlan, ROLE } from "@gantry/runtime/plan";
import { startShim } from "@gantry/runtime/shim";
import { launcherFd, receiveMessage } from "@gantry/sys";
import type { Case } from "../case.ts";

const SHIMS = 10;
const CLONE_NEWPID = 0x20000000;
const HEAD = 24;

interface Kept {
  readonly directory: string;
  readonly shim: number;
  readonly init: number;
}

/** A process that sleeps, in a pid namespace of its own: for the shim it is a container. */
function sleeperPlan(): Uint8Array {
  const plan = newPlan();
  add(plan, "", "fork", [CLONE_NEWPID, ROLE.init, 0]);
  add(plan, "", "find_program", ["/bin/busybox", [], ""]);
  add(plan, "", "exec", [["sleep", "3600"], []]);
  return encodePlan(plan);
}

/** Listens to a launch until the program runs. @returns the pid of its process. */
function listen(control: number): number {
  const buffer = Buffer.alloc(1024);
  let init = 0;
  for (;;) {
    if (receiveMessage(control, buffer).length < HEAD) break;
    const type = buffer.readUInt32LE(0);
    if (type === MESSAGE.error) throw new Error(`operation ${buffer.readUInt32LE(4)}: errno ${-buffer.readInt32LE(8)}`);
    if (type === MESSAGE.pid && buffer.readInt32LE(8) === ROLE.init) init = Number(buffer.readBigUInt64LE(16));
  }
  closeSync(control);
  return init;
}

function keep(program: number): Kept {
  const directory = mkdtempSync(join(tmpdir(), "gantry-bench-shim-"));
  const { control, shim } = startShim({
    plan: sleeperPlan(),
    directory,
    stdio: { kind: "pipes" },
    program,
    name: "bench",
  });
  return { directory, shim, init: listen(control) };
}

function proportionalBytes(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]) * 1024;
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // ended by itself
  }
}

export const shim: Case = {
  name: "shim",
  title: `memory of a shim, its share of ${SHIMS}`,
  unit: "kB",
  alone: true,
  async open() {
    const program = launcherFd();
    const kept = Array.from({ length: SHIMS }, () => keep(program));
    closeSync(program);
    return {
      sample: async () => kept.reduce((sum, { shim }) => sum + proportionalBytes(shim), 0) / SHIMS / 1000,
      async [Symbol.asyncDispose]() {
        for (const { directory, shim, init } of kept) {
          end(init);
          end(shim);
          rmSync(directory, { recursive: true, force: true });
        }
      },
    };
  },
};
