/** `update`: which limits change, which stay, and what is left when one is refused. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { inspectHost } from "@gantry/runtime";
import { merge, withPartners } from "../update.ts";
import { detached } from "./detached.ts";

const v1 = inspectHost().cgroups.mode !== "v2";

test("a period brings the quota of before along, and a memory limit of -1 takes the swap limit away", () => {
  const old = { cpu: { quota: 500, period: 1000 }, memory: { limit: 10, swap: 20 } };
  expect(withPartners({ cpu: { period: 2000 } }, old).cpu).toEqual({ period: 2000, quota: 500 });
  expect(withPartners({ memory: { limit: -1 } }, old).memory).toEqual({ limit: -1, swap: 0 });
  expect(withPartners({ memory: { swap: 40 } }, old).memory).toEqual({ limit: 10, swap: 40 });
});

test("what a change does not name stays in the record, and a device named twice has its last values", () => {
  const old = { pids: { limit: 20 }, blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1 }] } };
  const rates = [2, 3].map((rate) => ({ major: 8, minor: 0, rate }));
  expect(
    merge(old, { blockIO: { weight: 0, throttleReadBpsDevice: rates }, memory: { limit: 0, reservation: 5 } }),
  ).toEqual({
    pids: { limit: 20 },
    cpu: {},
    memory: { reservation: 5 },
    blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 3 }] },
  });
});

test.skipIf(!v1)("limits change by flags and by JSON, and the record has them (names files of cgroup v1)", () => {
  using c = detached({
    edit: (spec) => {
      spec.linux!.resources!.pids = { limit: 20 };
    },
  });
  expect(c.runc("update", c.id, "--memory", "50M", "--pids-limit", "30", "--cpu-share", "200")).toMatchObject({
    status: 0,
    stderr: "",
  });
  expect(c.cgroup("memory", "memory.limit_in_bytes")).toBe(String(50 * 2 ** 20));
  expect(c.cgroup("pids", "pids.max")).toBe("30");
  expect(c.runcWith('{"memory":{"limit":33554432},"cpu":{"cpus":"0"}}', "update", "-r", "-", c.id).status).toBe(0);
  expect(c.cgroup("memory", "memory.limit_in_bytes")).toBe("33554432");
  expect(c.cgroup("cpuset", "cpuset.cpus")).toBe("0");
  const record = JSON.parse(readFileSync(`${c.root}/${c.id}/state.json`, "utf8"));
  expect(record.gantry.spec.linux.resources).toMatchObject({
    pids: { limit: 30 },
    memory: { limit: 33554432 },
    cpu: { shares: 200, cpus: "0" },
  });
});

test.skipIf(!v1)(
  "when one limit is refused, those before it have their old values again (names files of cgroup v1)",
  () => {
    using c = detached({
      edit: (spec) => {
        spec.linux!.resources!.memory = { limit: 64 << 20 };
      },
    });
    const { status, stderr } = c.runc("update", c.id, "--memory", "40M", "--cpuset-cpus", "4095");
    expect(status).toBe(1);
    expect(stderr).toContain("linux.resources.cpu.cpus");
    expect(c.cgroup("memory", "memory.limit_in_bytes")).toBe(String(64 << 20));
  },
);

test.skipIf(!v1)("device access can be given while the container runs (reads the device list of cgroup v1)", () => {
  using c = detached({
    edit(spec) {
      spec.linux!.devices = [{ path: "/dev/kmsg", type: "c", major: 1, minor: 11 }];
      for (const set of ["bounding", "effective", "permitted"] as const)
        spec.process!.capabilities![set] = ["CAP_SYSLOG"];
    },
  });
  const read = () => c.runc("exec", c.id, "dd", "if=/dev/kmsg", "count=0");
  expect(read().stderr).toContain("Operation not permitted");
  const rule = { allow: true, type: "c", major: 1, minor: 11, access: "rw" };
  const devices = [{ allow: false, access: "rwm" }, rule];
  expect(c.runcWith(JSON.stringify({ devices }), "update", "--resources", "-", c.id)).toMatchObject({
    status: 0,
    stderr: "",
  });
  expect(read().status).toBe(0);
  expect(c.runc("exec", c.id, "sh", "-c", "echo kept > /dev/null").status).toBe(0);
});

test("bad numbers name their flag, and a container that has stopped cannot be updated", () => {
  using c = detached({ command: ["create"] });
  expect(c.runc("update", "--memory", "many", c.id).stderr).toContain("invalid value for memory");
  expect(c.runc("update", "--cpu-share", "-1", c.id).stderr).toContain("invalid value for cpu-share");
  expect(c.runc("update", "--l3-cache-schema", "L3:0=f", c.id).status).toBe(1);
  process.kill(c.pid, "SIGKILL");
  while (!c.runc("state", c.id).stdout.includes('"stopped"'));
  expect(c.runc("update", "--pids-limit", "5", c.id).stderr).toContain("container not running");
});
