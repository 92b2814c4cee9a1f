/** Control groups: v1, v2 and hybrid hosts, driven through the file system or by systemd. */
export {
  type Cgroup,
  type CgroupDriver,
  type OpenOptions,
  openCgroup,
  type ReopenOptions,
  reopenCgroup,
} from "./cgroup.ts";
export { type DeviceRule, ruleText } from "./devices/rules.ts";
export {
  type CgroupHost,
  type CgroupMode,
  detectCgroups,
  type Hierarchy,
  parseCgroupFile,
  parseCgroups,
} from "./host.ts";
export { type CgroupMountOptions, cgroupMounts } from "./mounts.ts";
export type { OomWatch } from "./oom.ts";
export { type CgroupPaths, cgroupfsPaths } from "./paths.ts";
export type { RdtGroup, RdtOptions } from "./rdt.ts";
export type { RdtStats } from "./rdt-stats.ts";
export { type CompileOptions, compileResources } from "./resources/compile.ts";
export type { CgroupWrite, DevicesWrite, FileWrite, UnitWrite, WritePolicy } from "./resources/write.ts";
export type { CgroupStats } from "./stats/types.ts";
