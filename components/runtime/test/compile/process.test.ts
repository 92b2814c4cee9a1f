/** What the process is and may do; runtime-spec, config.md, "Process". */
import { describe, expect, test } from "bun:test";
import { capabilityMasks, unavailableCapabilities } from "../../compile/capabilities.ts";
import { environment } from "../../compile/environment.ts";
import { compileExec } from "../../compile/exec.ts";
import { listMask } from "../../compile/process.ts";
import { type Edit, FACTS, inOrder, names, only, ops, planOf, specOf } from "./fixture.ts";

const [CHOWN, NET_ADMIN, SYS_ADMIN] = [0, 12, 21].map((n) => 1n << BigInt(n));

describe("capabilities", () => {
  test("are the sets of the configuration; those that it leaves out are empty", () => {
    const masks = capabilityMasks(
      { bounding: ["CAP_CHOWN", "CAP_NET_ADMIN"], effective: ["CAP_CHOWN"] },
      FACTS,
      specOf(),
    );
    expect(masks).toEqual({
      bounding: CHOWN! | NET_ADMIN!,
      effective: CHOWN!,
      permitted: 0n,
      inheritable: 0n,
      ambient: 0n,
    });
  });

  test("without any all are given up", () => {
    const plan = planOf((spec) => void delete spec.process!.capabilities);
    expect(only(plan, "bounding")).toEqual([0n]);
    expect(only(plan, "capabilities")).toEqual([0n, 0n, 0n]);
    expect(only(plan, "ambient")).toEqual([0n]);
  });

  test("that the runtime does not have are left out, and named", () => {
    const facts = { ...FACTS, capabilities: CHOWN! };
    const wanted = { bounding: ["CAP_SYS_ADMIN", "CAP_CHOWN"], permitted: ["CAP_NEW_IN_2040"] };
    expect(capabilityMasks(wanted, facts, specOf()).bounding).toBe(CHOWN!);
    expect(unavailableCapabilities(wanted, facts, specOf())).toEqual(["CAP_NEW_IN_2040", "CAP_SYS_ADMIN"]);
  });

  test("are all there for the first process of a user namespace", () => {
    const spec = specOf((one) => void one.linux!.namespaces!.push({ type: "user" }));
    expect(capabilityMasks({ bounding: ["CAP_SYS_ADMIN"] }, { ...FACTS, capabilities: 0n }, spec).bounding).toBe(
      SYS_ADMIN!,
    );
  });
});

describe("the environment", () => {
  test("keeps the last of several values", () => {
    expect(environment(["A=1", "B=2", "A=3", "HOME=/x"], [], "/root")).toEqual(["A=3", "B=2", "HOME=/x"]);
  });

  test("has the home directory of the user where nobody gave one", () => {
    expect(environment(["HOME="], [], "/home/user")).toEqual(["HOME=/home/user"]);
    expect(environment([], [], "/home/user")).toEqual(["HOME=/home/user"]);
  });

  test("ends with what socket activation needs", () => {
    const plan = planOf(() => {}, {}, { extraEnv: ["LISTEN_FDS=2", "LISTEN_PID=1"] });
    expect((only(plan, "exec")[1] as string[]).filter((one) => one.startsWith("LISTEN"))).toEqual([
      "LISTEN_FDS=2",
      "LISTEN_PID=1",
    ]);
  });

  test("keeps the equals signs of a value", () => {
    expect(environment(["OPTS=a=b=c", "HOME=/"], [], "")).toEqual(["OPTS=a=b=c", "HOME=/"]);
  });
});

test("the program is looked for on the PATH of the process, the last one given", () => {
  const plan = planOf((spec) => void (spec.process!.env = ["PATH=/a", "PATH=/b:/c:"]));
  expect(only(plan, "find_program")).toEqual(["sh", ["/b", "/c", ""], "/b:/c:"]);
});

test("groups travel as 32-bit numbers", () => {
  const plan = planOf((spec) => void (spec.process!.user = { uid: 1000, gid: 1001, additionalGids: [5, 0xfffffffe] }));
  expect(only(plan, "set_user")).toEqual([1000, 1001, new Uint8Array([5, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff]), 0]);
});

test("an ordinary user with one group does not try to change groups", () => {
  const one: Edit = (spec) => {
    spec.linux!.namespaces!.push({ type: "user" });
    spec.linux!.gidMappings = [{ containerID: 0, hostID: 1000, size: 1 }];
  };
  expect(only(planOf(one, { rootless: true }), "set_user")[3]).toBe(1);
  expect(only(planOf(one, { rootless: false }), "set_user")[3]).toBe(0);
  expect(
    only(
      planOf(() => {}, { rootless: true, setgroupsDenied: true }),
      "set_user",
    )[3],
  ).toBe(1);
});

test("a scheduler is the bytes of sched_attr", () => {
  const plan = planOf(
    (spec) =>
      void (spec.process!.scheduler = {
        policy: "SCHED_DEADLINE",
        runtime: 1,
        deadline: 2,
        period: 3,
        flags: ["SCHED_FLAG_RESET_ON_FORK"],
      }),
  );
  const view = new DataView((only(plan, "scheduler")[0] as Uint8Array).buffer);
  expect([view.getUint32(0, true), view.getUint32(4, true), view.getBigUint64(8, true)]).toEqual([48, 6, 1n]);
  expect([24, 32, 40].map((at) => view.getBigUint64(at, true))).toEqual([1n, 2n, 3n]);
});

test("an I/O priority is class and number in one", () => {
  const plan = planOf((spec) => void (spec.process!.ioPriority = { class: "IOPRIO_CLASS_BE", priority: 4 }));
  expect(only(plan, "io_priority")).toEqual([(2 << 13) | 4]);
});

test.each([
  ["0", [1, 0, 0, 0, 0, 0, 0, 0]],
  ["0-3,7", [0x8f, 0, 0, 0, 0, 0, 0, 0]],
  ["64", [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]],
])("the list %s is a mask of whole words", (list, bytes) => {
  expect([...listMask(list)]).toEqual(bytes);
});

test("labels are set only where the kernel knows them", () => {
  const labels: Edit = (spec) => {
    spec.process!.apparmorProfile = "profile";
    spec.process!.selinuxLabel = "label";
  };
  expect(ops(planOf(labels), "apparmor")).toEqual([]);
  expect(only(planOf(labels, { apparmor: true }), "apparmor")).toEqual(["profile"]);
  expect(only(planOf(labels, { selinux: true }), "selinux_exec")).toEqual(["label"]);
});

test("a hook of the container gets its state, cut where the pid will stand", () => {
  const plan = planOf((spec) => {
    spec.annotations = { key: "value" };
    spec.hooks = { createContainer: [{ path: "/hook", args: ["hook", "x"], env: ["A=1"], timeout: 3 }] };
  });
  const [path, args, env, before, after, timeout] = only(plan, "hook") as [
    string,
    string[],
    string[],
    Uint8Array,
    Uint8Array,
    number,
  ];
  expect([path, args, env, timeout]).toEqual(["/hook", ["hook", "x"], ["A=1"], 3000]);
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  expect(JSON.parse(`${decode(before)}42${decode(after)}`)).toEqual({
    ociVersion: specOf().ociVersion,
    id: "one",
    status: "creating",
    pid: 42,
    bundle: "/bundle",
    annotations: { key: "value" },
  });
});

test("a startContainer hook without an environment has that of the process, others have none", () => {
  const plan = planOf((spec) => {
    spec.process!.env = ["A=1"];
    spec.hooks = { createContainer: [{ path: "/one" }], startContainer: [{ path: "/two" }] };
  });
  expect(ops(plan, "hook").map(({ args }) => args[2])).toEqual([[], ["A=1", "HOME=/root"]]);
});

describe("an exec", () => {
  const target = { pid: 42, id: "one", namespaces: 0x20020000, extraEnv: [] };

  test("compiles to these operations", () => {
    const plan = compileExec(
      specOf((spec) => void (spec.process!.terminal = false)),
      FACTS,
      target,
    );
    expect(names(plan).join(" ")).toBe(
      "dumpable setns_pid fork setsid sync affinity keyring umask no_new_privs sync close_tools " +
        "chdir bounding keep_caps chown_fds set_user chdir cwd_inside keep_caps capabilities ambient find_program sync exec",
    );
  });

  test("cannot be looked at from the moment before it joins", () => {
    expect(inOrder(compileExec(specOf(), FACTS, target), "dumpable", "setns_pid", "fork")).toBe(true);
  });

  test("joins the session keyring of the container instead of making one", () => {
    expect(only(compileExec(specOf(), FACTS, target), "keyring")).toEqual(["_ses.one", 0, 1]);
  });

  test("gets no console: that is the container's", () => {
    expect(only(compileExec(specOf(), FACTS, target), "console")).toEqual([0, 0, 0]);
  });

  test("moves to its last CPUs when it is in its control group", () => {
    const plan = compileExec(
      specOf((spec) => void (spec.process!.execCPUAffinity = { initial: "0", final: "1" })),
      FACTS,
      target,
    );
    expect(ops(plan, "affinity").map(({ args }) => [...(args[0] as Uint8Array)][0])).toEqual([1, 2]);
    expect(
      inOrder(plan, "affinity process.execCPUAffinity.initial", "sync", "affinity process.execCPUAffinity.final"),
    ).toBe(true);
  });
});
