/** Descriptors of the host that find their way into a container, and working directories reached through them (CVE-2024-21626). */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { RUNC } from "../command.ts";
import { ID, type Scene, scene, secret } from "./fixture.ts";

/** Calls the runtime with directory `path` open as descriptor 9 (and 3, when it is to be preserved), without CLOEXEC. */
function withOpen(attack: Scene, path: string, ...args: string[]): { status: number; stdout: string; stderr: string } {
  const script = 'exec 3<"$DIR" 9<"$DIR"; exec "$0" "$@"';
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    ["sh", "-c", script, ...RUNC, "--root", join(attack.folder, "root"), ...args],
    {
      env: { ...process.env, DIR: path },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: 10_000,
    },
  );
  return { status: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

/** The descriptor of the directory that is being listed is closed again by the time the links are looked at. */
const LIST = ["sh", "-c", "for fd in /proc/$$/fd/*; do [ -L $fd ] && echo ${fd##*/}; done; true"];

test("a container has its three streams and no other descriptor, whatever the caller had open", () => {
  using attack = scene({ args: LIST });
  expect(
    withOpen(attack, attack.victim, "run", "--bundle", attack.bundle, ID).stdout.split("\n").filter(Boolean),
  ).toEqual(["0", "1", "2"]);
});

test("an exec has its three streams and no other descriptor", () => {
  using attack = scene();
  attack.start();
  expect(
    withOpen(attack, attack.victim, "exec", ID, ...LIST)
      .stdout.split("\n")
      .filter(Boolean),
  ).toEqual(["0", "1", "2"]);
});

test("a created container holds nothing of the host but its streams, the fifo and the channel to the runtime", () => {
  using attack = scene();
  const pid = attack.create();
  const { stdout } = Bun.spawnSync(["ls", "-l", `/proc/${pid}/fd`]);
  const targets = [...stdout.toString().matchAll(/-> (.*)$/gm)].map(([, target]) => target!);
  expect(targets.filter((one) => !/^\/dev\/null$|^socket:|\/exec\.fifo$/.test(one))).toEqual([]);
});

test.each([3, 4, 5, 6, 7, 8, 9, 10])("descriptor %i is no way out as the working directory of a container", (fd) => {
  using attack = scene({ args: ["cat", "flag"], edit: (spec) => void (spec.process!.cwd = `/proc/self/fd/${fd}`) });
  secret(join(attack.victim, "flag"));
  const result = withOpen(attack, attack.victim, "run", "--bundle", attack.bundle, ID);
  expect(result.status).not.toBe(0);
  expect(result.stdout).not.toContain("secret");
});

test("a preserved descriptor of a host directory is refused as the working directory of an exec", () => {
  using attack = scene();
  secret(join(attack.victim, "flag"));
  attack.start();
  const result = withOpen(
    attack,
    attack.victim,
    "exec",
    "--preserve-fds",
    "1",
    "--cwd",
    "/proc/self/fd/3",
    ID,
    "cat",
    "flag",
  );
  expect(result.stderr).toContain("possible container breakout detected");
  expect(result.status).toBe(255);
  expect(result.stdout).not.toContain("secret");
});
