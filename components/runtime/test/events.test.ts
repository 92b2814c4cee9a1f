/** `events`: its lines, and when it ends. */
import { expect, test } from "bun:test";
import { milliseconds } from "../commands/events.ts";
import { detached } from "./detached.ts";

test("durations are read as Go writes them", () => {
  expect(["1s", "100ms", "1m30s", "1.5h", "250us", "-2s", "0"].map(milliseconds)).toEqual([
    1000, 100, 90_000, 5_400_000, 0.25, -2000, 0,
  ]);
  for (const text of ["", "5", "s", "1x", "1s2"]) expect(() => milliseconds(text)).toThrow("invalid duration");
});

test("--stats is one line with numbers of the container", () => {
  using c = detached();
  const { stdout } = c.runc("events", "--stats", c.id);
  expect(stdout.trim().split("\n")).toHaveLength(1);
  const { type, id, data } = JSON.parse(stdout);
  expect([type, id]).toEqual(["stats", c.id]);
  expect(data.pids.current).toBe(1);
  expect(data.memory.usage.usage).toBeGreaterThan(0);
});

test("statistics come at the interval until the container ends", async () => {
  using c = detached();
  const events = c.spawn("events", "--interval", "50ms", c.id);
  const reader = events.stdout.getReader();
  let text = "";
  while (text.split("\n").length < 4) text += new TextDecoder().decode((await reader.read()).value);
  process.kill(c.pid, "SIGKILL");
  expect(await events.exited).toBe(0);
  for (const line of text.trim().split("\n").slice(0, 3))
    expect(JSON.parse(line)).toMatchObject({ type: "stats", id: c.id });
});

test("running out of memory is an event", async () => {
  using c = detached({
    edit: (spec) => {
      spec.linux!.resources!.memory = { limit: 16 << 20, swap: 16 << 20 };
    },
  });
  const events = c.spawn("events", "--interval", "1h", c.id);
  const reader = events.stdout.getReader();
  const first = reader.read();
  // One that comes before the watch does is nobody's event: the next one is.
  const hog = async () => {
    for (;;) {
      const exec = c.spawn("exec", c.id, "sh", "-c", "head -c 64m /dev/zero | tail -c 64m | wc -c");
      if ((await Promise.race([first, exec.exited.then(() => undefined)])) !== undefined) return exec.exited;
    }
  };
  await hog();
  expect(JSON.parse(new TextDecoder().decode((await first).value).split("\n")[0]!)).toEqual({ type: "oom", id: c.id });
  process.kill(c.pid, "SIGKILL");
  expect(await events.exited).toBe(0);
});

test("an interval of nothing and a stopped container are refused", () => {
  using c = detached({ command: ["create"] });
  expect(c.runc("events", "--interval", "0s", c.id).stderr).toContain("duration interval must be greater than 0");
  process.kill(c.pid, "SIGKILL");
  while (!c.runc("state", c.id).stdout.includes('"stopped"'));
  expect(c.runc("events", c.id).stderr).toContain(`container with id ${c.id} is not running`);
});
