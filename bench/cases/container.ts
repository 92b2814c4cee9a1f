/** A container that runs while commands on it are measured, and waiting for one to end. */
import { readFileSync } from "node:fs";
import type { Stand } from "../case.ts";
import type { Subject } from "../subjects.ts";

const DEADLINE_MS = 10_000;

/** Waits until the process of a pid file is gone or a zombie. @throws Error after ten seconds. */
export async function ended(pidFile: string): Promise<void> {
  const pid = readFileSync(pidFile, "utf8").trim();
  const deadline = Date.now() + DEADLINE_MS;
  while (Date.now() < deadline) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      if (stat.slice(stat.lastIndexOf(")") + 2)[0] === "Z") return;
    } catch {
      return; // no such process any more
    }
    await Bun.sleep(1);
  }
  throw new Error(`process ${pid} did not end within ${DEADLINE_MS / 1000} s`);
}

export interface Running extends AsyncDisposable {
  readonly id: string;
  readonly pid: number;
}

/** Starts a container that sleeps; disposal deletes it. */
export async function running(subject: Subject, { timer, sleeper, freshId }: Stand): Promise<Running> {
  const id = freshId();
  const pidFile = `${sleeper}/${id}.pid`;
  await timer.time([...subject.command, "run", "--detach", "--bundle", sleeper, "--pid-file", pidFile, id]);
  return {
    id,
    pid: Number(readFileSync(pidFile, "utf8")),
    async [Symbol.asyncDispose]() {
      await timer.time([...subject.command, "delete", "--force", id]);
    },
  };
}
