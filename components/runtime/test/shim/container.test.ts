/** A whole container, compiled from its bundle, under a shim. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mkfifo } from "@gantry/sys";
import { inspectHost } from "../../host.ts";
import { silent } from "../../log.ts";
import { encodePlan, type Plan } from "../../plan/plan.ts";
import { prepare } from "../../prepare.ts";
import { connectShim, frames, type ShimStdio, startShim } from "../../shim/index.ts";
import { makeBundle } from "../bundle.ts";
import { follow, gone } from "./fixture.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-shim-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Whoever creates a container makes its control group; here it stays in ours. */
function withoutCgroup(plan: Plan): Plan {
  const ops = plan.ops.map((op) => (op.name === "fork" ? { ...op, args: [op.args[0]!, op.args[1]!, 0] } : op));
  return { ...plan, ops, cgroup: false };
}

/** Creates the container of a bundle: its program waits for a byte in the fifo. */
async function create(id: string, args: readonly string[], stdio: ShimStdio) {
  const bundle = makeBundle(join(folder, id), {
    args,
    terminal: stdio.kind === "terminal",
    edit: (spec) => ({ ...spec, mounts: spec.mounts!.filter(({ type }) => type !== "cgroup") }),
  });
  const context = { root: folder, host: inspectHost(), systemdCgroup: false, log: silent };
  const plan = withoutCgroup(prepare(context, { id, bundle, fifo: true }).plan);
  const directory = join(folder, `${id}.state`);
  mkdirSync(directory);
  mkfifo(join(directory, "exec.fifo"), 0o622);
  const fifo = openSync(join(directory, "exec.fifo"), constants.O_RDWR);
  const launching = startShim({ plan: encodePlan(plan), directory, stdio, fifo, name: id });
  closeSync(fifo);
  const pid = follow(launching);
  const shim = await connectShim(directory);
  return {
    pid,
    shim,
    shimPid: launching.shim,
    start() {
      const end = openSync(join(directory, "exec.fifo"), constants.O_WRONLY);
      writeSync(end, "0");
      closeSync(end);
    },
    async [Symbol.asyncDispose]() {
      await shim.signal(9).catch(() => {}); // it has ended
      await shim.wait();
      await shim.shutdown();
      await gone(launching.shim);
    },
  };
}

test("a created container holds nothing but its stdio and the fifo, and no output is lost from its first byte on", async () => {
  await using c = await create("pipes", ["sh", "-c", "echo out; echo err >&2; cat; exit 4"], { kind: "pipes" });
  expect((await c.shim.status()).pid).toBe(c.pid);
  const links = readdirSync(`/proc/${c.pid}/fd`).map((fd) =>
    readlinkSync(`/proc/${c.pid}/fd/${fd}`).replace(/:.*|.*\//, ""),
  );
  expect(links.sort()).toEqual(["exec.fifo", "pipe", "pipe", "pipe"]);
  const attachment = await c.shim.attach({ input: true, inputEnds: true });
  c.start();
  await attachment.write(Buffer.from("in\n"));
  attachment.endInput();
  const text = { stdout: "", stderr: "" };
  for await (const { stream, data } of frames(attachment.output())) text[stream] += data.toString();
  expect(text).toEqual({ stdout: "out\nin\n", stderr: "err\n" });
  expect(await c.shim.wait()).toMatchObject({ status: 4 });
});

test("the terminal is the container's own, and its master is kept by the shim alone", async () => {
  await using c = await create(
    "terminal",
    ["sh", "-c", "trap 'exit 9' INT; tty; stty size; read x; stty size; echo $x; while :; do sleep 0.05; done"],
    {
      kind: "terminal",
    },
  );
  await c.shim.resize(33, 99);
  const attachment = await c.shim.attach({ input: true });
  c.start();
  let text = "";
  for await (const chunk of attachment.output()) {
    text += chunk.toString();
    if (text.includes("33 99") && !text.includes("hello")) {
      await c.shim.resize(44, 111);
      await attachment.write(Buffer.from("hello\n"));
    }
    if (text.endsWith("44 111\r\nhello\r\n")) await attachment.write(Buffer.from("\x03"));
  }
  expect(text.replaceAll("\r", "")).toBe("/dev/pts/0\n33 99\nhello\n44 111\nhello\n^C");
  const masters = readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).endsWith("ptmx");
    } catch {
      return false;
    }
  });
  expect(masters).toEqual([]);
  expect(await c.shim.wait()).toMatchObject({ status: 9 });
});

test("a container whose creator goes away before start is ended by a signal, and its exit is kept", async () => {
  await using c = await create("never", ["true"], { kind: "pipes" });
  await c.shim.signal(15);
  expect(await c.shim.wait()).toMatchObject({ status: 143 });
});
