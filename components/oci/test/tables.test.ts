import { describe, expect, test } from "bun:test";
import {
  CAPABILITIES,
  cleanPath,
  containerProcessState,
  containerState,
  defaultSpec,
  features,
  hookState,
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_RDONLY,
  MOUNT_OPTIONS,
  MS_BIND,
  MS_NOEXEC,
  MS_RDONLY,
  MS_REC,
  MS_SLAVE,
  parseIdList,
  parseIdmapValue,
  parseMountOptions,
  parseSpec,
  RLIMITS,
  sysctlPath,
  validate,
} from "../index.ts";

describe("mount options", () => {
  test("later ones win, and what was asked to be clear is remembered", () => {
    const { flags, clearedFlags } = parseMountOptions(["ro", "noexec", "rw", "exec", "ro"]);
    expect(flags).toBe(MS_RDONLY);
    expect(clearedFlags).toBe(MS_NOEXEC);
  });

  test("propagation is kept apart and in order, data goes to the filesystem", () => {
    const parsed = parseMountOptions(["rbind", "rslave", "size=4k", "defaults", "acl"]);
    expect(parsed.flags).toBe(MS_BIND | MS_REC);
    expect(parsed.propagation).toEqual([MS_SLAVE | MS_REC]);
    expect(parsed.data).toEqual(["size=4k", "acl"]);
    expect(parsed.dataIndexes).toEqual([2, 4]);
  });

  test("naming an access time clears the whole mask", () => {
    expect(parseMountOptions(["rnoatime"])).toMatchObject({
      attrSet: MOUNT_ATTR_NOATIME,
      attrClear: MOUNT_ATTR__ATIME,
    });
    expect(parseMountOptions(["rrelatime"])).toMatchObject({ attrSet: 0, attrClear: MOUNT_ATTR__ATIME });
    expect(parseMountOptions(["rro"])).toMatchObject({ attrSet: MOUNT_ATTR_RDONLY, attrClear: 0 });
    expect(parseMountOptions(["rro", "rrw"])).toMatchObject({ attrSet: 0, attrClear: MOUNT_ATTR_RDONLY });
  });

  test("crun's idmap= is read", () => {
    const { extensions, idmapValue } = parseMountOptions(["bind", "ridmap=uids=0-1000-10#20-5-1;gids=0-7-1"]);
    expect(extensions).toEqual(["ridmap"]);
    expect(parseIdmapValue(idmapValue!)).toEqual({
      uid: [
        { containerID: 0, hostID: 1000, size: 10 },
        { containerID: 20, hostID: 5, size: 1 },
      ],
      gid: [{ containerID: 0, hostID: 7, size: 1 }],
    });
    expect(parseIdmapValue("uids=0-0-1")).toBeUndefined();
  });
});

test("paths are cleaned as inside a root", () => {
  expect(cleanPath("a//b/./../c/")).toBe("/a/c");
  expect(cleanPath("/../..")).toBe("/");
});

test("sysctl names become paths, whatever their separator", () => {
  expect(sysctlPath("net.ipv4.ip_forward")).toBe("net/ipv4/ip_forward");
  expect(sysctlPath("net/ipv4/conf/eno2.100/rp_filter")).toBe("net/ipv4/conf/eno2.100/rp_filter");
  expect(sysctlPath("net.ipv4.conf.eno2/100.rp_filter")).toBe("net/ipv4/conf/eno2.100/rp_filter");
  expect(sysctlPath("net/../kernel")).toBeUndefined();
});

test("lists of CPUs are read, overlapping ones counted once", () => {
  expect(parseIdList(" 0-3, 2-5,,9 ")).toMatchObject({ count: 7, max: 9 });
  expect(parseIdList("")).toMatchObject({ count: 0, max: -1 });
  expect(parseIdList("5-1")).toBe("invalid range: 5-1");
});

describe("the default configuration", () => {
  const facts = { euid: 1000, egid: 1001, cgroupV2: true };

  test("is valid, as root and rootless", () => {
    for (const rootless of [false, true]) {
      const { spec, warnings } = parseSpec(JSON.stringify(defaultSpec({ ...facts, rootless })), "config.json");
      expect(warnings).toEqual([]);
      expect(validate(spec, { rootless, cgroupMode: "unified" })).toEqual([]);
    }
  });

  test("has the caller as root of a user namespace, the host's network and no limits when rootless", () => {
    const { linux, mounts } = defaultSpec({ ...facts, rootless: true });
    expect(linux?.namespaces?.map(({ type }) => type)).toEqual(["pid", "ipc", "uts", "mount", "cgroup", "user"]);
    expect(linux?.uidMappings).toEqual([{ containerID: 0, hostID: 1000, size: 1 }]);
    expect(linux?.gidMappings).toEqual([{ containerID: 0, hostID: 1001, size: 1 }]);
    expect(linux?.resources).toBeUndefined();
    expect(mounts?.flatMap(({ options }) => options ?? [])).not.toContain("gid=5");
    expect(mounts?.find(({ destination }) => destination === "/sys")?.options?.[0]).toBe("rbind");
  });

  test("has its keys in the order that runc writes them", () => {
    const spec = defaultSpec({ ...facts, rootless: false });
    expect(Object.keys(spec)).toEqual(["ociVersion", "process", "root", "hostname", "mounts", "linux"]);
    expect(Object.keys(spec.linux!)).toEqual(["resources", "namespaces", "maskedPaths", "readonlyPaths"]);
  });
});

describe("the features document", () => {
  const document = features({ seccompFlags: ["SECCOMP_FILTER_FLAG_LOG"], annotations: { a: "b" } });

  test("counts what the specification counts", () => {
    expect(document.mountOptions.length).toBe(60);
    expect(document.linux.capabilities.length).toBe(41);
    expect(document.linux.namespaces.length).toBe(8);
    expect(document.linux.seccomp.actions.length).toBe(9);
    expect(document.linux.seccomp.operators.length).toBe(7);
    expect(Object.keys(RLIMITS).length).toBe(16);
    expect(CAPABILITIES.indexOf("CAP_CHECKPOINT_RESTORE")).toBe(40);
  });

  test("is sorted where runc sorts", () => {
    for (const list of [document.mountOptions, document.linux.namespaces, document.linux.seccomp.archs])
      expect(list).toEqual(list.toSorted());
    expect(Object.keys(document.annotations)).toEqual(["a", "org.opencontainers.runc.checkpoint.enabled"]);
  });

  test("offers what engines look for", () => {
    expect(document.mountOptions).toContain("rro");
    expect(document.linux.namespaces).toContain("user");
    expect(document.linux.mountExtensions.idmap.enabled).toBe(true);
    expect(document.mountOptions).not.toContain("idmap");
    expect(Object.keys(MOUNT_OPTIONS)).toContain("tmpcopyup");
  });
});

describe("states", () => {
  const from = { id: "a", pid: 7, status: "running", bundle: "/b", annotations: { k: "v" } } as const;

  test("of a container have their keys in order, without empty annotations", () => {
    const state = containerState({
      owner: "",
      annotations: {},
      created: "t",
      rootfs: "/r",
      bundle: "/b",
      status: "stopped",
      pid: 0,
      id: "a",
    });
    expect(Object.keys(state)).toEqual(["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "owner"]);
  });

  test("for a hook leave out a pid of 0", () => {
    expect(Object.keys(hookState(from))).toEqual(["ociVersion", "id", "status", "pid", "bundle", "annotations"]);
    expect(hookState({ ...from, pid: 0 }).pid).toBeUndefined();
  });

  test("for a seccomp agent name the descriptor", () => {
    const message = containerProcessState(7, "m", hookState({ ...from, status: "creating" }));
    expect(Object.keys(message)).toEqual(["ociVersion", "fds", "pid", "metadata", "state"]);
    expect(message.fds).toEqual(["seccompFd"]);
  });
});
