import { expect, test } from "bun:test";
import { closeSync, existsSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { AlreadyExists, FailedPrecondition, NotFound } from "@gantry/oci";
import { type Attachment, frames, recordedExit } from "../../shim/index.ts";
import { cpuMilliseconds, held, keep, memoryKiB } from "./fixture.ts";

const PIPES = { kind: "pipes" } as const;
const TERMINAL = { kind: "terminal" } as const;

/** What a process wrote to both streams, each by itself. */
async function streams(output: AsyncIterable<Buffer>): Promise<{ stdout: string; stderr: string }> {
  const text = { stdout: "", stderr: "" };
  for await (const { stream, data } of frames(output)) text[stream] += data.toString();
  return text;
}

async function all(attachment: Attachment): Promise<string> {
  let text = "";
  for await (const chunk of attachment.output()) text += chunk.toString();
  return text;
}

/** Reads until the output holds `wanted`; returns all of it. */
async function until(output: AsyncGenerator<Buffer>, wanted: string): Promise<string> {
  let text = "";
  while (!text.includes(wanted)) {
    const { value, done } = await output.next();
    if (done) throw new Error(`the output ended before "${wanted}": ${text}`);
    text += (value as Buffer).toString("latin1");
  }
  return text;
}

test("stdout and stderr arrive apart, and whoever attaches late gets what was written before", async () => {
  await using c = await keep("echo out; echo err >&2; exit 3", { stdio: PIPES });
  await c.shim.wait();
  const attachment = await c.shim.attach({ replay: true });
  expect(attachment.terminal).toBe(false);
  expect(await streams(attachment.output())).toEqual({ stdout: "out\n", stderr: "err\n" });
});

test("input reaches the process, and its end too if that was asked for", async () => {
  await using c = await keep("cat; echo end", { stdio: PIPES });
  const attachment = await c.shim.attach({ input: true, inputEnds: true, replay: true });
  await attachment.write(Buffer.from("one\n"));
  await attachment.write(Buffer.from("two\n"));
  attachment.endInput();
  expect(await streams(attachment.output())).toEqual({ stdout: "one\ntwo\nend\n", stderr: "" });
  expect(await c.shim.wait()).toMatchObject({ status: 0 });
});

test("a client that detaches leaves the input open; closeStdin ends it", async () => {
  await using c = await keep("cat; echo end", { stdio: PIPES });
  const first = await c.shim.attach({ input: true });
  await first.write(Buffer.from("one\n"));
  first.close();
  const second = await c.shim.attach({ input: true, replay: true });
  await second.write(Buffer.from("two\n"));
  const output = second.output();
  await until(output, "two");
  await c.shim.closeStdin();
  expect(await until(output, "end")).toContain("end");
});

test("a mebibyte of input arrives whole through a process that reads slowly", async () => {
  await using c = await keep("sleep 0.1; wc -c", { stdio: PIPES });
  const attachment = await c.shim.attach({ input: true, inputEnds: true });
  const whole = attachment.write(Buffer.alloc(1 << 20, "x"));
  whole.then(() => attachment.endInput());
  expect((await streams(attachment.output())).stdout.trim()).toBe(String(1 << 20));
});

test("input sent by a client that is gone by the time it is read still arrives", async () => {
  await using c = await keep("sleep 0.1; head -c 100000 | wc -c", { stdio: PIPES });
  const sender = await c.shim.attach({ input: true });
  await sender.write(Buffer.alloc(100_000, "x"));
  sender.endInput();
  sender.close();
  const before = cpuMilliseconds(c.shimPid);
  expect((await streams((await c.shim.attach({ replay: true })).output())).stdout.trim()).toBe("100000");
  expect(cpuMilliseconds(c.shimPid) - before).toBeLessThan(60);
});

test("with nobody attached the process is never held up, and its last 56 KiB or more are kept", async () => {
  await using c = await keep("seq 1 200000", { stdio: PIPES });
  expect(await c.shim.wait()).toMatchObject({ status: 0 });
  const { stdout } = await streams((await c.shim.attach({ replay: true })).output());
  expect(stdout.length).toBeGreaterThan(48 << 10);
  expect(stdout.endsWith("199999\n200000\n")).toBe(true);
});

test("the log holds all output, whoever is attached or not", async () => {
  const path = join("/tmp", `shim-log-${process.pid}`);
  const log = openSync(path, "a");
  await using c = await keep("seq 1 100000; echo err >&2", { stdio: PIPES, log });
  closeSync(log);
  await c.shim.wait();
  const attachment = await c.shim.attach({ replay: true });
  await all(attachment);
  const content = readFileSync(path);
  require("node:fs").unlinkSync(path);
  const whole = await streams(
    (async function* () {
      yield content;
    })(),
  );
  expect(whole.stderr).toBe("err\n");
  expect(whole.stdout).toBe(Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join(""));
});

test("several clients get the same, and none loses a byte by being slow", async () => {
  await using c = await keep("read line; seq 1 300000", { stdio: PIPES });
  const slow = await c.shim.attach({ input: true });
  const others = await Promise.all([c.shim.attach(), c.shim.attach()]);
  await slow.write(Buffer.from("go\n"));
  const texts = others.map((attachment) => streams(attachment.output()));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const read = await Promise.all([...texts, streams(slow.output())]);
  const written = Array.from({ length: 300_000 }, (_, i) => `${i + 1}\n`).join("");
  expect(read.map(({ stdout }) => stdout === written)).toEqual([true, true, true]);
});

test("a client that would rather be cut off than hold the process up is cut off", async () => {
  await using c = await keep("read line; yes | head -c 3000000; echo end >&2", { stdio: PIPES });
  const lossy = await c.shim.attach({ input: true, lossy: true });
  await lossy.write(Buffer.from("go\n"));
  expect(await c.shim.wait()).toMatchObject({ status: 0 }); // nobody reads, and yet it ends
  expect((await all(lossy)).length).toBeLessThan(3_000_000);
});

test("a terminal has the size it is given, echoes, and interrupts", async () => {
  await using c = await keep("stty size; read line; stty size; echo got $line; exec sleep 1000", { stdio: TERMINAL });
  const attachment = await c.shim.attach({ input: true, replay: true });
  expect(attachment.terminal).toBe(true);
  const output = attachment.output();
  expect(await until(output, "24 80\r\n")).toBe("24 80\r\n");
  await c.shim.resize(50, 132);
  await attachment.write(Buffer.from("hello\n"));
  expect(await until(output, "got hello\r\n")).toBe("hello\r\n50 132\r\ngot hello\r\n");
  expect(c.shim.resize(1, 1, "nobody")).rejects.toThrow(NotFound);
});

test("a terminal that is hung up works again for whoever opens it anew", async () => {
  const hangUp = "perl -e 'ioctl(STDIN, 0x5437, 0)'"; // TIOCVHANGUP, as login programs do
  await using c = await keep(`trap '' HUP; t=$(tty); ${hangUp}; echo again >$t; exec sleep 1000 <$t >$t 2>&1`, {
    stdio: TERMINAL,
  });
  const attachment = await c.shim.attach({ input: true, replay: true });
  const output = attachment.output();
  expect(await until(output, "again")).toContain("again");
  await attachment.write(Buffer.from("typed\n"));
  expect(await until(output, "typed")).toContain("typed");
  const before = cpuMilliseconds(c.shimPid);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(cpuMilliseconds(c.shimPid) - before).toBeLessThanOrEqual(10);
});

test("a terminal that nobody has open while the process lives costs no processor time, and ends with the process", async () => {
  await using c = await keep("trap '' HUP; exec </dev/null >/dev/null 2>&1; exec sleep 1000", { stdio: TERMINAL });
  const attachment = await c.shim.attach();
  const before = cpuMilliseconds(c.shimPid);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(cpuMilliseconds(c.shimPid) - before).toBeLessThanOrEqual(10);
  await c.shim.signal(9);
  expect(await all(attachment)).toBe("");
});

test("stdio that the caller gave is the process's own: nothing to attach to", async () => {
  const out = openSync("/dev/null", "r+");
  await using c = await keep("exec sleep 1000", { stdio: { kind: "given", fds: [out, out, out] } });
  closeSync(out);
  expect(c.shim.attach()).rejects.toThrow(FailedPrecondition);
  expect(c.shim.resize(1, 1)).rejects.toThrow("no terminal");
});

test("execs have stdio, exit and record of their own", async () => {
  await using c = await keep("exec sleep 1000", { stdio: PIPES });
  c.exec("one", "echo first; exit 11", PIPES);
  const pid = c.exec("two", "read x; echo $x; exit 12", TERMINAL);
  expect(await c.shim.wait({ id: "one" })).toMatchObject({ status: 11 });
  expect(recordedExit(c.directory, "one")).toMatchObject({ status: 11 });
  expect((await streams((await c.shim.attach({ id: "one", replay: true })).output())).stdout).toBe("first\n");
  expect(await c.shim.status("two")).toMatchObject({ state: "running", pid, terminal: true });
  expect(() => c.exec("two", "true", PIPES)).toThrow(AlreadyExists);
  const two = await c.shim.attach({ id: "two", input: true, inputEnds: true });
  await two.write(Buffer.from("second\n"));
  expect(await all(two)).toBe("second\r\nsecond\r\n");
  expect(await c.shim.wait({ id: "two" })).toMatchObject({ status: 12 });
  expect((await c.shim.status()).state).toBe("running");
});

test("a hundred execs one after the other leave no descriptors and little memory behind", async () => {
  await using c = await keep("exec sleep 1000", { stdio: PIPES });
  const run = async (id: string) => {
    c.exec(id, "echo $0", PIPES);
    expect((await c.shim.wait({ id })).status).toBe(0);
  };
  for (let i = 0; i < 20; i++) await run(`warm${i}`);
  await c.shim.status();
  const descriptors = held(c.shimPid).length;
  for (let i = 0; i < 100; i++) await run(`e${i}`);
  expect(held(c.shimPid).length).toBeLessThanOrEqual(descriptors);
  const { pss } = memoryKiB(c.shimPid);
  console.log(`shim after 120 execs: PSS ${pss} KiB`);
  expect(pss).toBeLessThanOrEqual(512);
  expect(existsSync(join(c.directory, "exit.e99"))).toBe(true);
  expect(statSync(join(c.directory, "exit.e0")).mode & 0o777).toBe(0o600);
});

test("thirty execs at once are all kept; more are refused until some end", async () => {
  await using c = await keep("exec sleep 1000", { stdio: PIPES });
  for (let i = 0; i < 31; i++) c.exec(`e${i}`, "read x", PIPES);
  expect(() => c.exec("more", "true", PIPES)).toThrow("no room for another process");
  for (let i = 0; i < 31; i++) await c.shim.closeStdin(`e${i}`);
  for (let i = 0; i < 31; i++) expect((await c.shim.wait({ id: `e${i}` })).status).toBe(1);
  c.exec("more", "exit 4", PIPES);
  expect(await c.shim.wait({ id: "more" })).toMatchObject({ status: 4 });
});
