/** Terminals that an image puts in the place of the real ones (CVE-2025-52565), and terminals shared with the host. */
import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ID, type Scene, scene, secret } from "./fixture.ts";

/** A container with a terminal, whose /dev is a directory that somebody else fills. */
function foreignDev({ pts }: { pts: boolean }): Scene & { dev: string } {
  const attack = scene();
  const dev = join(attack.folder, "dev");
  mkdirSync(join(dev, "pts"), { recursive: true });
  for (const [name, minor] of [
    ["null", 3],
    ["zero", 5],
  ] as const)
    Bun.spawnSync(["mknod", "-m", "666", join(dev, name), "c", "1", String(minor)]);
  attack.configure({
    terminal: true,
    args: ["sh", "-c", "grep -c ' /dev/console ' /proc/mounts; grep -c ' /target ' /proc/mounts"],
    edit: (spec) => {
      const devpts = spec.mounts!.find(({ type }) => type === "devpts")!;
      spec.mounts = spec.mounts!.filter(({ destination }) => !destination.startsWith("/dev"));
      spec.mounts.push({ destination: "/dev", type: "bind", source: dev, options: ["bind"] });
      if (pts) spec.mounts.push(devpts);
    },
  });
  secret(join(attack.rootfs, "target"));
  return Object.assign(attack, { dev });
}

test("the console is the container's own terminal", () => {
  using attack = foreignDev({ pts: true });
  writeFileSync(join(attack.dev, "console"), "");
  expect(attack.run()).toMatchObject({ stdout: "1\n0\n" });
});

test("a /dev/console that is a link does not lead the terminal to its target", () => {
  using attack = foreignDev({ pts: true });
  symlinkSync("/target", join(attack.dev, "console"));
  expect(attack.run().stdout).toEndWith("\n0\n");
});

test.each(["link", "file", "device"])(
  "a /dev/pts/ptmx that is a %s of the image is not taken for a multiplexer",
  (kind) => {
    using attack = foreignDev({ pts: false });
    const path = join(attack.dev, "pts/ptmx");
    if (kind === "link") symlinkSync("/target", path);
    else if (kind === "file") secret(path);
    else Bun.spawnSync(["mknod", "-m", "666", path, "c", "5", "2"]);
    const result = attack.run();
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("/dev/pts/ptmx is not the multiplexer of a devpts");
  },
);

/** Session and controlling terminal: proc_pid_stat(5), fields 6 and 7. A session outside the pid namespace shows as 0. */
const SESSION = ["sh", "-c", "read pid comm state ppid group session tty rest </proc/self/stat; echo $session $tty $$"];

test("a container is in a session of its own without a terminal: it cannot type into the caller's", () => {
  using attack = scene({ args: SESSION });
  expect(attack.run().stdout).toBe("1 0 1\n");
});

test("an exec is in a session of its own without a terminal", () => {
  using attack = scene();
  attack.start();
  const [session, tty, self] = attack
    .runc("exec", ID, ...SESSION)
    .stdout.trim()
    .split(" ");
  expect([session, tty]).toEqual([self!, "0"]);
});
