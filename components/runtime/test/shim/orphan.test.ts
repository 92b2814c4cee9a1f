/** A shim that is killed. This process is the subreaper that inherits what it leaves, as PID 1 of a machine would be. */
import { beforeAll, expect, test } from "bun:test";
import { closeSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { Unavailable } from "@gantry/oci";
import { becomeSubreaper, pidfdOpen, waitPid } from "@gantry/sys";
import { connectShim, exitWithoutShim, recordedExit } from "../../shim/index.ts";
import { gone, keep } from "./fixture.ts";

beforeAll(() => becomeSubreaper());

const [major, minor] = release().split(".").map(Number) as [number, number];
const EXIT_BY_PIDFD = major > 6 || (major === 6 && minor >= 15);

test("its process goes on and may even write; the exit can still be learned", async () => {
  const text = "trap 'echo bye; exit 5' TERM; i=0; while :; do echo $i; i=$((i+1)); sleep 0.001; done";
  await using c = await keep(text, { stdio: { kind: "pipes" } });
  const pidfd = pidfdOpen(c.pid);
  process.kill(c.shimPid, 9);
  await gone(c.shimPid);
  waitPid(c.shimPid);
  expect(connectShim(c.directory)).rejects.toThrow(Unavailable);
  await new Promise((resolve) => setTimeout(resolve, 50)); // it writes on: SIGPIPE would have ended it
  expect(readFileSync(`/proc/${c.pid}/status`, "utf8")).toContain(`PPid:\t${process.pid}\n`);
  const learned = exitWithoutShim(pidfd);
  process.kill(c.pid, 15);
  expect(waitPid(c.pid)?.status).toBe(5 << 8);
  expect(await learned).toEqual(EXIT_BY_PIDFD ? { status: 5, signal: 0 } : undefined);
  closeSync(pidfd);
  expect(recordedExit(c.directory)).toBeUndefined();
});

test("a process that reads its input reads the end of it; one with a terminal is hung up", async () => {
  await using reader = await keep("cat; exit 6", { stdio: { kind: "pipes" } });
  await using typist = await keep("trap 'exit 7' HUP; while :; do sleep 0.01; done", { stdio: { kind: "terminal" } });
  for (const { shimPid } of [reader, typist]) {
    process.kill(shimPid, 9);
    await gone(shimPid);
    waitPid(shimPid);
  }
  expect(waitPid(reader.pid)?.status).toBe(6 << 8);
  expect(waitPid(typist.pid)?.status).toBe(7 << 8);
});
