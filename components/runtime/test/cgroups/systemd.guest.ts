/** The systemd driver against a real systemd. Runs inside the guest machine: see test/guest. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import type { Resources } from "@gantry/oci";
import { compileResources, type OpenOptions, openCgroup, reopenCgroup } from "../../cgroups/index.ts";
import { child, host, name, valueIn } from "./fixture.ts";

const SLOW_MS = 30_000;
const writes = (resources: Resources, update = false) =>
  compileResources(resources, host, { driver: "systemd", update });

/** What systemd itself says about a unit. */
function shown(unit: string, property: string): string {
  return spawnSync("systemctl", ["show", "--value", "-p", property, unit]).stdout.toString().trim();
}

function scope(options: Partial<OpenOptions> = {}) {
  const id = name();
  const cgroupsPath = `system.slice:gantry:${id}`;
  const cg = openCgroup({ host, id, driver: "systemd", cgroupsPath, ...options });
  const reopen = () => reopenCgroup({ host, id, driver: "systemd", cgroupsPath, paths: cg.paths });
  return Object.assign(cg, {
    unit: `gantry-${id}.scope`,
    reopen,
    [Symbol.dispose]() {
      cg.kill();
      cg.destroy();
    },
  });
}

test(
  "a container is a scope in its slice, with its limits known to systemd and in force",
  async () => {
    using cg = scope({ annotations: { "org.systemd.property.TimeoutStopSec": "uint64 7" } });
    await using sleeper = child();
    const list = writes({
      memory: { limit: 64 << 20, swap: 96 << 20 },
      cpu: { shares: 512, quota: 4321, period: 10000, cpus: "0" },
      pids: { limit: 20 },
      unified: { "memory.high": "50000000", "memory.oom.group": "1" },
    });
    cg.create(list);
    cg.join(sleeper.pid);
    cg.apply(list);
    expect(cg.pids()).toEqual([sleeper.pid]);
    const files = [
      "memory.max",
      "memory.swap.max",
      "pids.max",
      "cpu.weight",
      "cpu.max",
      "cpuset.cpus",
      "memory.oom.group",
    ];
    expect(files.map((file) => valueIn(cg.paths, "", file))).toEqual([
      "67108864",
      "33554432",
      "20",
      "59",
      "4400 10000",
      "0",
      "1",
    ]);
    const properties = ["Slice", "Delegate", "MemoryMax", "TasksMax", "TimeoutStopUSec", "DevicePolicy"];
    expect(properties.map((p) => shown(cg.unit, p))).toEqual(["system.slice", "yes", "67108864", "20", "7s", "strict"]);
    spawnSync("systemctl", ["daemon-reload"]);
    expect(valueIn(cg.paths, "", "memory.max")).toBe("67108864");
  },
  SLOW_MS,
);

test(
  "an update changes unit and files, or, when it fails, neither",
  async () => {
    using cg = scope();
    await using sleeper = child();
    cg.create();
    cg.join(sleeper.pid);
    cg.apply(writes({ memory: { limit: 64 << 20 } }));
    const again = cg.reopen();
    again.update(writes({ memory: { limit: 32 << 20 } }, true));
    const memory = () => [valueIn(cg.paths, "", "memory.max"), shown(cg.unit, "MemoryMax")];
    expect(memory()).toEqual(["33554432", "33554432"]);
    expect(() => again.update(writes({ memory: { limit: 16 << 20 }, cpu: { cpus: "77" } }, true))).toThrow(
      "linux.resources.cpu.cpus",
    );
    expect(memory()).toEqual(["33554432", "33554432"]);
    expect(shown(cg.unit, "AllowedCPUs")).toBe("");
  },
  SLOW_MS,
);

test(
  "exec joins the scope that is there; a second container of its name is refused; destroy leaves no unit",
  async () => {
    using cg = scope();
    await using a = child();
    await using b = child();
    cg.create();
    cg.join(a.pid);
    const again = cg.reopen();
    expect(again.entersAtClone).toBe(true);
    again.join(b.pid);
    expect(cg.pids().sort()).toEqual([a.pid, b.pid].sort());
    expect(() => again.create()).toThrow("container's cgroup is not empty: 2 process(es) found");
    cg.kill();
    await Promise.all([a.exit, b.exit]);
    again.destroy();
    expect(existsSync(cg.paths[""]!)).toBe(false);
    expect(shown(cg.unit, "LoadState")).toBe("not-found");
  },
  SLOW_MS,
);

test(
  "a property that systemd does not know is refused with its words",
  async () => {
    using cg = scope({ annotations: { "org.systemd.property.NoSuchThing": "true" } });
    await using sleeper = child();
    cg.create();
    expect(() => cg.join(sleeper.pid)).toThrow(/unable to start unit .*NoSuchThing/);
  },
  SLOW_MS,
);

test(
  "a delegated scope belongs to the container's root",
  async () => {
    using cg = scope({ ownerUid: 100000 });
    await using sleeper = child();
    cg.create();
    cg.join(sleeper.pid);
    const owner = (file: string) =>
      spawnSync("stat", ["-c", "%u", `${cg.paths[""]}/${file}`])
        .stdout.toString()
        .trim();
    expect(["", "cgroup.procs", "cgroup.subtree_control", "memory.max"].map(owner)).toEqual([
      "100000",
      "100000",
      "100000",
      "0",
    ]);
  },
  SLOW_MS,
);
