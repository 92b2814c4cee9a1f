/** exec: one more process in a running container; the sheet of operations is the second half of a create. */
import { closeSync } from "node:fs";
import { FailedPrecondition, NAMESPACES, type Process, type Spec, validateProcess } from "@gantry/oci";
import { AT_FDCWD, isErrno, openat2, RESOLVE_IN_ROOT } from "@gantry/sys";
import { unavailableCapabilities } from "./compile/capabilities.ts";
import { compileExec } from "./compile/exec.ts";
import { enter } from "./create.ts";
import { compileFacts, validationFacts } from "./facts.ts";
import type { ContainerIo } from "./io.ts";
import { type Launched, LaunchFailure, launch } from "./launch.ts";
import { type Found, find } from "./lifecycle.ts";
import { setLimits } from "./limits.ts";
import { homeIn } from "./passwd.ts";
import type { Context } from "./prepare.ts";
import { rdtGroup } from "./rdt.ts";
import { isAlive } from "./state.ts";
import { setsHome } from "./users.ts";

export interface ExecOptions {
  readonly id: string;
  /** From the process that the container was made with to the one to run now. */
  readonly process: (spec: Spec) => Process;
  readonly io: (process: Process, spec: Spec) => ContainerIo;
  readonly preserveFds?: number | undefined;
  /** `PATH` or `CONTROLLER[,…]:PATH`, below the container's control group. */
  readonly cgroups?: readonly string[] | undefined;
  readonly ignorePaused?: boolean | undefined;
  readonly extraEnv?: readonly string[] | undefined;
  readonly pidfdSocket?: string | undefined;
}

export interface Executed extends Launched {
  readonly io: ContainerIo;
  readonly process: Process;
}

/** @throws FailedPrecondition in a stopped or paused container, or naming what the launch failed at. */
export function exec(context: Context, options: ExecOptions): Executed {
  const found = find(context, options.id);
  const now = found.status();
  if (now === "stopped") throw new FailedPrecondition("cannot exec in a stopped container");
  if (now === "paused" && !options.ignorePaused)
    throw new FailedPrecondition("cannot exec in a paused container (use --ignore-paused to override)");
  const { spec, bundle } = found.record.gantry;
  const process = options.process(spec);
  for (const warning of validateProcess(process, spec, validationFacts(context.host))) context.log.warn(warning);
  const io = options.io(process, spec);
  const wanted: Spec = { ...spec, process };
  const facts = {
    ...compileFacts(context.host, wanted, bundle, found.record.config.rootfs, false, found.cgroup),
    home: homeInContainer(found.record.init_process_pid, process),
  };
  const missing = unavailableCapabilities(process.capabilities, facts, wanted);
  if (missing.length > 0) context.log.warn(`ignoring unknown or unavailable capabilities: [${missing.join(" ")}]`);
  const plan = compileExec(wanted, facts, {
    pid: found.record.init_process_pid,
    id: options.id,
    namespaces: joinable(found),
    extraEnv: options.extraEnv ?? [],
  });
  const directoryFd = hasCgroup(found) ? cgroupFd(found, options.cgroups ?? []) : undefined;
  plan.cgroup = directoryFd !== undefined;
  try {
    const launched = launch({
      plan,
      stdio: io.stdio,
      preserveFds: options.preserveFds ?? 0,
      ...(directoryFd !== undefined && { cgroup: directoryFd }),
      log: context.log,
      onInit: (pid) => {
        rdtGroup(spec, options.id, found.record.intel_rdt_path)?.join(pid);
        if (!hasCgroup(found) || found.cgroup.entersAtClone) return [];
        if (!options.cgroups?.length) return enter(found.cgroup, pid, plan.cgroup);
        found.cgroup.joinSub(pid, options.cgroups);
        return [];
      },
      onReady: (pid) => {
        // Its number may have been given away while the namespaces were joined: then they are a stranger's.
        if (!isAlive(found.record)) throw new FailedPrecondition("cannot exec in a stopped container");
        setLimits(pid, wanted);
      },
      onListener: (pid, pidfd, fd) => {
        const { handOver } = require("./listener.ts") as typeof import("./listener.ts");
        handOver(
          wanted,
          { id: options.id, bundle, pid: found.record.init_process_pid, status: "running" },
          pidfd,
          fd,
          pid,
        );
      },
      onMaster: (master, name) => io.onMaster(master, name),
    });
    context.log.debug("setns_init: about to exec");
    return { ...launched, io, process };
  } catch (error) {
    throw explainFailure(error, found);
  } finally {
    if (directoryFd !== undefined) closeSync(directoryFd);
  }
}

function hasCgroup(found: Found): boolean {
  return Object.keys(found.record.cgroup_paths).length > 0;
}

function cgroupFd(found: Found, subs: readonly string[]): number | undefined {
  if (!found.cgroup.entersAtClone) return subs.length === 0 ? found.cgroup.unifiedFd() : undefined;
  const sub = subs[0]?.replace(/^.*:/, "") ?? "";
  return found.cgroup.directoryFd(sub, found.record.init_process_pid);
}

/** Those of the container's namespaces that are not the runtime's own: to join one's own user namespace is an error. */
function joinable(found: Found): number {
  const { statSync } = require("node:fs") as typeof import("node:fs");
  let mask = 0;
  for (const { type } of found.record.gantry.spec.linux?.namespaces ?? []) {
    const { file, flag } = NAMESPACES[type];
    if (
      type === "user" &&
      statSync(`/proc/self/ns/${file}`).ino === statSync(`/proc/${found.record.init_process_pid}/ns/${file}`).ino
    )
      continue;
    mask |= flag;
  }
  return mask;
}

/** HOME comes from the passwd file that the container has now. */
function homeInContainer(pid: number, process: Process): string {
  if (setsHome(process)) return "";
  try {
    const root = openat2(AT_FDCWD, `/proc/${pid}/root`, 0o200000);
    try {
      return homeIn(root, "etc/passwd", RESOLVE_IN_ROOT, process.user?.uid ?? 0);
    } finally {
      closeSync(root);
    }
  } catch (error) {
    if (isErrno(error, "EACCES", "ENOENT")) return "/";
    throw error;
  }
}

function explainFailure(error: unknown, found: Found): unknown {
  if (!(error instanceof LaunchFailure)) return error;
  let killed = 0;
  try {
    if (error.silent) killed = found.cgroup.oomKills();
  } catch {
    // only makes the message better
  }
  const hint = killed > 0 ? " (possibly OOM-killed)" : "";
  return new FailedPrecondition(
    `unable to start container process: error executing setns process: ${error.message}${hint}`.replace(
      "error executing setns process: process.args[0]: ",
      "",
    ),
    { cause: error },
  );
}
