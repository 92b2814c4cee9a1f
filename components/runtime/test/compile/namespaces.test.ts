import { describe, expect, test } from "bun:test";
import { ROLE } from "../../plan/sync.ts";
import { type Edit, inOrder, names, only, ops, planOf } from "./fixture.ts";

const FLAGS = {
  mount: 0x20000,
  uts: 0x4000000,
  ipc: 0x8000000,
  user: 0x10000000,
  pid: 0x20000000,
  network: 0x40000000,
  cgroup: 0x2000000,
  time: 0x80,
};
const { mount, uts, ipc, pid, network } = FLAGS;
const ALL = mount | uts | ipc | pid | network;

/** Replaces a namespace of the default configuration by the one at `path`. */
const join =
  (type: keyof typeof FLAGS, path: string): Edit =>
  (spec) => {
    spec.linux!.namespaces = spec.linux!.namespaces!.filter((one) => one.type !== type);
    spec.linux!.namespaces.push({ type, path });
  };

const mapped: Edit = (spec) => {
  spec.linux!.namespaces!.push({ type: "user" });
  spec.linux!.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
  spec.linux!.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
};

test("new namespaces are made by one clone", () => {
  const plan = planOf();
  expect(only(plan, "fork")).toEqual([ALL, ROLE.init, 0]);
  expect(ops(plan, "unshare")).toEqual([]);
});

test("on cgroup v2 the process is born in its control group", () => {
  expect(
    only(
      planOf(() => {}, { bornInCgroup: true }),
      "fork",
    ),
  ).toEqual([ALL, ROLE.init, 1]);
});

describe("a namespace by its path", () => {
  const plan = planOf(join("network", "/run/netns/blue"));

  test("is opened with the type that it must have, then joined", () => {
    expect(only(plan, "open_ns")).toEqual([0, "/run/netns/blue", network]);
    expect(only(plan, "setns")).toEqual([0, network]);
    expect(only(plan, "fork")).toEqual([ALL & ~network, ROLE.init, 0]);
  });

  test("is joined by a process that nobody in it may look at", () => {
    expect(inOrder(plan, "open_ns", "dumpable", "setns", "fork")).toBe(true);
  });

  test("keeps its loopback device as it is", () => {
    expect(ops(plan, "loopback_up")).toEqual([]);
  });
});

test("all paths are opened before the first is joined, the mount namespace is joined last", () => {
  const plan = planOf((spec) => {
    for (const type of ["mount", "ipc", "pid"] as const) join(type, `/proc/1/ns/${type}`)(spec);
  });
  const order = names(plan).filter((name) => name === "open_ns" || name === "setns");
  expect(order).toEqual(["open_ns", "open_ns", "open_ns", "setns", "setns", "setns"]);
  expect(ops(plan, "setns").at(-1)!.args[1]).toBe(mount);
});

describe("a new user namespace", () => {
  const plan = planOf(mapped);

  test("is made alone and mapped, so that it owns the others", () => {
    expect(ops(plan, "unshare").map(({ args }) => args[0])).toEqual([FLAGS.user, ALL]);
    expect(
      inOrder(plan, "unshare linux.uidMappings", "sync linux.uidMappings", "become_root", "unshare linux.namespaces"),
    ).toBe(true);
  });

  test("is entered by an intermediate process, whose child is the container's", () => {
    expect(ops(plan, "fork").map(({ args }) => args)).toEqual([
      [0, ROLE.intermediate, 0],
      [0, ROLE.init, 0],
    ]);
  });

  test("gets devices of the host by binding them: it may make none", () => {
    expect(ops(plan, "mknod")).toEqual([]);
    expect(ops(plan, "clone_tree", "default devices").map(({ args }) => args[0])).toContain("/dev/null");
  });
});

describe("an existing user namespace", () => {
  const plan = planOf((spec) => {
    join("user", "/proc/1/ns/user")(spec);
    spec.mounts!.push({ destination: "/data", type: "bind", source: "/secret/data", options: ["bind"] });
  });

  test("is joined after the others, while their owner's rights are there", () => {
    expect(ops(plan, "setns").at(-1)!.args[1]).toBe(FLAGS.user);
    expect(inOrder(plan, "setns", "become_root", "open_root")).toBe(true);
  });

  test("leaves a process outside that can reach the sources of binds", () => {
    expect(inOrder(plan, "fork", "setns")).toBe(true);
    expect(ops(plan, "clone_tree", "mounts[7]")[0]).toMatchObject({ proxy: true });
  });

  test("without binds leaves nobody outside", () => {
    expect(inOrder(planOf(join("user", "/proc/1/ns/user")), "setns", "fork")).toBe(true);
  });
});

test("an ordinary user joins the user namespace first: it gives the right to the others", () => {
  const plan = planOf(
    (spec) => {
      for (const type of ["user", "network"] as const) join(type, `/proc/1/ns/${type}`)(spec);
    },
    { rootless: true },
  );
  expect(ops(plan, "setns").map(({ args }) => args[1])).toEqual([FLAGS.user, network]);
});

test("without a mount namespace nothing is made private, and the root changes by chroot", () => {
  const plan = planOf((spec) => void (spec.linux!.namespaces = [{ type: "pid" }]));
  expect(names(plan)).not.toContain("propagation");
  expect(names(plan)).not.toContain("pivot_root");
  expect(names(plan)).toContain("chroot");
});

test("without a new keyring none is made", () => {
  expect(
    ops(
      planOf(() => {}, {}, { noNewKeyring: true }),
      "keyring",
    ),
  ).toEqual([]);
});
