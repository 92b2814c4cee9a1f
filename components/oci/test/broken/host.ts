/** Broken on some hosts only. */
import {
  type BrokenConfig,
  broken,
  linux,
  map,
  mount,
  namespace,
  process,
  type Row,
  resources,
  top,
  user,
} from "./change.ts";

type Facts = NonNullable<BrokenConfig["facts"]>;

const unifiedFile: Row[1] = (c) => resources(c, { unified: { "memory.high": "1" } });
const property =
  (name: string): Row[1] =>
  (c) =>
    top(c, { annotations: { [`org.systemd.property.${name}`]: "1" } });
const UNIFIED = "invalid configuration: cannot use unified on cgroup v1";

// biome-ignore format: a table
const ROWS: readonly (readonly [facts: Facts, ...row: Row])[] = [
  [{ rootless: true }, "rootless without user", () => {}, "linux.namespaces", "rootless container requires user namespaces"],
  [{ rootless: true }, "rootless without uid map", (c) => user(c, { uidMappings: [] }), "linux.uidMappings", "at least one UID mapping"],
  [{ rootless: true }, "rootless without gid map", (c) => user(c, { gidMappings: [] }), "linux.gidMappings", "at least one GID mapping"],
  [{ rootless: true }, "rootless extra groups", (c) => process(user(c), { user: { additionalGids: [7] } }), "process.user.additionalGids", "cannot set any additional groups in a rootless container"],
  [{ rootless: true }, "rootless idmap", (c) => mount(user(c), { options: ["bind", "idmap"] }), "mounts[7]", "not supported for rootless containers"],
  [{ rootless: true }, "rootless net device", (c) => user(c, { netDevices: { eth0: {} } }), "linux.netDevices", "not supported for rootless"],
  [{ rootless: true }, "rootless unmapped gid= option", (c) => user(c, { gidMappings: [map(0, 0, 1)] }), "mounts[2].options[5]", "cannot specify gid=5 mount option for rootless container"],
  [{ systemdCgroup: true }, "cgroupsPath for systemd", (c) => linux(c, { cgroupsPath: "/a/b" }), "linux.cgroupsPath", 'of format "slice:prefix:name"'],
  [{ systemdCgroup: true }, "property of two letters", property("Ab"), 'annotations["org.systemd.property.Ab"]', "too short"],
  [{ systemdCgroup: true }, "property with a digit", property("Ab1"), 'annotations["org.systemd.property.Ab1"]', "non-alphabetic"],
  [{ noPivot: true }, "private without pivot", (c) => linux(c, { rootfsPropagation: "rprivate" }), "linux.rootfsPropagation", "not safe without pivot_root"],
  [{ networkIsHost: true }, "net sysctl in the host's namespace by path", (c) => linux(namespace(c, "network", "/n"), { sysctl: { "net.a": "1" } }), 'linux.sysctl["net.a"]', "host network namespace"],
  [{ joinedUserMappings: { uid: [], gid: [] } }, "maps that differ from the joined ones", (c) => namespace(user(c), "user", "/u"), "linux.uidMappings", "non-matching mapping"],
  [{ namespaces: ["pid", "network", "ipc", "uts", "mount"] }, "namespace that the kernel lacks", (c) => namespace(c, "time"), "linux.namespaces[5].type", "time namespaces aren't enabled in the kernel"],
  [{ apparmor: false }, "apparmor profile without apparmor", (c) => process(c, { apparmorProfile: "p" }), "process.apparmorProfile", "apparmor not supported"],
  [{ selinux: false }, "selinux label without selinux", (c) => process(c, { selinuxLabel: "l" }), "process.selinuxLabel", "selinux is disabled or not supported"],
  [{ intelRdt: false }, "intelRdt without RDT", (c) => linux(c, { intelRdt: { closID: "c" } }), "linux.intelRdt", "Intel RDT is not enabled"],
  [{ cgroupMode: "v1" }, "unified on v1", unifiedFile, "linux.resources.unified", UNIFIED],
  [{ cgroupMode: "hybrid" }, "unified on hybrid", unifiedFile, "linux.resources.unified", UNIFIED],
  [{ cgroupMode: "unified" }, "swap without limit on v2", (c) => resources(c, { memory: { swap: 1000 } }), "linux.resources.memory.swap", "unable to set swap limit without memory limit"],
];

export const HOST: readonly BrokenConfig[] = ROWS.map(([facts, ...row]) => broken(row, facts));
