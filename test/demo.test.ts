import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../scripts/layout.ts";

const MINUTE_MS = 60_000;
const source = `${process.execPath} ${join(ROOT, "gantry/main.ts")} runc`;
const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith("gantry-demo-"));

/** Runs the demo; with a terminal when there is something to type. */
function demo(environment: Record<string, string>, typed?: string) {
  const argv = [process.execPath, join(ROOT, "scripts/demo.ts")];
  const options = {
    encoding: "utf8",
    env: { ...process.env, RUNTIME: source, ...environment },
    timeout: MINUTE_MS,
  } as const;
  if (typed === undefined) return spawnSync(argv[0]!, argv.slice(1), options);
  return spawnSync("script", ["-qec", `${argv.join(" ")} --shell`, "/dev/null"], { ...options, input: typed });
}

test(
  "the demo shows what it promises in under a minute, and leaves nothing behind",
  () => {
    const before = folders();
    const { status, stdout, stderr } = demo({});
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    for (const promise of [
      "Read-only file system",
      "exit 137",
      "Operation not permitted",
      "for 300 ms (paused)",
      "Nothing is left",
    ]) {
      expect(stdout).toContain(promise);
    }
    expect(folders()).toEqual(before);
  },
  MINUTE_MS,
);

test(
  "the demo's shell has a terminal and ends with exit",
  () => {
    const { status, stdout } = demo({}, "tty; echo $((40 + 2))\nexit\n");
    expect(stdout).toMatch(/\/dev\/(pts\/0|console)/);
    expect(stdout).toContain("42");
    expect(status).toBe(0);
  },
  MINUTE_MS,
);

test("the demo fails when a promise does not hold", () => {
  const { status, stderr } = demo({ RUNTIME: "/bin/true" });
  expect(status).toBe(1);
  expect(stderr).toContain("this was not to happen");
});
