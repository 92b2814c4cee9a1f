/** config-linux.md, without resources and seccomp. */
import { type Config, linux, map, NUL, namespace, type Row, top, user, without } from "./change.ts";

const time = (c: Config, timeOffsets: object) => linux(namespace(c, "time"), { timeOffsets });
const net = (c: Config, netDevices: object) => linux(c, { netDevices });
const sysctl = (c: Config, name: string) => linux(c, { sysctl: { [name]: "1" } });
const device = (c: Config, extra: object) =>
  linux(c, { devices: [{ path: "/dev/x", type: "c", major: 1, minor: 3, ...extra }] });
const rdt = (c: Config, intelRdt: object) => linux(c, { intelRdt });
const memory = (c: Config, mode: string, nodes: string, flags: string[] = []) =>
  linux(c, { memoryPolicy: { mode, nodes, flags } });

// biome-ignore format: a table
const NAMESPACES: readonly Row[] = [
  ["unknown namespace", (c) => namespace(c, "net"), "linux.namespaces[5].type", 'namespace "net" does not exist'],
  ["mount namespace as mnt", (c) => namespace(c, "mnt"), "linux.namespaces[5].type", "does not exist"],
  ["namespace twice", (c) => c.linux.namespaces.push({ type: "pid" }), "linux.namespaces[5].type", "malformed spec file: duplicated ns"],
  ["relative namespace path", (c) => namespace(c, "network", "netns/a"), "linux.namespaces[4].path", "absolute"],
  ["NUL in a namespace path", (c) => namespace(c, "network", `/${NUL}`), "linux.namespaces[4].path", "NUL"],
  ["masked paths without mount", (c) => without(c, "mount"), "linux.maskedPaths", "unable to restrict sys entries without a private MNT namespace"],
  ["read-only paths without mount", (c) => linux(without(c, "mount"), { maskedPaths: [] }), "linux.readonlyPaths", "unable to restrict sys entries"],
  ["user namespace without maps", (c) => namespace(c, "user"), "linux.uidMappings", "user namespaces enabled, but no namespace path to join nor mappings"],
  ["uid map without namespace", (c) => linux(c, { uidMappings: [map(0, 1, 1)] }), "linux.uidMappings", "user namespace mappings specified, but user namespace isn't enabled"],
  ["gid map without namespace", (c) => linux(c, { gidMappings: [map(0, 1, 1)] }), "linux.gidMappings", "user namespace isn't enabled"],
  ["no gid map", (c) => user(c, { gidMappings: [] }), "linux.gidMappings", "no gid mappings found"],
  ["no uid map", (c) => user(c, { uidMappings: [] }), "linux.uidMappings", "no uid mappings found"],
  ["root unmapped", (c) => user(c, { uidMappings: [map(1, 1, 1)] }), "linux.uidMappings", "no mapping found for uid 0"],
  ["overlapping map", (c) => user(c, { uidMappings: [map(0, 1000, 10), map(9, 2000, 1)] }), "linux.uidMappings[1].containerID", "overlaps"],
  ["overlap on the host", (c) => user(c, { gidMappings: [map(0, 1000, 10), map(20, 1009, 1)] }), "linux.gidMappings[1].hostID", "overlaps"],
  ["map beyond the ids", (c) => user(c, { uidMappings: [map(0, 4294967295, 2)] }), "linux.uidMappings[0].hostID"],
  ["map of size 0", (c) => user(c, { uidMappings: [map(0, 1, 1), map(5, 5, 0)] }), "linux.uidMappings[1].size"],
  ["341 ranges", (c) => user(c, { uidMappings: Array.from({ length: 341 }, (_, i) => map(i, i, 1)) }), "linux.uidMappings", "340"],
  ["offsets without namespace", (c) => linux(c, { timeOffsets: { monotonic: { secs: 1 } } }), "linux.timeOffsets", "time namespace isn't enabled"],
  ["offsets with a path", (c) => linux(namespace(c, "time", "/t"), { timeOffsets: {} }), "linux.timeOffsets", "both namespace path and time offsets"],
  ["unknown clock", (c) => time(c, { realtime: { secs: 1 } }), "linux.timeOffsets.realtime"],
  ["too many nanoseconds", (c) => time(c, { boottime: { nanosecs: 1e9 } }), "linux.timeOffsets.boottime.nanosecs"],
  ["net device without network", (c) => net(without(c, "network"), { eth0: {} }), "linux.netDevices", "unable to move network devices without a NET namespace"],
  ["net device of 16 letters", (c) => net(c, { abcdefghijklmnop: {} }), "linux.netDevices.abcdefghijklmnop", "invalid network device name"],
  ["net device with slash", (c) => net(c, { "a/b": {} }), 'linux.netDevices["a/b"]', "invalid network device name"],
  ["net device with colon", (c) => net(c, { "a:1": {} }), 'linux.netDevices["a:1"]', "invalid network device name"],
  ["net device ..", (c) => net(c, { "..": {} }), 'linux.netDevices[".."]', "invalid network device name"],
  ["blank in the new name", (c) => net(c, { eth0: { name: "a b" } }), "linux.netDevices.eth0.name", "invalid network device name"],
  ["new name twice", (c) => net(c, { eth0: { name: "e" }, eth1: { name: "e" } }), "linux.netDevices.eth1.name", "twice"],
];

// biome-ignore format: a table
const SYSCTL: readonly Row[] = [
  ["foreign sysctl", (c) => sysctl(c, "vm.swappiness"), 'linux.sysctl["vm.swappiness"]', "is not in a separate kernel namespace"],
  ["foreign sysctl with slashes", (c) => sysctl(c, "kernel/panic"), 'linux.sysctl["kernel/panic"]', "is not in a separate kernel namespace"],
  ["sysctl without a name", (c) => sysctl(c, ""), 'linux.sysctl[""]', "is not in a separate kernel namespace"],
  ["ipc sysctl without ipc", (c) => sysctl(without(c, "ipc"), "kernel.sem"), 'linux.sysctl["kernel.sem"]', "not allowed in the hosts ipc namespace"],
  ["mqueue without ipc", (c) => sysctl(without(c, "ipc"), "fs.mqueue.msg_max"), 'linux.sysctl["fs.mqueue.msg_max"]', "hosts ipc namespace"],
  ["net sysctl on the host", (c) => sysctl(without(c, "network"), "net.a.b"), 'linux.sysctl["net.a.b"]', "not allowed in host network namespace"],
  ["hostname sysctl", (c) => sysctl(c, "kernel.hostname"), 'linux.sysctl["kernel.hostname"]', "conflicts with the OCI"],
  ["domainname sysctl without uts", (c) => top(sysctl(without(c, "uts"), "kernel.domainname"), { hostname: "" }), 'linux.sysctl["kernel.domainname"]', "separate kernel namespace"],
  ["user sysctl without user", (c) => sysctl(c, "user.max_net_namespaces"), 'linux.sysctl["user.max_net_namespaces"]', "without a user namespace"],
  ["sysctl that climbs", (c) => sysctl(c, "net/../kernel/panic"), 'linux.sysctl["net/../kernel/panic"]', "separate kernel namespace"],
  ["sysctl with two dots", (c) => sysctl(c, "net..ipv4"), 'linux.sysctl["net..ipv4"]'],
  ["NUL in a sysctl", (c) => linux(c, { sysctl: { "net.a": NUL } }), 'linux.sysctl["net.a"]', "NUL"],
];

// biome-ignore format: a table
const OTHERS: readonly Row[] = [
  ["relative device", (c) => device(c, { path: "dev/x" }), "linux.devices[0].path", "absolute"],
  ["device type", (c) => device(c, { type: "x" }), "linux.devices[0].type", 'invalid device type "x"'],
  ["device without major", (c) => device(c, { major: undefined }), "linux.devices[0].major"],
  ["device without minor", (c) => device(c, { minor: undefined }), "linux.devices[0].minor"],
  ["device with major 4096", (c) => device(c, { major: 4096 }), "linux.devices[0].major"],
  ["device with minor -1", (c) => device(c, { minor: -1 }), "linux.devices[0].minor"],
  ["relative masked path", (c) => linux(c, { maskedPaths: ["proc/kcore"] }), "linux.maskedPaths[0]", "absolute"],
  ["relative read-only path", (c) => linux(c, { readonlyPaths: ["/a", "b"] }), "linux.readonlyPaths[1]", "absolute"],
  ["NUL in a masked path", (c) => linux(c, { maskedPaths: [`/${NUL}`] }), "linux.maskedPaths[0]", "NUL"],
  ["NUL in cgroupsPath", (c) => linux(c, { cgroupsPath: NUL }), "linux.cgroupsPath", "NUL"],
  ["propagation", (c) => linux(c, { rootfsPropagation: "slve" }), "linux.rootfsPropagation", 'rootfsPropagation=slve is not supported; did you mean "slave"?'],
  ["propagation that is a flag", (c) => linux(c, { rootfsPropagation: "ro" }), "linux.rootfsPropagation", "is not supported"],
  ["closID ..", (c) => rdt(c, { closID: ".." }), "linux.intelRdt.closID", "invalid intelRdt.ClosID"],
  ["closID with slash", (c) => rdt(c, { closID: "a/b" }), "linux.intelRdt.closID", "invalid intelRdt.ClosID"],
  ["bandwidth without MB", (c) => rdt(c, { memBwSchema: "L3:0=f" }), "linux.intelRdt.memBwSchema"],
  ["newline in a schema", (c) => rdt(c, { l3CacheSchema: "L3:0=f\nMB:0=1" }), "linux.intelRdt.l3CacheSchema", "newline"],
  ["newline in schemata", (c) => rdt(c, { schemata: ["L3:0=f", "a\nb"] }), "linux.intelRdt.schemata[1]", "newline"],
  ["empty memory policy", (c) => linux(c, { memoryPolicy: {} }), "linux.memoryPolicy.mode", "invalid memory policy mode"],
  ["memory policy mode", (c) => memory(c, "INTERLEAVE", "0"), "linux.memoryPolicy.mode", "invalid memory policy mode"],
  ["memory policy flag", (c) => memory(c, "MPOL_PREFERRED", "0", ["badflag"]), "linux.memoryPolicy.flags[0]", "invalid memory policy flag"],
  ["both node flags", (c) => memory(c, "MPOL_BIND", "0", ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]), "linux.memoryPolicy.flags", "invalid memory policy flag"],
  ["nodes with DEFAULT", (c) => memory(c, "MPOL_DEFAULT", "0-7"), "linux.memoryPolicy.nodes", "mode requires 0 nodes but got 8"],
  ["BIND without nodes", (c) => memory(c, "MPOL_BIND", ""), "linux.memoryPolicy.nodes", "at least one node but got 0"],
  ["node too large", (c) => memory(c, "MPOL_BIND", "0-9876543210"), "linux.memoryPolicy.nodes", "invalid memory policy nodes"],
  ["no personality domain", (c) => linux(c, { personality: {} }), "linux.personality.domain", "invalid personality domain"],
  ["personality domain", (c) => linux(c, { personality: { domain: "LINUX64" } }), "linux.personality.domain", "invalid personality domain LINUX64"],
];

export const LINUX: readonly Row[] = [...NAMESPACES, ...SYSCTL, ...OTHERS];
