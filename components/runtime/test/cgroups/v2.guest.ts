/** What only cgroup v2 has. Runs inside the guest machine: see test/guest. */
import { expect, test } from "bun:test";
import { closeSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import type { Resources } from "@gantry/oci";
import { compileResources } from "../../cgroups/index.ts";
import { cgroup, child, host, makeSub, valueIn } from "./fixture.ts";

const writes = (resources: Resources, update = false) => compileResources(resources, host, { update });

/** A line of a keyed file. */
function line(text: string, key: string): string | undefined {
  return text.split("\n").find((l) => l.startsWith(`${key} `));
}

test("every controller is enabled on the way down", () => {
  using top = cgroup();
  using cg = cgroup({ cgroupsPath: `${top.paths[""]!.slice(host.root.length)}/a/b` });
  cg.create();
  expect(valueIn(cg.paths, "", "cgroup.controllers").split(" ").sort()).toEqual([...host.controllers].sort());
});

test("block devices, huge pages and unified reach the kernel", () => {
  using cg = cgroup();
  cg.create();
  const device = statSync("/dev/vda").rdev;
  const [major, minor] = [device >> 8, device & 255];
  const key = `${major}:${minor}`;
  cg.apply(
    writes({
      blockIO: { weight: 500, throttleReadBpsDevice: [{ major, minor, rate: 1048576 }] },
      hugepageLimits: [{ pageSize: "2MB", limit: 4194304 }],
      unified: { "memory.high": "10485760", "io.max": `${key} wbps=2097152\n${key} riops=100` },
    }),
  );
  expect(line(valueIn(cg.paths, "", "io.max"), key)).toBe(`${key} rbps=1048576 wbps=2097152 riops=100 wiops=max`);
  expect(valueIn(cg.paths, "", "hugetlb.2MB.max")).toBe("4194304");
  expect(valueIn(cg.paths, "", "memory.high")).toBe("10485760");
});

test("a failed update gives a block device its old limit back", () => {
  using cg = cgroup();
  cg.create();
  const device = statSync("/dev/vda").rdev;
  const throttle = (rate: number) => ({
    blockIO: { throttleReadBpsDevice: [{ major: device >> 8, minor: device & 255, rate }] },
  });
  const bad = (rate: number) => [...writes(throttle(rate), true), ...writes({ cpu: { cpus: "77" } }, true)];
  expect(() => cg.update(bad(4096))).toThrow();
  expect(valueIn(cg.paths, "", "io.max")).toBe("");
  cg.update(writes(throttle(1048576), true));
  expect(() => cg.update(bad(4096))).toThrow();
  expect(valueIn(cg.paths, "", "io.max")).toContain("rbps=1048576");
});

test("a limit below what is in use is refused when that was asked for", async () => {
  using cg = cgroup();
  await using user = child("read go; text=$(head -c 1000000 /dev/zero | tr '\\0' a); read go");
  cg.create();
  cg.join(user.pid);
  user.go();
  while (Number(valueIn(cg.paths, "", "memory.current")) <= 4096) await Bun.sleep(1);
  const memory = { limit: 4096, checkBeforeUpdate: true };
  expect(() => cg.update(writes({ memory }, true))).toThrow(/rejecting memory limit 4096 <= usage \d+/);
  expect(valueIn(cg.paths, "", "memory.max")).toBe("max");
});

test("below a cgroup with processes only threaded controllers can be used", async () => {
  using outer = cgroup();
  await using _sleeper = child();
  outer.create();
  writeFileSync(`${outer.paths[""]}/cgroup.type`, "threaded");
  using inner = cgroup({ cgroupsPath: `${outer.paths[""]!.slice(host.root.length)}/inner` });
  expect(() => inner.create(writes({ memory: { limit: 1 << 20 } }))).toThrow(
    /linux.resources.memory.limit: cannot enter cgroupv2 ".*" with domain controllers -- it is in /,
  );
  expect(inner.exists()).toBe(false);
  inner.create(writes({ pids: { limit: 5 } }));
  expect(valueIn(inner.paths, "", "cgroup.type")).toBe("threaded");
});

test("a delegated cgroup belongs to the container's root, its limits do not", () => {
  using cg = cgroup({ ownerUid: 100000 });
  cg.create();
  const owner = (file: string) => statSync(`${cg.paths[""]}/${file}`).uid;
  expect(["", "cgroup.procs", "cgroup.subtree_control", "memory.max"].map(owner)).toEqual([100000, 100000, 100000, 0]);
});

test("the directory to be cloned into is the container's, a sub-cgroup's, or the one a process is in", async () => {
  using cg = cgroup();
  await using sleeper = child();
  cg.create();
  makeSub(cg.paths, "sub");
  cg.joinSub(sleeper.pid, ["sub"]);
  const target = (fd: number) => {
    const path = readlinkSync(`/proc/self/fd/${fd}`);
    closeSync(fd);
    return path;
  };
  expect(target(cg.directoryFd())).toBe(cg.paths[""]!);
  expect(target(cg.directoryFd("sub"))).toBe(`${cg.paths[""]}/sub`);
  expect(target(cg.directoryFd("", sleeper.pid))).toBe(cg.paths[""]!);
  writeFileSync(`${cg.paths[""]}/cgroup.subtree_control`, "+memory");
  expect(target(cg.directoryFd("", sleeper.pid))).toBe(`${cg.paths[""]}/sub`);
  expect(() => cg.directoryFd("../..")).toThrow("bad sub cgroup path");
});

test("pressure is told", () => {
  using cg = cgroup();
  cg.create();
  const { cpu, memory, blkio } = cg.stats();
  for (const { psi } of [cpu, memory, blkio]) expect(psi?.some).toMatchObject({ avg10: 0, avg60: 0, avg300: 0 });
});

test("a user without rights gets by as long as nothing is asked for", () => {
  process.seteuid!(1000);
  try {
    const options = { rootless: true, cgroupsPath: "" };
    using none = cgroup(options);
    none.create(writes({}));
    expect(none.paths).toEqual({});
    using limits = cgroup(options);
    expect(() => limits.create(writes({ pids: { limit: 5 } }))).toThrow(
      "rootless needs no limits + no cgrouppath when no permission is granted for cgroups",
    );
    using path = cgroup({ rootless: true });
    expect(() => path.create(writes({}))).toThrow(/unable to apply cgroup configuration: .*permission denied/);
  } finally {
    process.seteuid!(0);
  }
});

test("thawing what is gone already is no error", () => {
  using cg = cgroup();
  cg.create();
  cg.destroy();
  expect(() => cg.thaw(true)).not.toThrow();
  expect(() => cg.kill()).not.toThrow();
});
