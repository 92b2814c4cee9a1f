/** config-linux.md, "Control groups". */
import { type Row, resources } from "./change.ts";

const AT = "linux.resources";
const of =
  (extra: object): Row[1] =>
  (c) =>
    resources(c, extra);
const rules = (...devices: object[]) => of({ devices: devices.map((rule) => ({ allow: true, ...rule })) });
const memory = (memory: object) => of({ memory });
const cpu = (cpu: object) => of({ cpu });
const io = (blockIO: object) => of({ blockIO });

// biome-ignore format: a table
export const RESOURCES: readonly Row[] = [
  ["empty access", rules({ access: "" }), `${AT}.devices[0].access`, "device access at 0 field cannot be empty"],
  ["no access", rules({ access: "r" }, {}), `${AT}.devices[1].access`, "device access at 1 field cannot be empty"],
  ["rule for a pipe", rules({ type: "p", access: "r" }), `${AT}.devices[0].type`, 'invalid cgroup device type "p"'],
  ["major -2", rules({ major: -2, access: "r" }), `${AT}.devices[0].major`],
  ["memory limit -2", memory({ limit: -2 }), `${AT}.memory.limit`],
  ["reservation -2", memory({ reservation: -2 }), `${AT}.memory.reservation`],
  ["swap -2", memory({ swap: -2 }), `${AT}.memory.swap`],
  ["swap below limit", memory({ limit: 2000, swap: 1000 }), `${AT}.memory.swap`, "memory+swap limit should be >= memory limit"],
  ["swappiness 101", memory({ swappiness: 101 }), `${AT}.memory.swappiness`, "0-100"],
  ["quota 999", cpu({ quota: 999 }), `${AT}.cpu.quota`],
  ["quota -2", cpu({ quota: -2 }), `${AT}.cpu.quota`],
  ["period 999", cpu({ period: 999 }), `${AT}.cpu.period`],
  ["period of 2 s", cpu({ period: 2000000 }), `${AT}.cpu.period`],
  ["burst above quota", cpu({ quota: 2000, burst: 3000 }), `${AT}.cpu.burst`],
  ["realtime runtime -2", cpu({ realtimeRuntime: -2 }), `${AT}.cpu.realtimeRuntime`],
  ["idle 2", cpu({ idle: 2 }), `${AT}.cpu.idle`],
  ["cpus of letters", cpu({ cpus: "one" }), `${AT}.cpu.cpus`],
  ["mems backwards", cpu({ mems: "1-0" }), `${AT}.cpu.mems`, "invalid range"],
  ["weight 1001", io({ weight: 1001 }), `${AT}.blockIO.weight`],
  ["leaf weight 9", io({ leafWeight: 9 }), `${AT}.blockIO.leafWeight`],
  ["device without weight", io({ weightDevice: [{ major: 8, minor: 0 }] }), `${AT}.blockIO.weightDevice[0]`],
  ["device of weight 5000", io({ weightDevice: [{ major: 8, minor: 0, weight: 5000 }] }), `${AT}.blockIO.weightDevice[0].weight`],
  ["throttle of -1:0", io({ throttleReadBpsDevice: [{ major: -1, minor: 0 }] }), `${AT}.blockIO.throttleReadBpsDevice[0].major`],
  ["page size 64kB", of({ hugepageLimits: [{ pageSize: "64kB", limit: 1 }] }), `${AT}.hugepageLimits[0].pageSize`],
  ["page size 02MB", of({ hugepageLimits: [{ pageSize: "02MB", limit: 1 }] }), `${AT}.hugepageLimits[0].pageSize`],
  ["interface without a name", of({ network: { priorities: [{ name: "", priority: 1 }] } }), `${AT}.network.priorities[0].name`],
  ["rdma of nothing", of({ rdma: { mlx5_1: {} } }), `${AT}.rdma.mlx5_1`],
  ["unified with slash", of({ unified: { "../memory.max": "1" } }), `${AT}.unified["../memory.max"]`, "must be a file name (no slashes)"],
  ["unified without dot", of({ unified: { memory: "1" } }), `${AT}.unified.memory`, "must be in the form CONTROLLER.PARAMETER"],
];
