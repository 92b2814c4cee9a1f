import { expect, test } from "bun:test";
import { closeSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FailedPrecondition, NotFound, Unavailable } from "@gantry/oci";
import { getLimit, launcherFd, setLimit } from "@gantry/sys";
import { add, encodePlan, newPlan } from "../../plan/plan.ts";
import { connectShim, recordedExit, startShim } from "../../shim/index.ts";
import { cpuMilliseconds, follow, gone, held, keep, memoryKiB, script } from "./fixture.ts";

const NULL = { kind: "pipes" } as const;

test("the exit status is told to whoever waits, is on disk by then, and is told again", async () => {
  await using c = await keep("exit 7", { stdio: NULL });
  const exit = await c.shim.wait();
  expect(exit).toMatchObject({ status: 7, signal: 0 });
  expect(recordedExit(c.directory)).toMatchObject({ status: 7, signal: 0 });
  expect(Math.abs(exit.time.getTime() - Date.now())).toBeLessThan(60_000);
  expect((await c.shim.status()).exit).toEqual(exit);
});

test("a process ended by a signal is told as 128 + n", async () => {
  await using c = await keep("exec sleep 1000", { stdio: NULL });
  const waiting = c.shim.wait();
  expect(await c.shim.status()).toMatchObject({ state: "running", pid: c.pid });
  await c.shim.signal(9);
  expect(await waiting).toMatchObject({ status: 137, signal: 9 });
  expect(c.shim.signal(9)).rejects.toThrow(FailedPrecondition);
});

test("a wait can be given up, and the shim serves the next one", async () => {
  await using c = await keep("exec sleep 1000", { stdio: NULL });
  const abort = new AbortController();
  const waiting = c.shim.wait({ signal: abort.signal });
  abort.abort(new Error("enough"));
  expect(waiting).rejects.toThrow("enough");
  expect((await c.shim.status()).state).toBe("running");
});

test("the shim is nobody's child and holds nothing of whoever started it", async () => {
  await using c = await keep("exec sleep 1000", { stdio: NULL });
  const status = readFileSync(`/proc/${c.shimPid}/status`, "utf8");
  expect(status).not.toContain(`PPid:\t${process.pid}\n`);
  expect(readFileSync(`/proc/${c.pid}/status`, "utf8")).toContain(`PPid:\t${c.shimPid}\n`);
  expect(readFileSync(`/proc/${c.shimPid}/stat`, "utf8").split(" ")[5]).toBe(String(c.shimPid)); // a session of its own
  expect(readlinkSync(`/proc/${c.shimPid}/cwd`)).toBe("/");
  for (const fd of ["0", "1", "2"]) expect(readlinkSync(`/proc/${c.shimPid}/fd/${fd}`)).toBe("/dev/null");
  const kinds = held(c.shimPid).map((link) => link.replace(/:.*\[?\d+\]?$/, ""));
  expect(kinds.sort()).toEqual([
    "/dev/null",
    "/dev/null",
    "/dev/null",
    c.directory,
    "anon_inode:[pidfd]",
    "anon_inode:[signalfd]",
    "anon_inode:inotify",
    "pipe",
    "pipe",
    "pipe",
  ]);
});

test("the process inherits no descriptor of the shim", async () => {
  await using c = await keep("exec sleep 1000", { stdio: NULL });
  // The dynamic loader has a library open for an instant; what was inherited stays open.
  const open = () => readdirSync(`/proc/${c.pid}/fd`);
  for (const deadline = Date.now() + 2000; open().length > 3 && Date.now() < deadline; ) Bun.sleepSync(1);
  expect(open()).toEqual(["0", "1", "2"]);
});

test("shims that are started from the same descriptor share their code", async () => {
  const program = launcherFd();
  await using a = await keep("exec sleep 1000", { stdio: NULL, program });
  await using b = await keep("exec sleep 1000", { stdio: NULL, program });
  await using c = await keep("exec sleep 1000", { stdio: NULL, program });
  closeSync(program);
  const sizes = [a, b, c].map(({ shimPid }) => memoryKiB(shimPid).pss);
  console.log(`three idle shims: PSS ${sizes.join(", ")} KiB`);
  expect(Math.max(...sizes)).toBeLessThan(120);
});

test("signals meant for a whole service do not end the shim", async () => {
  await using c = await keep("exec sleep 1000", { stdio: NULL });
  for (const signal of [1, 2, 3, 13, 15]) process.kill(c.shimPid, signal);
  expect((await c.shim.status()).state).toBe("running");
});

test("a waiting client learns that the shim was killed", async () => {
  await using c = await keep("exec sleep 1000", { stdio: NULL });
  const waiting = c.shim.wait();
  await c.shim.status();
  process.kill(c.shimPid, 9);
  expect(waiting).rejects.toThrow(Unavailable);
  await waiting.catch(() => {});
});

test("shutdown is refused while the process runs, and afterwards ends the shim and takes its socket away", async () => {
  await using c = await keep("exec sleep 1000", { stdio: NULL });
  expect(c.shim.shutdown()).rejects.toThrow("the container has not ended");
  await c.shim.signal(15); // ignored by a PID 1 without a handler
  await c.shim.signal(9);
  await c.shim.wait();
  await c.shim.shutdown();
  expect(existsSync(join(c.directory, "shim.sock"))).toBe(false); // by the answer: the directory is ours again
  await gone(c.shimPid);
});

test("the shim of an ended container goes away with its directory; that of a running one stays until the end", async () => {
  await using c = await keep("exec sleep 1000", { stdio: NULL });
  rmSync(c.directory, { recursive: true });
  process.kill(c.shimPid, 0);
  process.kill(c.pid, 9);
  await gone(c.shimPid);
  await using d = await keep("exit 0", { stdio: NULL });
  await d.shim.wait();
  rmSync(d.directory, { recursive: true });
  await gone(d.shimPid);
});

test("orphans of a container without a pid namespace are reaped by the shim", async () => {
  await using c = await keep("(sleep 0.05 & echo $!) ; exec sleep 1000", { stdio: NULL, pidNamespace: false });
  const attachment = await c.shim.attach({ replay: true });
  const { value } = await attachment.output().next();
  attachment.close();
  const orphan = Number((value as Buffer).subarray(8).toString());
  while (existsSync(`/proc/${orphan}`)) await new Promise((resolve) => setImmediate(resolve));
  expect((await c.shim.status()).state).toBe("running");
});

test("a launch that fails is reported by the launcher, and the shim ends with its directory", async () => {
  const directory = mkdtempSync(join(tmpdir(), "shim-"));
  const plan = newPlan();
  add(plan, "", "fork", [0, 2, 0]);
  add(plan, "", "chdir", ["/nonexistent", 0]);
  const launching = startShim({ plan: encodePlan(plan), directory, stdio: NULL });
  expect(() => follow(launching)).toThrow("op 1: -2");
  closeSync(launching.control);
  const shim = await connectShim(directory);
  expect(await shim.wait()).toMatchObject({ status: 1 });
  rmSync(directory, { recursive: true });
  await gone(launching.shim);
});

test("a container whose runtime dies before it is recorded does not start", async () => {
  const directory = mkdtempSync(join(tmpdir(), "shim-"));
  const launching = startShim({ plan: encodePlan(script("exec sleep 1000")), directory, stdio: NULL });
  closeSync(launching.control);
  const shim = await connectShim(directory);
  const { status } = await shim.wait();
  expect([1, 137, 141]).toContain(status); // ended by itself, by the launcher, by SIGPIPE
  await shim.shutdown();
  rmSync(directory, { recursive: true });
});

test("what is no request is refused, and harms nobody", async () => {
  await using c = await keep("exec sleep 1000", { stdio: NULL });
  for (let round = 0; round < 50; round++) {
    const garbage = Buffer.from(
      Array.from({ length: 1 + ((round * 37) % 300) }, (_, i) => (i * 31 + round * 17) & 0xff),
    );
    if (round % 3 === 0) garbage[0] = 1;
    await new Promise<void>((resolve) => {
      const socket = createConnection(join(c.directory, "shim.sock"), () => socket.end(garbage));
      socket
        .on("data", () => {})
        .on("error", () => {})
        .on("close", () => resolve());
    });
  }
  expect(c.shim.status("nobody")).rejects.toThrow(NotFound);
  expect((await c.shim.status()).state).toBe("running");
});

test("without descriptors to spare new clients wait, cost nothing, and are served later", async () => {
  await using c = await keep("exec sleep 1000", { stdio: NULL });
  const RLIMIT_NOFILE = 7;
  const { hard } = getLimit(c.shimPid, RLIMIT_NOFILE);
  setLimit(c.shimPid, RLIMIT_NOFILE, { soft: 3n, hard });
  const before = cpuMilliseconds(c.shimPid);
  const status = c.shim.status();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(cpuMilliseconds(c.shimPid) - before).toBeLessThanOrEqual(20);
  setLimit(c.shimPid, RLIMIT_NOFILE, { soft: hard, hard });
  expect((await status).state).toBe("running");
});

test("an idle shim costs at most half a mebibyte and no processor time", async () => {
  await using c = await keep("i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done; exec sleep 1000", {
    stdio: NULL,
  });
  expect((await c.shim.status()).state).toBe("running");
  const { pss, rss, private: own } = memoryKiB(c.shimPid);
  const before = cpuMilliseconds(c.shimPid);
  await new Promise((resolve) => setTimeout(resolve, 300));
  console.log(`idle shim: PSS ${pss} KiB, RSS ${rss} KiB, private ${own} KiB`);
  expect(pss).toBeLessThanOrEqual(512);
  expect(cpuMilliseconds(c.shimPid) - before).toBeLessThanOrEqual(10);
});
