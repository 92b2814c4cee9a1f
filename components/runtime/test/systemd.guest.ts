/** Containers whose cgroups systemd makes, through the command line. Runs inside the guest machine: see test/guest. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { detached } from "./detached.ts";

const UNIT = "gantry-guest-unit.scope";

/** A container in a unit that systemd stops after `seconds`. */
function container(seconds: number) {
  return detached({
    globals: ["--systemd-cgroup"],
    edit: (spec) => {
      spec.linux!.cgroupsPath = "system.slice:gantry-guest:unit";
      spec.linux!.resources = { ...spec.linux!.resources, pids: { limit: 20 } };
      spec.annotations = {
        "org.systemd.property.RuntimeMaxUSec": `uint64 ${seconds * 1_000_000}`,
        "org.systemd.property.TimeoutStopSec": "1",
      };
    },
  });
}

const shown = (property: string) =>
  spawnSync("systemctl", ["show", "--value", "-p", property, UNIT]).stdout.toString().trim();

test("a container lives in its scope, an exec joins it, and delete leaves no unit", () => {
  using lives = container(1000);
  const inside = `0::/system.slice/${UNIT}\n`;
  expect(shown("TasksMax")).toBe("20");
  expect(readFileSync(`/proc/${lives.pid}/cgroup`, "utf8")).toBe(inside);
  expect(lives.runc("exec", lives.id, "cat", "/proc/self/cgroup").stdout).toBe(inside);
  expect(lives.runc("update", "--pids-limit", "30", lives.id)).toMatchObject({ status: 0 });
  expect(shown("TasksMax")).toBe("30");
  expect(lives.runc("delete", "--force", lives.id)).toMatchObject({ status: 0, stderr: "" });
  expect(shown("LoadState")).toBe("not-found");
});

test("a unit that failed is forgotten with its container", async () => {
  using fails = container(8); // a start may take seconds in there
  while (JSON.parse(fails.runc("state", fails.id).stdout).status !== "stopped") await Bun.sleep(100);
  expect(shown("ActiveState")).toBe("failed");
  expect(fails.runc("delete", fails.id)).toMatchObject({ status: 0, stderr: "" });
  expect(shown("LoadState")).toBe("not-found");
});
