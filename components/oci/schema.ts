/**
 * The fields of config.json, one row each, in the order of the specification's text (config.md, config-linux.md, 1.3).
 * The list behind an object names the fields that must be there. What the values mean is checked in `validate/`.
 */
import {
  array,
  boolean,
  closedObject,
  ignored,
  int32,
  int64,
  map,
  object,
  safeInt,
  string,
  uint16,
  uint32,
  uint64,
} from "./kinds.ts";

const strings = array(string);

const ID_MAPPING = object({ containerID: uint32, hostID: uint32, size: uint32 }, ["containerID", "hostID", "size"]);

const ROOT = object({ path: string, readonly: boolean }, ["path"]);

const MOUNT = object(
  {
    destination: string,
    source: string,
    options: strings,
    type: string,
    uidMappings: array(ID_MAPPING),
    gidMappings: array(ID_MAPPING),
  },
  ["destination"],
);

const USER = object({
  uid: uint32,
  gid: uint32,
  umask: uint32,
  additionalGids: array(uint32),
  username: ignored,
});

const CAPABILITIES = object({
  effective: strings,
  bounding: strings,
  inheritable: strings,
  permitted: strings,
  ambient: strings,
});

const RLIMIT = object({ type: string, soft: uint64, hard: uint64 }, ["type", "soft", "hard"]);

const SCHEDULER = object({
  policy: string,
  nice: int32,
  priority: int32,
  flags: strings,
  runtime: uint64,
  deadline: uint64,
  period: uint64,
});

/** config.md, "Process"; alone: the file of `exec --process`. */
export const PROCESS = object({
  terminal: boolean,
  consoleSize: object({ height: uint16, width: uint16 }, ["height", "width"]),
  cwd: string,
  env: strings,
  args: strings,
  commandLine: ignored,
  rlimits: array(RLIMIT),
  apparmorProfile: string,
  capabilities: CAPABILITIES,
  noNewPrivileges: boolean,
  oomScoreAdj: safeInt,
  scheduler: SCHEDULER,
  selinuxLabel: string,
  ioPriority: object({ class: string, priority: int32 }),
  execCPUAffinity: object({ initial: string, final: string }),
  user: USER,
});

const HOOK = object({ path: string, args: strings, env: strings, timeout: safeInt }, ["path"]);

const HOOKS = object({
  prestart: array(HOOK),
  createRuntime: array(HOOK),
  createContainer: array(HOOK),
  startContainer: array(HOOK),
  poststart: array(HOOK),
  poststop: array(HOOK),
});

const DEVICE = object(
  { type: string, path: string, major: safeInt, minor: safeInt, fileMode: uint32, uid: uint32, gid: uint32 },
  ["type", "path"],
);

const DEVICE_RULE = object({ allow: boolean, type: string, major: safeInt, minor: safeInt, access: string }, ["allow"]);

const MEMORY = object({
  limit: int64,
  reservation: int64,
  swap: int64,
  kernel: int64,
  kernelTCP: int64,
  swappiness: uint64,
  disableOOMKiller: boolean,
  useHierarchy: boolean,
  checkBeforeUpdate: boolean,
});

const CPU = object({
  shares: uint64,
  quota: int64,
  burst: uint64,
  period: uint64,
  realtimeRuntime: int64,
  realtimePeriod: uint64,
  cpus: string,
  mems: string,
  idle: int64,
});

const WEIGHT_DEVICE = object({ major: safeInt, minor: safeInt, weight: uint16, leafWeight: uint16 }, [
  "major",
  "minor",
]);

const THROTTLE_DEVICE = object({ major: safeInt, minor: safeInt, rate: uint64 }, ["major", "minor"]);

const BLOCK_IO = object({
  weight: uint16,
  leafWeight: uint16,
  weightDevice: array(WEIGHT_DEVICE),
  throttleReadBpsDevice: array(THROTTLE_DEVICE),
  throttleWriteBpsDevice: array(THROTTLE_DEVICE),
  throttleReadIOPSDevice: array(THROTTLE_DEVICE),
  throttleWriteIOPSDevice: array(THROTTLE_DEVICE),
});

/** config-linux.md, "Control groups"; alone: the file of `update --resources`. */
export const RESOURCES = object({
  devices: array(DEVICE_RULE),
  memory: MEMORY,
  cpu: CPU,
  blockIO: BLOCK_IO,
  hugepageLimits: array(object({ pageSize: string, limit: uint64 }, ["pageSize", "limit"])),
  network: object({
    classID: uint32,
    priorities: array(object({ name: string, priority: uint32 }, ["name", "priority"])),
  }),
  pids: object({ limit: int64 }),
  rdma: map(object({ hcaHandles: uint32, hcaObjects: uint32 })),
  unified: map(string),
});

const SECCOMP_ARG = object({ index: uint32, value: uint64, valueTwo: uint64, op: string }, ["index", "value", "op"]);

const SECCOMP = object(
  {
    defaultAction: string,
    defaultErrnoRet: uint32,
    architectures: strings,
    flags: strings,
    listenerPath: string,
    listenerMetadata: string,
    syscalls: array(
      object({ names: strings, action: string, errnoRet: uint32, args: array(SECCOMP_ARG) }, ["names", "action"]),
    ),
  },
  ["defaultAction"],
);

const TIME_OFFSET = object({ secs: int64, nanosecs: uint32 });

const LINUX = object({
  namespaces: array(object({ type: string, path: string }, ["type"])),
  uidMappings: array(ID_MAPPING),
  gidMappings: array(ID_MAPPING),
  timeOffsets: closedObject({ monotonic: TIME_OFFSET, boottime: TIME_OFFSET }),
  devices: array(DEVICE),
  netDevices: map(object({ name: string })),
  cgroupsPath: string,
  resources: RESOURCES,
  intelRdt: object({
    closID: string,
    schemata: strings,
    l3CacheSchema: string,
    memBwSchema: string,
    enableMonitoring: boolean,
  }),
  memoryPolicy: object({ mode: string, nodes: string, flags: strings }),
  sysctl: map(string),
  seccomp: SECCOMP,
  rootfsPropagation: string,
  maskedPaths: strings,
  readonlyPaths: strings,
  mountLabel: string,
  personality: object({ domain: string, flags: strings }),
});

/** config.md: the whole document. */
export const SPEC = object(
  {
    ociVersion: string,
    root: ROOT,
    mounts: array(MOUNT),
    process: PROCESS,
    hostname: string,
    domainname: string,
    linux: LINUX,
    hooks: HOOKS,
    annotations: map(string),
    windows: ignored,
    solaris: ignored,
    vm: ignored,
    zos: ignored,
    freebsd: ignored,
  },
  ["ociVersion"],
);
