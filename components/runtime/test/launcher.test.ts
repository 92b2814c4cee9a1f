/** Operations of the launcher, one at a time, by hand-made plans: what they refuse, and what they put up with. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launcherFd, receiveMessage, sealedMemfd, seqpacketPair, spawnFd, waitPid } from "@gantry/sys";
import { add, encodePlan, newPlan, type Plan } from "../plan/plan.ts";
import { MESSAGE, ROLE, SYNC } from "../plan/sync.ts";
import { connectShim, startShim } from "../shim/index.ts";
import { follow } from "./shim/fixture.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "launcher-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the operations in a forked process; returns its exit status. @throws what the launcher reports */
async function run(build: (plan: Plan) => void, onReady?: () => void): Promise<number> {
  const plan = newPlan();
  add(plan, "", "fork", [0, ROLE.init, 0]);
  build(plan);
  const directory = mkdtempSync(join(folder, "state-"));
  const launching = startShim({ plan: encodePlan(plan), directory, stdio: { kind: "pipes" } });
  try {
    follow(launching, onReady);
    return (await (await connectShim(directory)).wait()).status;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("a working directory that was deleted is refused: its parent may be the host's", async () => {
  const victim = join(folder, "victim");
  mkdirSync(victim);
  const plan = (p: Plan) => {
    add(p, "", "chdir", [victim, 0]);
    add(p, "", "sync", [SYNC.ready, "the deletion"]);
    add(p, "", "cwd_inside", []);
    add(p, "", "find_program", ["/bin/true", [], ""]);
    add(p, "", "sync", [SYNC.done, ""]);
    add(p, "", "exec", [["true"], []]);
  };
  expect(await run(plan)).toBe(0);
  expect(run(plan, () => rmdirSync(victim))).rejects.toThrow("possible container breakout");
});

/** Returns EPERM for one system call, as a filter of an older engine does for what it does not know. */
function refusing(nr: number): Uint8Array {
  const instructions = [
    [0x20, 0, 0, 0], // the number of the call
    [0x15, 0, 1, nr],
    [0x06, 0, 0, 0x00050001],
    [0x06, 0, 0, 0x7fff0000],
  ] as const;
  const view = new DataView(new ArrayBuffer(instructions.length * 8));
  instructions.forEach(([code, yes, no, k], i) => {
    view.setUint16(i * 8, code, true);
    view.setUint8(i * 8 + 2, yes);
    view.setUint8(i * 8 + 3, no);
    view.setUint32(i * 8 + 4, k, true);
  });
  return new Uint8Array(view.buffer);
}

test("a filter that does not know faccessat2 hides no program, nor does it make one executable", async () => {
  const plain = join(folder, "plain");
  writeFileSync(plain, "#!/bin/sh\n");
  const FACCESSAT2 = 439;
  const plan = (program: string) => (p: Plan) => {
    add(p, "", "seccomp", [0, refusing(FACCESSAT2), 0]);
    add(p, "", "find_program", [program, [], ""]);
    add(p, "", "exec", [["x"], []]);
  };
  expect(await run(plan("/bin/true"))).toBe(0);
  expect(run(plan(plain))).rejects.toThrow("op 2: -13");
  chmodSync(plain, 0o755);
  expect(await run(plan(plain))).toBe(0);
});

test("an init whose filter refuses sigtimedwait and close_range still reaps and ends", async () => {
  for (const nr of [128, 436]) {
    const status = await run((p) => {
      add(p, "", "seccomp", [0, refusing(process.arch === "x64" || nr > 400 ? nr : 137), 0]);
      add(p, "", "find_program", ["/bin/sh", [], ""]);
      add(p, "", "sync", [SYNC.done, ""]);
      add(p, "", "init", []);
      add(p, "", "exec", [["sh", "-c", "exit 9"], []]);
    });
    expect(status).toBe(9);
  }
});

/** Starts the launcher on these bytes; returns the text of its error message. */
function launchBytes(bytes: Uint8Array, sealed = true): string {
  const [ours, theirs] = seqpacketPair();
  const file = join(folder, "unsealed");
  if (!sealed) writeFileSync(file, bytes);
  const [program, plan] = [launcherFd(), sealed ? sealedMemfd("plan", bytes) : openSync(file, "r")];
  const nothing = openSync("/dev/null", "r+");
  const pid = spawnFd({
    execFd: program,
    argv: ["launcher", "run", "3"],
    env: [],
    fds: [nothing, nothing, nothing, theirs, plan],
  });
  for (const fd of [theirs, program, plan, nothing]) closeSync(fd);
  const message = Buffer.alloc(24 + 768);
  const { length } = receiveMessage(ours, message);
  closeSync(ours);
  expect(waitPid(pid)?.status).toBe(1 << 8);
  expect(message.readUInt32LE(0)).toBe(MESSAGE.error);
  return message.toString("utf8", 24, length);
}

test("a plan that is cut short, made for another build, or not sealed is refused before anything is done", () => {
  const plan = newPlan();
  for (const text of ["one", "two", "three"]) add(plan, "", "chdir", [`/nonexistent/${text}`, 0], { warn: true });
  const bytes = Buffer.from(encodePlan(plan));
  for (let size = 1; size < bytes.length; size += 3)
    expect(launchBytes(bytes.subarray(0, size))).toMatch(/malformed|another build/);
  const other = Buffer.from(bytes);
  other[16]! ^= 1; // the hash
  expect(launchBytes(other)).toBe("the plan was made by another build");
  expect(launchBytes(bytes, false)).toBe("malformed launch plan");
});
