/** The small init: as `docker-init`, a program of its own, and as an operation of a plan. */
import { expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keep } from "./fixture.ts";

const LAUNCHER = join(import.meta.dir, "../../../../build/launcher");

function init(args: readonly string[], env: Record<string, string> = {}) {
  const { exitCode, stdout, stderr } = Bun.spawnSync([LAUNCHER, "init", ...args], {
    env: { PATH: process.env.PATH!, ...env },
    stdin: "ignore",
  });
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

/** Starts it, waits for the first line of output, sends the signal, returns the exit code and the rest of the output. */
async function signalled(signal: NodeJS.Signals, args: readonly string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([LAUNCHER, "init", ...args], { env: { PATH: process.env.PATH!, ...env }, stdin: "ignore" });
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill(signal);
  let rest = "";
  for (let next = await reader.read(); !next.done; next = await reader.read())
    rest += Buffer.from(next.value).toString();
  return { code: await child.exited, rest };
}

test("it ends as the program ended", () => {
  expect(init(["sh", "-c", "exit 3"]).exitCode).toBe(3);
  expect(init(["--", "sh", "-c", "kill -9 $$"]).exitCode).toBe(137);
  expect(init(["--", "sh", "-c", "echo $@", "x", "--version", "-g"]).stdout).toBe("--version -g\n");
});

test("a program that cannot be executed is told by 127 and 126", () => {
  expect(init(["/nonexistent"])).toMatchObject({ exitCode: 127, stderr: expect.stringContaining("/nonexistent") });
  expect(init(["/etc"]).exitCode).toBe(126);
  expect(init([]).exitCode).toBe(1);
  expect(init(["-Q", "true"]).exitCode).toBe(1);
});

test("the engine's check of docker-init understands our version, whatever name we are called by", () => {
  const directory = mkdtempSync(join(tmpdir(), "init-"));
  const path = join(directory, "docker-init");
  copyFileSync(LAUNCHER, path);
  const called = (...args: string[]) => Bun.spawnSync([path, ...args]).stdout.toString();
  const [version, commit] = called("--version").trim().split(" - ");
  expect(version).toMatch(/^tini version \d+\.\d+\.\d+$/);
  expect(commit).toMatch(/^git\.[^.]+$/);
  expect(called("--", "echo", "hello")).toBe("hello\n");
  rmSync(directory, { recursive: true });
});

test("exit codes that were named are told as 0", () => {
  expect(init(["-e", "143", "-e", "7", "--", "sh", "-c", "kill $$"]).exitCode).toBe(0);
  expect(init(["-e", "7", "--", "sh", "-c", "exit 7"]).exitCode).toBe(0);
  expect(init(["-e", "7", "--", "sh", "-c", "exit 8"]).exitCode).toBe(8);
  expect(init(["-e", "256", "--", "true"]).exitCode).toBe(1);
});

test("signals reach the program, and the group when that was asked for", async () => {
  const alone = "trap 'exit 9' TERM; (trap 'echo got' TERM; sleep 0.3) & echo ready; wait; exit 1";
  expect(await signalled("SIGTERM", ["sh", "-c", alone])).toEqual({ code: 9, rest: "" });
  expect(
    await signalled("SIGUSR1", ["sh", "-c", "trap 'exit 10' USR1; echo ready; while :; do sleep 0.01; done"]),
  ).toEqual({ code: 10, rest: "" });
  const group =
    "trap 'exit 6' TERM; (trap 'echo got; exit' TERM; echo ready; while :; do sleep 0.01; done) & while :; do sleep 0.01; done";
  expect(await signalled("SIGTERM", ["-g", "sh", "-c", group])).toEqual({ code: 6, rest: "got\n" });
  expect(await signalled("SIGTERM", ["sh", "-c", group], { TINI_KILL_PROCESS_GROUP: "1" })).toEqual({
    code: 6,
    rest: "got\n",
  });
});

test("orphans are reaped, and the program's own signals are as they were", () => {
  const text =
    "for i in 1 2 3 4 5; do (sleep 0.01 &) ; done; sleep 0.1; grep -l 'State:.Z' /proc/[0-9]*/status | xargs grep -l \"PPid:.$PPID$\" | wc -l";
  expect(init(["sh", "-c", text]).stdout.trim()).toBe("0");
  expect(init(["-w", "sh", "-c", "(sleep 0.01 &); sleep 0.1"]).stderr).toContain("reaped process");
  expect(init(["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]).stdout).toMatch(/SigBlk:\t0+\nSigIgn:\t0+\n/);
});

test("in a plan, the program is the first child of PID 1, which forwards and reaps", async () => {
  await using c = await keep("trap 'exit 21' TERM; echo pid $$; (sleep 0.01 &); while :; do sleep 0.01; done", {
    stdio: { kind: "pipes" },
    init: true,
  });
  const attachment = await c.shim.attach({ replay: true });
  const { value } = await attachment.output().next();
  attachment.close();
  expect((value as Buffer).subarray(8).toString()).toBe("pid 2\n");
  await c.shim.signal(15);
  expect(await c.shim.wait()).toMatchObject({ status: 21 });
});

test("in a plan with a terminal, the program has its foreground: Ctrl-C interrupts it and not PID 1", async () => {
  await using c = await keep("trap 'exit 22' INT; tty; echo ready; while :; do sleep 0.01; done", {
    stdio: { kind: "terminal" },
    init: true,
  });
  const attachment = await c.shim.attach({ input: true, replay: true });
  let text = "";
  for await (const chunk of attachment.output()) {
    text += chunk.toString();
    if (text.endsWith("ready\r\n")) await attachment.write(Buffer.from("\x03"));
  }
  expect(text).toContain("/dev/pts/");
  expect(await c.shim.wait()).toMatchObject({ status: 22, signal: 0 });
});
