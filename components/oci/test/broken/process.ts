/** config.md, "Process". */
import { type Config, NUL, process, type Row, user } from "./change.ts";

const rlimit = (extra: object = {}) => ({ type: "RLIMIT_NOFILE", soft: 1, hard: 1, ...extra });
const rlimits = (c: Config, ...limits: object[]) => process(c, { rlimits: limits });
const policy = (c: Config, name: string, extra: object = {}) => process(c, { scheduler: { policy: name, ...extra } });
const deadline = (c: Config, runtime: number, deadline: number, period: number) =>
  policy(c, "SCHED_DEADLINE", { runtime, deadline, period });
const io = (c: Config, name: string, priority: number) => process(c, { ioPriority: { class: name, priority } });
const initial = (c: Config, initial: string) => process(c, { execCPUAffinity: { initial } });
const final = (c: Config, final: string) => process(c, { execCPUAffinity: { final } });
const AFFINITY = "process.execCPUAffinity";
const SCHEDULER = "process.scheduler";

// biome-ignore format: a table
export const PROCESS: readonly Row[] = [
  ["no cwd", (c) => process(c, { cwd: undefined }), "process.cwd", "Cwd property must not be empty"],
  ["empty cwd", (c) => process(c, { cwd: "" }), "process.cwd", "Cwd property must not be empty"],
  ["relative cwd", (c) => process(c, { cwd: "tmp" }), "process.cwd", "Cwd must be an absolute path"],
  ["NUL in cwd", (c) => process(c, { cwd: `/${NUL}` }), "process.cwd", "NUL"],
  ["no args", (c) => process(c, { args: undefined }), "process.args", "args must not be empty"],
  ["empty args", (c) => process(c, { args: [] }), "process.args", "args must not be empty"],
  ["empty program", (c) => process(c, { args: [""] }), "process.args[0]", "executable file not found in $PATH"],
  ["NUL in an argument", (c) => process(c, { args: ["sh", NUL] }), "process.args[1]", "NUL"],
  ["env without =", (c) => process(c, { env: ["A=1", "B"] }), "process.env[1]", "missing '='"],
  ["env without a name", (c) => process(c, { env: ["=1"] }), "process.env[0]", "name cannot be empty"],
  ["empty env entry", (c) => process(c, { env: [""] }), "process.env[0]", "missing '='"],
  ["NUL in env", (c) => process(c, { env: [`A=${NUL}`] }), "process.env[0]", "NUL"],

  ["unknown rlimit", (c) => rlimits(c, rlimit({ type: "RLIMIT_FILES" })), "process.rlimits[0].type", "wrong rlimit value: RLIMIT_FILES"],
  ["rlimit in lower case", (c) => rlimits(c, rlimit({ type: "nofile" })), "process.rlimits[0].type", "wrong rlimit value"],
  ["rlimit named like a method", (c) => rlimits(c, rlimit({ type: "toString" })), "process.rlimits[0].type", "wrong rlimit value"],
  ["rlimit twice", (c) => rlimits(c, rlimit(), rlimit()), "process.rlimits[1].type", "twice"],
  ["soft above hard", (c) => rlimits(c, rlimit({ soft: 2 })), "process.rlimits[0].soft", "greater than the hard limit"],
  ["unlimited soft above hard", (c) => rlimits(c, rlimit({ soft: 2n ** 64n - 1n })), "process.rlimits[0].soft"],
  ["soft above hard in the last digit", (c) => rlimits(c, rlimit({ soft: 2n ** 63n + 1n, hard: 2n ** 63n })), "process.rlimits[0].soft"],
  ["oom score 1001", (c) => process(c, { oomScoreAdj: 1001 }), "process.oomScoreAdj"],
  ["oom score -1001", (c) => process(c, { oomScoreAdj: -1001 }), "process.oomScoreAdj"],

  ["no scheduler policy", (c) => process(c, { scheduler: {} }), `${SCHEDULER}.policy`, "scheduler policy is required"],
  ["unknown policy", (c) => policy(c, "SCHED_FAST"), `${SCHEDULER}.policy`, "invalid scheduler policy: SCHED_FAST"],
  ["unknown scheduler flag", (c) => policy(c, "SCHED_OTHER", { flags: ["X"] }), `${SCHEDULER}.flags[0]`, "invalid scheduler flag: X"],
  ["nice 20", (c) => policy(c, "SCHED_OTHER", { nice: 20 }), `${SCHEDULER}.nice`, "invalid scheduler.nice: 20"],
  ["nice -21", (c) => policy(c, "SCHED_BATCH", { nice: -21 }), `${SCHEDULER}.nice`, "invalid scheduler.nice: -21"],
  ["priority with OTHER", (c) => policy(c, "SCHED_OTHER", { priority: 1 }), `${SCHEDULER}.priority`, "can only be specified"],
  ["FIFO without priority", (c) => policy(c, "SCHED_FIFO"), `${SCHEDULER}.priority`],
  ["RR with priority 100", (c) => policy(c, "SCHED_RR", { priority: 100 }), `${SCHEDULER}.priority`],
  ["runtime with OTHER", (c) => policy(c, "SCHED_OTHER", { runtime: 5000 }), SCHEDULER, "can only be specified for SchedDeadline"],
  ["DEADLINE without runtime", (c) => policy(c, "SCHED_DEADLINE", { deadline: 5000 }), `${SCHEDULER}.runtime`],
  ["deadline before runtime", (c) => deadline(c, 5000, 4000, 9000), `${SCHEDULER}.deadline`],
  ["period before deadline", (c) => deadline(c, 5000, 6000, 5500), `${SCHEDULER}.period`],
  ["io class", (c) => io(c, "IOPRIO_CLASS_FAST", 1), "process.ioPriority.class", 'invalid ioPriority.Class: "IOPRIO_CLASS_FAST"'],
  ["no io class", (c) => process(c, { ioPriority: { priority: 1 } }), "process.ioPriority.class", "invalid ioPriority.Class"],
  ["io priority 8", (c) => io(c, "IOPRIO_CLASS_BE", 8), "process.ioPriority.priority", "invalid ioPriority.Priority: 8"],
  ["io priority -1", (c) => io(c, "IOPRIO_CLASS_RT", -1), "process.ioPriority.priority", "invalid ioPriority.Priority: -1"],

  ["affinity range backwards", (c) => initial(c, "3-1"), `${AFFINITY}.initial`, "bad CPUAffinity.Initial"],
  ["affinity of letters", (c) => final(c, "a"), `${AFFINITY}.final`, "bad CPUAffinity.Final"],
  ["affinity too large", (c) => final(c, "0-70000"), `${AFFINITY}.final`, "not supported"],
  ["affinity of commas", (c) => final(c, ",,"), `${AFFINITY}.final`, "no members"],

  ["unmapped uid", (c) => process(user(c), { user: { uid: 65536 } }), "process.user.uid", "cannot setuid to unmapped uid 65536"],
  ["unmapped gid", (c) => process(user(c), { user: { gid: 65536 } }), "process.user.gid", "cannot setgid to unmapped gid 65536"],
  ["unmapped extra gid", (c) => process(user(c), { user: { additionalGids: [1, 70000] } }), "process.user.additionalGids[1]"],
];
