/** Mounts; runtime-spec, config.md, "Mounts", and mount_setattr(2) for the numbers. */
import { describe, expect, test } from "bun:test";
import type { Mount } from "@gantry/oci";
import type { Facts } from "../../compile/facts.ts";
import { type Edit, names, only, ops, planOf } from "./fixture.ts";

const [RDONLY, NOSUID, NODEV, NOEXEC, NOATIME, STRICTATIME, ATIME, NODIRATIME, NOSYMFOLLOW] = [
  1, 2, 4, 8, 0x10, 0x20, 0x70, 0x80, 0x200000,
];
const [PRIVATE, SLAVE] = [0x40000, 0x80000];
const M = "mounts[7]";

/** The plan with one more mount, which is mounts[7]. */
const mounting = (mount: Mount, facts: Partial<Facts> = {}, edit: Edit = () => {}) =>
  planOf((spec) => {
    spec.mounts!.push(mount as never);
    edit(spec);
  }, facts);
const bind = (...options: string[]) =>
  mounting({ destination: "/data", type: "none", source: "/host/data", options: ["bind", ...options] });

describe("a bind", () => {
  test("without options keeps every attribute of its source", () => {
    const plan = bind();
    expect(only(plan, "clone_tree", M)).toEqual(["/host/data", 0]);
    expect(ops(plan, "mount_attr", M)).toEqual([]);
    expect(only(plan, "attach", M)).toEqual(["/data", 0, 0o755, 0]);
  });

  test("takes what is mounted below its source only with rbind", () => {
    expect(only(mounting({ destination: "/d", source: "/s", options: ["rbind"] }), "clone_tree", M)).toEqual(["/s", 1]);
  });

  test("looks for a relative source in the bundle", () => {
    expect(only(mounting({ destination: "/d", source: "s", options: ["bind"] }), "clone_tree", M)[0]).toBe("/bundle/s");
  });

  test("with one option clears all the others, but not the mode of access times", () => {
    expect(only(bind("ro"), "mount_attr", M)).toEqual([
      0,
      RDONLY,
      NOSUID | NODEV | NOEXEC | NOSYMFOLLOW,
      0,
      NOSYMFOLLOW,
    ]);
  });

  test("clears a locked attribute only when it is named", () => {
    const [, set, clear, , locked] = only(bind("rw", "exec"), "mount_attr", M);
    expect([set, clear]).toEqual([0, RDONLY | NOSUID | NODEV | NOEXEC | NOSYMFOLLOW]);
    expect(locked).toBe(RDONLY | NOEXEC | NOSYMFOLLOW);
  });

  test("changes nothing but what is named with remount", () => {
    expect(only(bind("remount", "ro", "exec"), "mount_attr", M)).toEqual([0, RDONLY, NOEXEC, 0, NOEXEC]);
  });

  test.each([
    ["noatime", NOATIME],
    ["relatime", 0],
    ["strictatime", STRICTATIME],
    ["nodiratime", NODIRATIME],
  ])("with %s sets that mode and clears the others", (option, set) => {
    const [, actual, clear] = only(bind(option), "mount_attr", M) as number[];
    expect(actual).toBe(set);
    expect(clear! & (ATIME | NODIRATIME)).toBe(ATIME | NODIRATIME);
  });

  test("is read-only all the way down with rro", () => {
    expect(only(bind("rro"), "mount_attr", M)).toEqual([1, RDONLY, 0, 0, 0]);
  });

  test("propagates as asked, in calls of their own, after it is attached", () => {
    const plan = bind("rslave", "private");
    expect(ops(plan, "mount_attr", M).map(({ args }) => args)).toEqual([
      [1, 0, 0, SLAVE, 0],
      [0, 0, 0, PRIVATE, 0],
    ]);
    expect(plan.ops.filter(({ from }) => from === M).map(({ name }) => name)).toEqual([
      "clone_tree",
      "attach",
      "mount_attr",
      "mount_attr",
    ]);
  });

  test("maps its ids before it is attached", () => {
    const map = [{ containerID: 0, hostID: 1000, size: 10 }];
    const plan = mounting({ destination: "/d", source: "/s", options: ["bind"], uidMappings: map, gidMappings: map });
    expect(only(plan, "idmap", M)).toEqual(["0 1000 10\n", "0 1000 10\n", 0]);
    expect(plan.ops.filter(({ from }) => from === M).map(({ name }) => name)).toEqual([
      "clone_tree",
      "idmap",
      "attach",
    ]);
  });

  test("may cover one of the files of /proc that are known to be covered, and no other", () => {
    const flags = (destination: string) =>
      only(mounting({ destination, source: "/s", options: ["bind"] }), "attach", M)[3];
    expect(flags("/proc/meminfo")).toBe(2);
    expect(flags("/proc/self/attr/exec")).toBe(0);
  });
});

describe("a new file system", () => {
  test("gets attributes for the mount and parameters for itself", () => {
    const plan = mounting({
      destination: "/scratch",
      type: "tmpfs",
      source: "scratch",
      options: ["nosuid", "noexec", "size=1m", "mode=700", "sync"],
    });
    expect(only(plan, "new_fs", M)).toEqual([
      "tmpfs",
      "scratch",
      ["sync", "size=1m", "mode=700"],
      NOSUID | NOEXEC,
      0,
      "",
    ]);
  });

  test("splits options that stand in one string, but not inside quotes", () => {
    const plan = mounting({ destination: "/x", type: "tmpfs", options: ['size=1m,context="a:b:c0,c1",mode=700'] });
    expect(only(plan, "new_fs", M)[2]).toEqual(["size=1m", "context=a:b:c0,c1", "mode=700"]);
  });

  test("takes the mode of the directory that a tmpfs covers, unless it has one", () => {
    expect(only(mounting({ destination: "/x", type: "tmpfs" }), "new_fs", M)[5]).toBe("/x");
    expect(only(mounting({ destination: "/x", type: "tmpfs", options: ["mode=700"] }), "new_fs", M)[5]).toBe("");
  });

  test("is filled before it is attached with tmpcopyup, and the container pays for that", () => {
    const plan = mounting({ destination: "/x", type: "tmpfs", options: ["tmpcopyup"] });
    expect(plan.ops.filter(({ from }) => from === M || from === "linux.cgroupsPath").map(({ name }) => name)).toEqual([
      "new_fs",
      "sync",
      "copy_up",
      "attach",
    ]);
  });

  test.each(["proc", "sysfs"])("of type %s wants an ordinary directory, not a link", (type) => {
    expect(only(mounting({ destination: "/x", type }), "attach", M)[3]).toBe(1);
  });

  test("is writable while we fill it: a read-only tmpfs becomes so at the end", () => {
    const plan = mounting({ destination: "/x", type: "tmpfs", options: ["ro", "mode=700"] });
    expect((only(plan, "new_fs", M)[3] as number) & RDONLY).toBe(0);
    expect(only(plan, "late_readonly", M)).toEqual(["/x"]);
    expect(names(plan).indexOf("late_readonly")).toBeGreaterThan(names(plan).indexOf("pivot_root"));
  });

  test("drops the group of terminals where an ordinary user has no such group", () => {
    const edit: Edit = (spec) => {
      spec.linux!.namespaces!.push({ type: "user" });
      spec.linux!.gidMappings = [{ containerID: 0, hostID: 1000, size: 1 }];
    };
    expect(only(planOf(edit, { rootless: true }), "new_fs", "mounts[2]")[2]).not.toContain("gid=5");
    expect(only(planOf(), "new_fs", "mounts[2]")[2]).toContain("gid=5");
  });
});

describe("a destination", () => {
  test("that is written as the host sees it means the place in the container", () => {
    expect(only(mounting({ destination: "/bundle/rootfs/x", source: "/s", options: ["bind"] }), "attach", M)[0]).toBe(
      "/x",
    );
    expect(only(mounting({ destination: "/bundle/rootfs-2/x", source: "/s", options: ["bind"] }), "attach", M)[0]).toBe(
      "/bundle/rootfs-2/x",
    );
  });

  test("is made clean: .. does not climb above the root", () => {
    expect(
      only(mounting({ destination: "/a/../../../etc//x/", source: "/s", options: ["bind"] }), "attach", M)[0],
    ).toBe("/etc/x");
  });
});

describe("the control groups", () => {
  const cgroupMounts: Facts["cgroupMounts"] = ({ readonly, namespaced }) => [
    { kind: "tmpfs", path: "" },
    namespaced
      ? { kind: "cgroup", path: "pids", type: "cgroup", options: ["pids"] }
      : { kind: "bind", path: "pids", source: "/sys/fs/cgroup/pids/one" },
    { kind: "symlink", path: "cpu", target: "cpu,cpuacct" },
    ...(readonly ? [{ kind: "readonly", path: "" } as const] : []),
  ];
  const plan = (edit: Edit = () => {}) =>
    mounting(
      { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", "nosuid"] },
      { cgroupMounts },
      edit,
    );

  test("are mounted from the container's own directories, when these are there", () => {
    expect(
      plan()
        .ops.filter(({ from }) => from === M || from === "linux.cgroupsPath")
        .map(({ name }) => name),
    ).toEqual(["sync", "new_fs", "attach", "clone_tree", "mount_attr", "attach", "symlink", "late_readonly"]);
    expect(only(plan(), "clone_tree", M)).toEqual(["/sys/fs/cgroup/pids/one", 0]);
    expect(only(plan(), "mount_attr", M)[1]).toBe(RDONLY | NOSUID);
  });

  test("are a file system of their own in a cgroup namespace", () => {
    const [, own] = ops(
      plan((spec) => void spec.linux!.namespaces!.push({ type: "cgroup" })),
      "new_fs",
      M,
    );
    expect(own!.args).toEqual(["cgroup", "cgroup", ["pids"], RDONLY | NOSUID, 0, ""]);
  });
});
