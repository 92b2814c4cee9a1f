/** Mount targets that lead out of the rootfs, or are exchanged while a container starts (CVE-2021-30465, CVE-2019-16884, CVE-2024-45310). */
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join, relative } from "node:path";
import type { Mount } from "@gantry/oci";
import { type Scene, scene } from "./fixture.ts";

const TMPFS = (destination: string): Mount => ({ destination, type: "tmpfs", source: "tmpfs", options: ["size=4k"] });

/** Nothing was made in the victim, and nothing is mounted there. */
function expectUntouched({ victim }: Scene): void {
  expect(readdirSync(victim)).toEqual([]);
  expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(victim);
}

const addMounts = (...mounts: Mount[]) => ({
  edit: (spec: { mounts?: unknown[] }) => void spec.mounts!.push(...mounts),
});

test("a symbolic link in the image to a directory of the host leads to that name inside", () => {
  using attack = scene(
    addMounts(TMPFS("/link/made"), {
      destination: "/link/file",
      type: "bind",
      source: "/bin/busybox",
      options: ["bind"],
    }),
  );
  symlinkSync(attack.victim, join(attack.rootfs, "link"));
  expect(attack.run()).toMatchObject({ status: 0 });
  expectUntouched(attack);
  expect(readdirSync(join(attack.rootfs, attack.victim)).sort()).toEqual(["file", "made"]);
});

test("a link that climbs with .. stops at the root", () => {
  using attack = scene(addMounts(TMPFS("/link/made")));
  symlinkSync(relative(attack.rootfs, attack.victim), join(attack.rootfs, "link"));
  symlinkSync(`../../../../../../../..${attack.victim}`, join(attack.rootfs, "far"));
  expect(attack.run()).toMatchObject({ status: 0 });
  expectUntouched(attack);
});

test("a destination that climbs with .. stops at the root", () => {
  using attack = scene();
  attack.configure(addMounts(TMPFS(`/../../../../../../../..${attack.victim}/made`)));
  expect(attack.run()).toMatchObject({ status: 0 });
  expectUntouched(attack);
});

test("an identifier of a container cannot leave the state directory", () => {
  using attack = scene();
  for (const id of ["../victim", "..", ".", "a/b", "", "a\nb"]) {
    const result = attack.runc("create", "--bundle", attack.bundle, id);
    expect(result.stderr).toContain("invalid container ID format");
    expect(result.status).toBe(1);
  }
  expect(attack.runc("delete", "--force", "../victim").status).toBe(1);
  expect(readdirSync(attack.folder).sort()).toEqual(["bundle", "victim"]);
});

const ROUNDS = 12;

test("a directory that is exchanged with a link to the host, over and over, never lets a mount or a directory out", async () => {
  using attack = scene();
  const shared = join(attack.rootfs, "shared");
  attack.configure(addMounts(TMPFS("/shared/dir/made"), TMPFS("/shared/dir/deep/er"), TMPFS("/shared/dir/a/b/c")));
  mkdirSync(join(shared, "dir"), { recursive: true });
  symlinkSync(attack.victim, join(shared, "link"));
  using _swapping = await attack.swap(join(shared, "dir"), join(shared, "link"));
  for (let round = 0; round < ROUNDS; round++) {
    attack.run();
    expectUntouched(attack);
  }
});

test("a mount point that is exchanged with a link is never mounted on elsewhere inside", async () => {
  using attack = scene();
  attack.configure({
    ...addMounts(TMPFS("/shared/dir")),
    args: ["sh", "-c", "grep ' /proc' /proc/mounts | cut -d' ' -f2,3"],
  });
  const usual = attack.run().stdout;
  mkdirSync(join(attack.rootfs, "shared/dir"), { recursive: true });
  symlinkSync("/proc", join(attack.rootfs, "shared/link"));
  using _swapping = await attack.swap(join(attack.rootfs, "shared/dir"), join(attack.rootfs, "shared/link"));
  for (let round = 0; round < ROUNDS; round++) {
    const { status, stdout } = attack.run();
    if (status === 0) expect(stdout).toBe(usual);
  }
});

test.each(["/proc", "/sys"])(
  "an image in which %s is a link is refused: what is written there later would go elsewhere",
  (path) => {
    using attack = scene();
    rmSync(join(attack.rootfs, path), { recursive: true, force: true });
    mkdirSync(join(attack.rootfs, "elsewhere"));
    symlinkSync("elsewhere", join(attack.rootfs, path));
    const result = attack.run();
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("must be mounted on ordinary directory");
  },
);

test.each(["/proc/sys", "/link"])("nothing is mounted inside /proc: %s", (destination) => {
  using attack = scene(addMounts(TMPFS(destination)));
  symlinkSync("/proc/sys", join(attack.rootfs, "link"));
  const result = attack.run();
  expect(result.status).toBe(1);
  expect(result.stderr).toContain("cannot be mounted because it is inside /proc");
});

test("without pivot_root no bare /proc of the host stays behind: none can be mounted from inside", () => {
  using attack = scene({
    args: [
      "busybox",
      "unshare",
      "-mrpf",
      "sh",
      "-c",
      "mount -t proc none /proc && ls /proc/sysrq-trigger && echo reached",
    ],
    edit: (spec) => {
      spec.process!.noNewPrivileges = false;
      for (const set of ["bounding", "effective", "permitted"] as const)
        spec.process!.capabilities![set]!.push("CAP_SETFCAP");
    },
  });
  const result = attack.run("--no-pivot");
  expect(result.stdout).not.toContain("reached");
  expect(result.stderr).toContain("permission denied");
});
