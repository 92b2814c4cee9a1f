/** NOTIFY_SOCKET: a service manager hears from a container that it is ready. */
import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bindDatagram, connectDatagram, receiveMessage, sendMessage } from "@gantry/sys";
import { readyLine } from "../notify.ts";
import { RUNC } from "./command.ts";
import { detached } from "./detached.ts";

test("of a datagram only the line with READY is passed on", () => {
  expect(readyLine("STATUS=loading\nREADY=1\nMAINPID=1")).toBe("READY=1");
  expect(readyLine("STATUS=READY=1")).toBeUndefined();
});

test("start passes on that the container is ready, with the pid to watch and a barrier", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-notify-"));
  const env = { NOTIFY_SOCKET: join(folder, "manager") };
  const manager = bindDatagram(env.NOTIFY_SOCKET);
  try {
    using c = detached({ command: ["create"], env, args: ["sh", "-c", "test -S $NOTIFY_SOCKET && exec sleep 1000"] });
    const start = Bun.spawn([...RUNC, "--root", c.root, "start", c.id], { env: { ...process.env, ...env } });
    sendTo(await eventually(() => connectDatagram(join(c.root, c.id, "notify/notify.sock"))), "STATUS=x\nREADY=1\n");
    expect(receive(manager)).toEqual({ text: "READY=1\n", fds: 0 });
    expect(receive(manager)).toEqual({ text: `MAINPID=${c.pid}\n`, fds: 0 });
    expect(receive(manager)).toEqual({ text: "BARRIER=1", fds: 1 });
    expect(await start.exited).toBe(0);
    expect(JSON.parse(c.runc("state", c.id).stdout).status).toBe("running");
  } finally {
    closeSync(manager);
    rmSync(folder, { recursive: true });
  }
});

test("start does not wait for a container that ends without a word", () => {
  using c = detached({ command: ["create"], env: { NOTIFY_SOCKET: "@gantry-nobody" }, args: ["true"] });
  const { exitCode } = Bun.spawnSync([...RUNC, "--root", c.root, "start", c.id], {
    env: { ...process.env, NOTIFY_SOCKET: "@gantry-nobody" },
    timeout: 20_000,
  });
  expect(exitCode).toBe(0);
});

function sendTo(socket: number, text: string): void {
  sendMessage(socket, Buffer.from(text));
  closeSync(socket);
}

function receive(socket: number): { text: string; fds: number } {
  const buffer = Buffer.alloc(100);
  const { length, fds } = receiveMessage(socket, buffer);
  for (const fd of fds) closeSync(fd);
  return { text: buffer.toString("utf8", 0, length), fds: fds.length };
}

async function eventually<T>(action: () => T): Promise<T> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    try {
      return action();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await Bun.sleep(5);
    }
  }
}
