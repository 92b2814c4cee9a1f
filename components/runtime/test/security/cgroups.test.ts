/** The host's control groups, seen from a container without a namespace for them (CVE-2023-25809). */
import { expect, test } from "bun:test";
import { ID, scene } from "./fixture.ts";

/** Root within its file system, mount point, and options of each mount of control groups. */
const LIST = ["sh", "-c", "grep ' - cgroup' /proc/self/mountinfo | cut -d' ' -f4-6"];

test("a container sees its own control groups alone, and cannot write there", () => {
  using attack = scene({ args: LIST });
  const mounts = attack
    .run()
    .stdout.trim()
    .split("\n")
    .map((line) => line.split(" "));
  expect(mounts.length).toBeGreaterThan(0);
  for (const [root, , options] of mounts) {
    expect(root).toEndWith(`/${ID}`);
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
