import { expect, test } from "bun:test";
import { type CgroupHost, cgroupfsPaths } from "../../cgroups/index.ts";
import { cgroupMounts } from "../../cgroups/mounts.ts";

const at = (name: string, ...controllers: string[]) => ({
  controllers,
  mountPoint: `/sys/fs/cgroup/${name}`,
  root: "/",
  own: "/",
});
const v1: CgroupHost = {
  mode: "hybrid",
  root: "/sys/fs/cgroup",
  hierarchies: [at("cpu,cpuacct", "cpu", "cpuacct"), at("memory", "memory"), at("systemd", "name=systemd")],
  unified: at("unified", ""),
  controllers: [],
};
const v2: CgroupHost = {
  mode: "v2",
  root: "/sys/fs/cgroup",
  hierarchies: [],
  unified: { ...at("", ""), mountPoint: "/sys/fs/cgroup" },
  controllers: [],
};
const paths = cgroupfsPaths(v1, "/box", "box");

test("v1 with a namespace: a tmpfs with every hierarchy, links for merged names, read-only at the end", () => {
  expect(cgroupMounts(v1, paths, { readonly: true, namespaced: true, confined: false })).toEqual([
    { kind: "tmpfs", path: "" },
    { kind: "cgroup", path: "cpu,cpuacct", type: "cgroup", options: ["cpu", "cpuacct"] },
    { kind: "cgroup", path: "memory", type: "cgroup", options: ["memory"] },
    { kind: "cgroup", path: "systemd", type: "cgroup", options: ["name=systemd"] },
    { kind: "symlink", path: "cpu", target: "cpu,cpuacct" },
    { kind: "symlink", path: "cpuacct", target: "cpu,cpuacct" },
    { kind: "readonly", path: "" },
  ]);
});

test("v1 without a namespace: the container's own directories, and no others", () => {
  const { "name=systemd": _, ...some } = paths;
  expect(cgroupMounts(v1, some, { readonly: false, namespaced: false, confined: false })).toEqual([
    { kind: "tmpfs", path: "" },
    { kind: "bind", path: "cpu,cpuacct", source: "/sys/fs/cgroup/cpu,cpuacct/box" },
    { kind: "bind", path: "memory", source: "/sys/fs/cgroup/memory/box" },
    { kind: "symlink", path: "cpu", target: "cpu,cpuacct" },
    { kind: "symlink", path: "cpuacct", target: "cpu,cpuacct" },
  ]);
});

test("v2: one mount, which shows what the namespace shows", () => {
  for (const [namespaced, confined] of [
    [true, true],
    [true, false],
    [false, false],
  ] as const)
    expect(cgroupMounts(v2, { "": "/sys/fs/cgroup/box" }, { readonly: false, namespaced, confined })).toEqual([
      { kind: "cgroup", path: "", type: "cgroup2", options: [] },
    ]);
});

test("v2: a confined container without a namespace never sees the tree of the host", () => {
  const confined = { readonly: false, namespaced: false, confined: true };
  expect(cgroupMounts(v2, { "": "/sys/fs/cgroup/box" }, confined)).toEqual([
    { kind: "bind", path: "", source: "/sys/fs/cgroup/box" },
  ]);
  expect(cgroupMounts(v2, {}, confined)).toEqual([
    { kind: "tmpfs", path: "" },
    { kind: "readonly", path: "" },
  ]);
});
