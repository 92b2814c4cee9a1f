import { expect, test } from "bun:test";
import { parseCgroupFile, parseCgroups } from "../../cgroups/host.ts";
import { cgroupfsPaths, cleanPath } from "../../cgroups/paths.ts";

const HYBRID_MOUNTS = `22 27 0:21 / /proc rw,relatime - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
`;
const HYBRID_SELF = `4:name=systemd:/init.scope
3:devices:/
2:memory:/jobs/one
1:cpu,cpuacct:/jobs
0::/init.scope
`;
const V2_MOUNTS =
  "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";

const hybrid = parseCgroups(HYBRID_MOUNTS, HYBRID_SELF);
const v1 = parseCgroups(HYBRID_MOUNTS.replace(/^.*cgroup2.*\n/m, ""), HYBRID_SELF);
const v2 = parseCgroups(V2_MOUNTS, "0::/user.slice/user-1000.slice/session-2.scope\n");

test("the mode is told by what is mounted on /sys/fs/cgroup", () => {
  expect([v1.mode, hybrid.mode, v2.mode]).toEqual(["v1", "hybrid", "v2"]);
});

test("controllers that share a mount are one hierarchy", () => {
  expect(hybrid.hierarchies[0]).toEqual({
    controllers: ["cpu", "cpuacct"],
    mountPoint: "/sys/fs/cgroup/cpu,cpuacct",
    root: "/",
    own: "/jobs",
  });
});

test("the v2 side of a hybrid host is not mistaken for a v1 hierarchy", () => {
  expect(hybrid.hierarchies.map((h) => h.controllers)).not.toContainEqual([""]);
  expect(hybrid.unified).toEqual({
    controllers: [""],
    mountPoint: "/sys/fs/cgroup/unified",
    root: "/",
    own: "/init.scope",
  });
});

test("facts survive JSON", () => {
  expect(JSON.parse(JSON.stringify(hybrid))).toEqual(hybrid);
});

test("a hierarchy that is mounted twice is taken from below /sys/fs/cgroup", () => {
  const twice = `50 1 0:32 / /var/lib/x/memory rw - cgroup cgroup rw,memory\n${HYBRID_MOUNTS}`;
  expect(cgroupfsPaths(parseCgroups(twice, HYBRID_SELF), "/a", "id").memory).toBe("/sys/fs/cgroup/memory/a");
});

test("blanks in mount points are unescaped", () => {
  const odd = "50 1 0:32 / /mnt/my\\040groups rw - cgroup cgroup rw,memory\n";
  expect(parseCgroups(odd, HYBRID_SELF).hierarchies[0]!.mountPoint).toBe("/mnt/my groups");
});

test("an absolute path lies below each mount point, with one key for each controller", () => {
  expect(cgroupfsPaths(hybrid, "/a/b", "id")).toEqual({
    devices: "/sys/fs/cgroup/devices/a/b",
    memory: "/sys/fs/cgroup/memory/a/b",
    cpu: "/sys/fs/cgroup/cpu,cpuacct/a/b",
    cpuacct: "/sys/fs/cgroup/cpu,cpuacct/a/b",
    "name=systemd": "/sys/fs/cgroup/systemd/a/b",
    "": "/sys/fs/cgroup/unified/a/b",
  });
});

test("without a path the id is used, below our own cgroup of each v1 hierarchy", () => {
  const paths = cgroupfsPaths(hybrid, "", "box");
  expect(paths.memory).toBe("/sys/fs/cgroup/memory/jobs/one/box");
  expect(paths.devices).toBe("/sys/fs/cgroup/devices/box");
  expect(paths[""]).toBe("/sys/fs/cgroup/unified/box");
});

test("on v2 it is a sibling of our own cgroup, which has processes and so cannot be a parent", () => {
  expect(cgroupfsPaths(v2, "", "box")).toEqual({ "": "/sys/fs/cgroup/user.slice/user-1000.slice/box" });
  expect(cgroupfsPaths(v2, "/a", "box")).toEqual({ "": "/sys/fs/cgroup/a" });
});

test("inside a container our own path is taken relative to the directory that is mounted", () => {
  const mounts = "35 31 0:32 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
  const host = parseCgroups(mounts, "2:memory:/docker/1/inner\n");
  expect(cgroupfsPaths(host, "", "box")).toEqual({ memory: "/sys/fs/cgroup/memory/inner/box" });
});

for (const path of ["../../x", "/../../x", "a/../../../x", "./../x"]) {
  test(`${path} does not lead out of the hierarchy`, () => {
    for (const host of [hybrid, v1, v2])
      for (const directory of Object.values(cgroupfsPaths(host, path, "id"))) {
        expect(directory).toStartWith("/sys/fs/cgroup/");
        expect(directory).toEndWith("/x");
        expect(directory).not.toContain("..");
      }
  });
}

test("paths are cleaned and stay relative or absolute", () => {
  expect(["", "a//b/", "/a/./b/", "..", "/"].map(cleanPath)).toEqual(["", "a/b", "/a/b", "", "/"]);
});

test("colons in a cgroup's name belong to the name", () => {
  expect(parseCgroupFile("5:pids:/a:b\n0::/c\n")).toEqual(
    new Map([
      ["pids", "/a:b"],
      ["", "/c"],
    ]),
  );
});
