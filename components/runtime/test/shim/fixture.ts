/** A process under a shim by a hand-made plan, in a directory of its own; everything is gone at the end of the scope. */
import { closeSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isErrno, receiveMessage, sendMessage } from "@gantry/sys";
import { add, encodePlan, newPlan, type Plan } from "../../plan/plan.ts";
import { MESSAGE, ROLE, SYNC } from "../../plan/sync.ts";
import { connectShim, type Launching, type Shim, type ShimStdio, startExec, startShim } from "../../shim/index.ts";

const CLONE_NEWPID = 0x20000000;

/** A script of the host's shell, in a pid namespace of its own. `terminal` takes a pair from the host's devpts. */
export function script(text: string, { terminal = false, pidNamespace = true, init = false } = {}): Plan {
  const plan = newPlan();
  add(plan, "", "fork", [pidNamespace ? CLONE_NEWPID : 0, ROLE.init, 0]);
  add(plan, "", "setsid", []);
  if (terminal) add(plan, "", "console", [24, 80, 0]);
  add(plan, "", "sync", [SYNC.ready, "ready"]);
  add(plan, "", "find_program", ["/bin/sh", [], ""]);
  add(plan, "", "sync", [SYNC.done, "done"]);
  if (init) add(plan, "", "init", []);
  add(plan, "", "exec", [
    ["sh", "-c", text],
    ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb"],
  ]);
  return plan;
}

const HEAD = 24;

/** The runtime's side of a launch: lets the plan go on, until the program runs. Returns the pid of the process. */
export function follow({ control }: Launching, onReady = () => {}): number {
  const buffer = Buffer.alloc(HEAD + 768);
  let pid = 0;
  for (;;) {
    let length = 0;
    try {
      length = receiveMessage(control, buffer).length;
    } catch (error) {
      if (!isErrno(error, "ECONNRESET")) throw error;
    }
    if (length < HEAD) {
      closeSync(control);
      return pid;
    }
    const type = buffer.readUInt32LE(0);
    if (type === MESSAGE.error)
      throw new Error(
        `op ${buffer.readUInt32LE(4)}: ${buffer.readInt32LE(8)} ${buffer.toString("utf8", HEAD, length)}`,
      );
    if (type === MESSAGE.pid) pid = Number(buffer.readBigUInt64LE(16));
    if (type === MESSAGE.sync && Number(buffer.readBigUInt64LE(16)) !== SYNC.done) {
      onReady();
      const go = Buffer.alloc(HEAD);
      go.writeUInt32LE(MESSAGE.go, 0);
      sendMessage(control, go);
    }
  }
}

export interface Kept extends AsyncDisposable {
  readonly directory: string;
  readonly pid: number;
  readonly shimPid: number;
  readonly shim: Shim;
  exec(id: string, text: string, stdio: ShimStdio): number;
}

/** Starts `text` under a shim and waits until it runs. */
export async function keep(
  text: string,
  options: { stdio: ShimStdio; log?: number; pidNamespace?: boolean; init?: boolean; program?: number },
): Promise<Kept> {
  const directory = mkdtempSync(join(tmpdir(), "shim-"));
  const { stdio, log, pidNamespace = true, init = false, program } = options;
  const plan = encodePlan(script(text, { terminal: stdio.kind === "terminal", pidNamespace, init }));
  const launching = startShim({
    plan,
    directory,
    stdio,
    name: "test",
    ...(log !== undefined && { log }),
    ...(program !== undefined && { program }),
  });
  const pid = follow(launching);
  return {
    directory,
    pid,
    shimPid: launching.shim,
    shim: await connectShim(directory),
    exec: (id, execText, execStdio) =>
      follow(
        startExec(directory, id, {
          plan: encodePlan(script(execText, { terminal: execStdio.kind === "terminal", pidNamespace: false })),
          stdio: execStdio,
        }),
      ),
    async [Symbol.asyncDispose]() {
      for (const victim of [pid, launching.shim]) {
        if (!ours(victim, launching.shim, pid)) continue;
        process.kill(victim, 9);
        await gone(victim);
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A pid may have been given to somebody else: only our shell and our shim are ended. */
function ours(pid: number, shim: number, init: number): boolean {
  try {
    const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    return (
      (pid === shim && name === "gantry-shim") || (pid === init && ["sh", "sleep", "cat", "gantry-init"].includes(name))
    );
  } catch {
    return false;
  }
}

/** Waits until no process of that number is alive. */
export async function gone(pid: number, deadlineMs = 5000): Promise<void> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    let state = "";
    try {
      state = /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
    } catch {
      return;
    }
    if (state === "Z") return;
    if (Date.now() > end) throw new Error(`process ${pid} is still there`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Proportional, resident and private memory of a process. */
export function memoryKiB(pid: number): { pss: number; rss: number; private: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)![1]);
  return { pss: field("Pss"), rss: field("Rss"), private: field("Private_Clean") + field("Private_Dirty") };
}

/** Processor time that a process has used so far. */
export function cpuMilliseconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** What a process has open besides sockets, whose number depends on who is connected at the moment. */
export function held(pid: number): string[] {
  const links: string[] = [];
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      links.push(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error; // closed meanwhile
    }
  }
  return links.filter((link) => !link.startsWith("socket:"));
}
