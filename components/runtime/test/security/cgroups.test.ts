/** The host's control groups, seen from a container without a namespace for them (CVE-2023-25809). */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { ID, scene } from "./fixture.ts";

/** Root within its file system, mount point, and options of each mount of control groups. */
const LIST = ["sh", "-c", "grep ' - cgroup' /proc/self/mountinfo | cut -d' ' -f4-6"];

/** On v2 alone there is one tree, and without a namespace all of it is mounted: that it is read-only has to suffice. */
const v2 = existsSync("/sys/fs/cgroup/cgroup.controllers");

test("a container sees its own control groups alone (v1), and cannot write there", () => {
  using attack = scene({ args: LIST });
  const mounts = attack
    .run()
    .stdout.trim()
    .split("\n")
    .map((line) => line.split(" "));
  expect(mounts.length).toBeGreaterThan(0);
  for (const [root, , options] of mounts) {
    if (!v2) expect(root).toEndWith(`/${ID}`);
    expect(options!.split(",")).toContain("ro");
  }
});

test("with a namespace of its own a container sees its own control groups as the root", () => {
  using attack = scene({
    args: ["cat", "/proc/self/cgroup"],
    edit: (spec) => void spec.linux!.namespaces!.push({ type: "cgroup" }),
  });
  const paths = attack
    .run()
    .stdout.trim()
    .split("\n")
    .map((line) => line.replace(/^\d+:[^:]*:/, ""));
  expect(new Set(paths)).toEqual(new Set(["/"]));
});
