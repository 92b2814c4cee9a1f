/** What a plan does, and in which order; runtime-spec, runtime.md, "Lifecycle". */
import { describe, expect, test } from "bun:test";
import { CAPABILITIES } from "@gantry/oci";
import { encodePlan } from "../../plan/plan.ts";
import { type Edit, inOrder, lastIndex, names, ops, planOf } from "./fixture.ts";

test("the default configuration compiles to these operations", () => {
  const runs = names(planOf()).filter((name, i, all) => name !== all[i - 1]);
  expect(runs.join(" ")).toBe(
    "fork setsid affinity keyring loopback_up propagation open_root " +
      "new_fs attach new_fs attach new_fs attach new_fs attach new_fs attach new_fs attach mknod symlink " +
      "pivot_root reopen_null console late_readonly umask hostname readonly_path mask_path no_new_privs sync " +
      "close_tools chdir bounding keep_caps set_user chdir cwd_inside keep_caps capabilities ambient find_program sync fifo_wait exec",
  );
});

test("compiling depends on its arguments alone, and leaves them as they are", () => {
  expect(encodePlan(planOf())).toEqual(encodePlan(planOf()));
});

test("every operation names the field that it comes from", () => {
  expect(planOf().ops.filter(({ from }) => from === "")).toEqual([]);
});

const EVERYTHING: Edit = (spec) => {
  spec.process!.oomScoreAdj = 10;
  spec.process!.cwd = "/work";
  spec.process!.scheduler = { policy: "SCHED_BATCH" };
  spec.process!.apparmorProfile = "profile";
  spec.process!.selinuxLabel = "label";
  spec.domainname = "example";
  spec.linux!.sysctl = { "net.ipv4.ip_forward": "1" };
  spec.linux!.namespaces!.push({ type: "cgroup" }, { type: "time" }, { type: "user" });
  spec.linux!.uidMappings = [{ containerID: 0, hostID: 1000, size: 1000 }];
  spec.linux!.gidMappings = [{ containerID: 0, hostID: 1000, size: 1000 }];
  spec.linux!.timeOffsets = { boottime: { secs: 1 } };
  spec.linux!.netDevices = { eth1: {} };
  spec.linux!.seccomp = { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW" }] };
  spec.mounts!.push({ destination: "/data", type: "bind", source: "/host/data", options: ["rbind", "rro", "rslave"] });
  const hook = [{ path: "/bin/hook" }];
  spec.hooks = {
    prestart: hook,
    createRuntime: hook,
    createContainer: hook,
    startContainer: hook,
    poststart: hook,
    poststop: hook,
  };
};
const everything = (edit: Edit = () => {}) =>
  planOf(
    (spec) => {
      EVERYTHING(spec);
      edit(spec);
    },
    { apparmor: true, selinux: true },
  );

describe("with everything in it", () => {
  const plan = everything();

  test("the score for the OOM killer comes before anything else: later the right to set it is gone", () => {
    expect(plan.ops[0]).toMatchObject({ name: "write_file", args: ["/proc/self/oom_score_adj", "10", 0] });
  });

  test("the user namespace is mapped before a file is touched", () => {
    expect(
      inOrder(
        plan,
        "unshare linux.uidMappings",
        "sync linux.uidMappings",
        "become_root",
        "open_root",
        "new_fs",
        "clone_tree default devices",
      ),
    ).toBe(true);
  });

  test("clocks are set while nobody lives in the time namespace", () => {
    const at = plan.ops.findIndex(({ from }) => from === "linux.timeOffsets");
    expect(plan.ops.slice(at, at + 2).map(({ name }) => name)).toEqual(["unshare", "sync"]);
    expect(lastIndex(plan, "fork")).toBeGreaterThan(at);
  });

  test("the cgroup namespace is made where the process already is in its control group", () => {
    expect(inOrder(plan, "sync linux.cgroupsPath", "unshare linux.namespaces")).toBe(false); // the others need not wait
    const [joined, unshared] = [
      plan.ops.findIndex(({ from }) => from === "linux.cgroupsPath"),
      lastIndex(plan, "unshare"),
    ];
    expect(unshared).toBe(joined + 1);
  });

  test("network devices arrive before sysctls may speak of them", () => {
    expect(inOrder(plan, "sync linux.netDevices", "sysctl")).toBe(true);
  });

  test("hooks run when the mounts are there, and before the root changes: their paths are the host's", () => {
    expect(inOrder(plan, "attach mounts[7]", "sync hooks", "hook hooks.createContainer[0]", "pivot_root")).toBe(true);
  });

  test("startContainer hooks run after start, right before the program", () => {
    expect(names(plan).slice(-3)).toEqual(["fifo_wait", "hook", "exec"]);
    expect(ops(plan, "hook", "hooks.startContainer[0]")).toHaveLength(1);
  });

  test("hooks of the runtime's namespaces are not the launcher's", () => {
    expect(ops(plan, "hook").map(({ from }) => from)).toEqual(["hooks.createContainer[0]", "hooks.startContainer[0]"]);
  });

  test("the root becomes read-only when nothing is made in it any more", () => {
    const sealed = plan.ops.findIndex(({ from }) => from === "root.readonly");
    for (const name of ["mknod", "symlink", "mkdir", "attach", "console", "pivot_root"] as const)
      expect(lastIndex(plan, name)).toBeLessThan(sealed);
  });

  test("what needs privileges comes before they are given up", () => {
    const dropped = plan.ops.findIndex(({ name }) => name === "bounding");
    for (const name of [
      "hostname",
      "domainname",
      "sysctl",
      "readonly_path",
      "mask_path",
      "apparmor",
      "selinux_exec",
      "scheduler",
      "keyring",
      "loopback_up",
    ] as const)
      expect(lastIndex(plan, name)).toBeLessThan(dropped);
  });

  test("privileges are given up in this order, and nothing but the search of the program follows", () => {
    const at = plan.ops.findIndex(({ name }) => name === "bounding");
    expect(names(plan).slice(at).join(" ")).toBe(
      "bounding keep_caps set_user chdir cwd_inside keep_caps capabilities ambient find_program seccomp sync fifo_wait hook exec",
    );
  });

  test("the record is written before the first privilege is gone", () => {
    const ready = plan.ops.findIndex(({ name, args }) => name === "sync" && args[0] === 5);
    expect(ready).toBeLessThan(plan.ops.findIndex(({ name }) => name === "bounding"));
    expect(ready).toBeGreaterThan(lastIndex(plan, "mask_path"));
  });

  test("descriptors of the set-up are closed before anything of the container's may look for them", () => {
    expect(inOrder(plan, "mask_path", "close_tools", "set_user")).toBe(true);
  });
});

describe("the seccomp filter", () => {
  test("is installed as late as possible with no_new_privs", () => {
    expect(inOrder(everything(), "capabilities", "ambient", "find_program", "seccomp", "fifo_wait")).toBe(true);
  });

  test("is installed while there is the right to, without no_new_privs", () => {
    const plan = everything((spec) => void (spec.process!.noNewPrivileges = false));
    expect(inOrder(plan, "close_tools", "seccomp", "bounding", "set_user", "capabilities")).toBe(true);
    expect(ops(plan, "no_new_privs")).toEqual([]);
  });
});

test("run does not wait for start", () => {
  const plan = planOf(() => {}, {}, { fifo: false });
  expect(plan.fifo).toBe(false);
  expect(ops(plan, "fifo_wait")).toEqual([]);
});

test("without pivot_root the host's proc and sysfs are covered first, deepest first", () => {
  const plan = planOf(() => {}, { kernelMounts: ["/a/b/proc", "/proc", "/sys"] }, { noPivot: true });
  expect(ops(plan, "cover").map(({ args }) => args[0])).toEqual(["/a/b/proc", "/proc", "/sys"]);
  expect(inOrder(plan, "cover", "move_root")).toBe(true);
  expect(ops(plan, "pivot_root")).toEqual([]);
});

test("no name of a capability is unknown to the compiler", () => {
  expect(CAPABILITIES).toHaveLength(41);
});
