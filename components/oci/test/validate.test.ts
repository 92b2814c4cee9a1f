import { describe, expect, test } from "bun:test";
import {
  InvalidArgument,
  parseSpec,
  type ValidationFacts,
  validate,
  validateProcess,
  validateResources,
} from "../index.ts";
import {
  type Config,
  goodConfig,
  linux,
  map,
  mount,
  namespace,
  process,
  resources,
  top,
  toText,
  user,
  without,
} from "./broken/change.ts";

const FACTS: ValidationFacts = { rootless: false, cgroupMode: "hybrid" };

function warningsOf(change: (c: Config) => unknown, facts: Partial<ValidationFacts> = {}): string[] {
  const config = goodConfig();
  change(config);
  return validate(parseSpec(toText(config), "config.json").spec, { ...FACTS, ...facts });
}

function failuresOf(change: (c: Config) => unknown, facts: Partial<ValidationFacts> = {}): readonly string[] {
  try {
    warningsOf(change, facts);
  } catch (error) {
    if (error instanceof InvalidArgument) return error.failures;
    throw error;
  }
  return [];
}

/** Neither failure nor warning. */
function isFine(change: (c: Config) => unknown, facts: Partial<ValidationFacts> = {}): void {
  expect(failuresOf(change, facts)).toEqual([]);
  expect(warningsOf(change, facts)).toEqual([]);
}

test("every failure is reported at once", () => {
  const failures = failuresOf((c) => {
    process(c, { cwd: "x", args: [] });
    mount(c, { destination: "/proc/1" });
    linux(c, { sysctl: { "vm.swappiness": "1" } });
  });
  expect(failures.map((failure) => failure.split(":")[0])).toEqual([
    "process.cwd",
    "process.args",
    "mounts[7].destination",
    'linux.sysctl["vm.swappiness"]',
  ]);
});

describe("versions:", () => {
  test.each(["1.0.0", "1.0.2-dev", "1.3.0+build", "1.99.0", "1.0.0-rc.1"])("%s is fine", (ociVersion) =>
    isFine((c) => top(c, { ociVersion })),
  );

  test("one before 1.0.0 is read with a warning", () => {
    expect(warningsOf((c) => top(c, { ociVersion: "0.5.0-dev" }))).toEqual([
      "ociVersion: version 0.5.0-dev is older than 1.0.0; read as 1.x",
    ]);
  });
});

describe("processes:", () => {
  test("unknown capabilities are ignored with a warning that guesses", () => {
    const warnings = warningsOf((c) =>
      process(c, { capabilities: { bounding: ["CAP_KILL", "CAP_SYS_ADMN", "CAP_X"] } }),
    );
    expect(warnings).toEqual([
      'process.capabilities.bounding: ignoring unknown or unavailable capabilities: [CAP_SYS_ADMN CAP_X]; did you mean "CAP_SYS_ADMIN"?',
    ]);
  });

  test("capabilities that this kernel lacks are ignored with a warning", () => {
    const change = (c: Config) => process(c, { capabilities: { effective: ["CAP_BPF"] } });
    expect(warningsOf(change, { lastCapability: 37 }).length).toBe(1);
    expect(warningsOf(change, { lastCapability: 40 })).toEqual([]);
  });

  test("an unlimited rlimit is fine", () =>
    isFine((c) => process(c, { rlimits: [{ type: "RLIMIT_CORE", soft: 2n ** 64n - 1n, hard: 2n ** 64n - 1n }] })));

  test("a deadline scheduler with a nice value is fine", () =>
    isFine((c) =>
      process(c, {
        scheduler: { policy: "SCHED_DEADLINE", nice: 19, runtime: 42000, deadline: 1000000, period: 1000000 },
      }),
    ));

  test("a mapped user is fine", () =>
    isFine((c) => process(user(c), { user: { uid: 65535, gid: 7, additionalGids: [9] } })));

  test("an umask in decimal is warned of", () => {
    expect(warningsOf((c) => process(c, { user: { umask: 1022 } }))[0]).toStartWith("process.user.umask: ");
  });

  test("a process alone is checked against the container's user namespace", () => {
    const { spec } = parseSpec(toText(user(goodConfig())), "config.json");
    const run = { cwd: "/", args: ["sh"], user: { uid: 70000 } };
    expect(() => validateProcess(run, spec, FACTS)).toThrow("cannot setuid to unmapped uid 70000");
    expect(validateProcess({ ...run, user: { uid: 7 } }, spec, FACTS)).toEqual([]);
  });
});

describe("mounts:", () => {
  test.each(["/proc/meminfo", "/proc//uptime", "/proc/sys/kernel/ns_last_pid"])("%s may be bound upon", (destination) =>
    isFine((c) => mount(c, { destination })),
  );

  test("a procfs may be bound on /proc; that it is one, the launcher checks", () =>
    isFine((c) => mount(c, { destination: "/proc" })));

  test("a directory named like proc is not proc", () => isFine((c) => mount(c, { destination: "/procedures" })));

  test("a relative destination is deprecated", () => {
    expect(warningsOf((c) => mount(c, { destination: "data" }))[0]).toStartWith("mounts[7].destination: relative");
  });

  test("data of a filesystem is its own affair", () =>
    isFine((c) => mount(c, { type: "overlay", options: ["lowerdir=/a", "userxattr", "acl", "newinstance"] })));

  test("a word one letter off a known option is warned of and left to the filesystem", () => {
    expect(warningsOf((c) => mount(c, { type: "tmpfs", options: ["nosuit"] }))).toEqual([
      'mounts[7].options[0]: unknown option "nosuit"; did you mean "nosuid"? (left to the filesystem)',
    ]);
  });

  test("ids are mapped by the mount's own maps, by the container's, or by the option's", () => {
    const ids = [map(0, 1, 1)];
    isFine((c) => mount(c, { uidMappings: ids, gidMappings: ids }));
    isFine((c) => mount(user(c), { options: ["rbind", "ridmap"] }));
    isFine((c) => mount(c, { options: ["bind", "idmap=uids=0-1-1#5-6-1;gids=0-1-1"] }));
  });

  test("rootless ones may name ids that are mapped", () => isFine((c) => user(c), { rootless: true }));
});

describe("namespaces:", () => {
  test("without any, nothing that needs one may be asked", () =>
    isFine((c) => {
      top(c, { hostname: "" });
      linux(c, { namespaces: [], maskedPaths: [], readonlyPaths: [] });
    }));

  test("a path and the same maps are allowed with a warning: containerd gives both", () => {
    const joined = { uid: [map(0, 100000, 65536)], gid: [map(0, 100000, 65536)] } as never;
    const warnings = warningsOf((c) => namespace(user(c), "user", "/u"), { joinedUserMappings: joined });
    expect(warnings[0]).toStartWith("linux.uidMappings: both a userns path to join and a matching userns mapping");
  });

  test("empty lists of maps stand for none", () => isFine((c) => linux(c, { uidMappings: [], gidMappings: [] })));

  test("several ranges that do not touch are fine", () =>
    isFine((c) => user(c, { uidMappings: [map(0, 1000, 1), map(1, 100000, 65535), map(65536, 5, 1)] })));

  test("the greatest id that can be mapped is 4294967294", () => {
    isFine((c) => user(c, { uidMappings: [map(0, 4294967294, 1)] }));
    expect(failuresOf((c) => user(c, { uidMappings: [map(0, 4294967295, 1)] })).length).toBe(1);
  });

  test("a network device may be renamed by pattern", () =>
    isFine((c) => linux(c, { netDevices: { eth0: { name: "eth%d" }, eth1: { name: "eth%d" }, fifteen_letters: {} } })));
});

describe("sysctls:", () => {
  const sysctl = (c: Config, ...names: string[]) =>
    linux(c, { sysctl: Object.fromEntries(names.map((name) => [name, "1"])) });

  test("of the container's own namespaces are fine, with either separator", () =>
    isFine((c) =>
      sysctl(
        user(c),
        "net.ipv4.ip_forward",
        "net/ipv4/conf/eth0.1/mtu",
        "kernel.shmmax",
        "fs/mqueue/msg_max",
        "kernel.domainname",
        "user.max_net_namespaces",
      ),
    ));

  test("of a joined network namespace are fine when it is not the host's", () =>
    isFine((c) => sysctl(namespace(c, "network", "/n"), "net.core.somaxconn"), { networkIsHost: false }));
});

describe("resources:", () => {
  test("access with letters that mean nothing is a warning", () => {
    const warnings = warningsOf((c) => resources(c, { devices: [{ allow: false, access: "rwa" }] }));
    expect(warnings).toEqual(['linux.resources.devices[0].access: "rwa": only r, w and m have a meaning']);
  });

  test("kernel memory is ignored with a warning", () => {
    expect(warningsOf((c) => resources(c, { memory: { kernel: -1 } }))).toEqual([
      "linux.resources.memory.kernel: deprecated, ignored",
    ]);
  });

  test("limits as engines write them are fine", () =>
    isFine((c) =>
      resources(c, {
        memory: { limit: -1, swap: -1, reservation: 0, swappiness: 60 },
        cpu: { shares: 2, quota: -1, period: 100000, cpus: "0-1, 3", mems: "0", idle: 0 },
        pids: { limit: -1 },
        blockIO: { weight: 0, weightDevice: [{ major: 8, minor: 0, leafWeight: 300 }] },
        hugepageLimits: [{ pageSize: "2MB", limit: 9223372036854772000n }],
        rdma: { mlx5_1: { hcaHandles: 3 } },
      }),
    ));

  test("network priorities are ignored on cgroup v2 with a warning", () => {
    const warnings = warningsOf((c) => resources(c, { network: { classID: 1 } }), { cgroupMode: "unified" });
    expect(warnings).toEqual(["linux.resources.network: ignored: cgroup v2 has no net_cls and net_prio controllers"]);
  });

  test("unified is for cgroup v2", () =>
    isFine((c) => resources(c, { unified: { "memory.high": "max" } }), { cgroupMode: "unified" }));

  test("are checked alone for an update", () => {
    expect(() => validateResources({ cpu: { period: 1 } }, FACTS)).toThrow("linux.resources.cpu.period: ");
    expect(validateResources({ pids: { limit: 10 } }, FACTS)).toEqual([]);
  });
});

test("flags of a personality are ignored with a warning", () => {
  expect(warningsOf((c) => linux(c, { personality: { domain: "LINUX32", flags: ["X"] } }))).toEqual([
    "linux.personality.flags: ignoring unsupported personality flags: [X]",
  ]);
});

test("a container without anything of Linux is fine", () =>
  isFine((c) => top(without(c, "uts"), { linux: undefined, hostname: undefined })));

test("a filter as engines write it is fine", () =>
  isFine((c) =>
    linux(c, {
      seccomp: {
        defaultAction: "SCMP_ACT_ERRNO",
        defaultErrnoRet: 38,
        architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        flags: [],
        syscalls: [
          { names: ["read", "write"], action: "SCMP_ACT_ALLOW" },
          {
            names: ["personality"],
            action: "SCMP_ACT_ALLOW",
            args: [{ index: 0, value: 0xffffffff, op: "SCMP_CMP_EQ" }],
          },
        ],
      },
    }),
  ));
