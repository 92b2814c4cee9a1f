/** `create` and `run`. */
import { appendFileSync, closeSync, fstatSync, renameSync, writeFileSync } from "node:fs";
import { FailedPrecondition, InvalidArgument, type Spec } from "@gantry/oci";
import {
  absolutePath,
  baseName,
  becomeSubreaper,
  connectUnix,
  directoryName,
  errnoText,
  exitCode,
  isTerminal,
  printError,
  sendMessage,
  setCloseOnExec,
  waitPid,
} from "@gantry/sys";
import { type Container, createContainer } from "../create.ts";
import { hostId } from "../ids.ts";
import { containerIo } from "../io.ts";
import { LaunchFailure } from "../launch.ts";
import { destroy, poststart, signalInit } from "../lifecycle.ts";
import type { Plan } from "../plan/plan.ts";
import type { Parsed } from "./flags.ts";
import type { Logger } from "./logger.ts";
import { type Invocation, messageOf } from "./main.ts";
import type { Notification } from "./notify.ts";

export function create(invocation: Invocation): number {
  return prefixed("runc create failed: ", invocation.context.log, () => {
    const container = make(invocation, { fifo: true, detach: true }, notify(invocation, false));
    orAbandon(invocation, container, () => {
      container.io.started();
      announce(invocation.flags, container.pid, container.pidfd, "standard");
    });
    return 0;
  });
}

export function run(invocation: Invocation): number | Promise<number> {
  return prefixed<number | Promise<number>>("runc run failed: ", invocation.context.log, () => {
    const { flags } = invocation;
    const detach = flags.bool("detach");
    if (!flags.bool("no-subreaper")) becomeSubreaper();
    const notification = notify(invocation, true);
    const container = make(invocation, { fifo: false, detach }, notification);
    orAbandon(invocation, container, () => {
      container.io.started();
      announce(flags, container.pid, container.pidfd, "standard");
      poststart({ id: container.record.id, record: container.record, cgroup: container.cgroup });
    });
    if (detach) {
      notification?.relay(container);
      return 0;
    }
    return notification
      ? notification.relayInForeground(container).then(() => follow(invocation, container))
      : follow(invocation, container);
  });
}

function follow({ flags, context }: Invocation, container: Container): number {
  const status = container.io.supervise(container.pid, container.pidfd);
  if (!flags.bool("keep")) destroy(context, { id: container.record.id, ...container });
  return exitCode(status);
}

/** Only for who was started by a service manager that wants to know. */
function notify(invocation: Invocation, bind: boolean): Notification | undefined {
  const host = process.env["NOTIFY_SOCKET"];
  return host
    ? (require("./notify.ts") as typeof import("./notify.ts")).notification(invocation, host, bind)
    : undefined;
}

/** A container whose start could not be completed is not left behind. */
function orAbandon({ context }: Invocation, container: Container, complete: () => void): void {
  try {
    complete();
  } catch (error) {
    signalInit(container.record, 9);
    waitPid(container.pid);
    destroy(context, { id: container.record.id, ...container });
    throw error;
  }
}

/** Exit status of a process that could not execute its program. */
export const NOT_EXECUTED = 255;

/** Puts the phase in front of what went wrong. */
export function prefixed<T extends number | Promise<number>>(prefix: string, log: Logger, action: () => T): T | number {
  try {
    return action();
  } catch (error) {
    if (isExecFailure(error)) return sayNotExecuted(error.cause, log);
    if (error instanceof InvalidArgument)
      throw error.constructor === InvalidArgument ? new InvalidArgument(prefix + messageOf(error)) : error;
    throw new Error(prefix + messageOf(error), { cause: error });
  }
}

export function isExecFailure(error: unknown): error is { readonly cause: LaunchFailure } {
  return error instanceof Error && error.cause instanceof LaunchFailure && error.cause.op === "exec";
}

/** That the kernel refused the program is the program's own last word: one line, of a form that callers compare. The reason is for people and for the log. */
export function sayNotExecuted({ message, errno }: LaunchFailure, log: Logger): number {
  const text = errnoText(errno);
  const end = message.indexOf(`: ${text}`) + 2 + text.length;
  const why = message.slice(end).replace(/^: /, "");
  printError(`${message.slice(0, end)}\n${why && isTerminal(2) ? `${why}\n` : ""}`);
  log.toFile("error", message);
  return NOT_EXECUTED;
}

function make(
  { flags, context }: Invocation,
  how: { fifo: boolean; detach: boolean },
  notification: Notification | undefined,
): Container {
  const bundle = absolutePath(flags.string("bundle") ?? ".");
  const io = (spec: Spec) =>
    containerIo({
      terminal: spec.process?.terminal ?? false,
      detach: how.detach,
      consoleSocket: flags.string("console-socket"),
      uid: hostId(spec.linux?.uidMappings, 0),
      gid: hostId(spec.linux?.gidMappings, 0),
    });
  const { preserveFds, extraEnv } = inheritedFds(flags);
  const trace = flags.string("trace");
  return createContainer(context, {
    id: flags.positional[0]!,
    bundle,
    io,
    fifo: how.fifo,
    reuse: !context.log.debugging && trace === undefined,
    noPivot: flags.bool("no-pivot"),
    noNewKeyring: flags.bool("no-new-keyring"),
    preserveFds,
    ...notification?.options,
    extraEnv: notification ? [...extraEnv, notification.env] : extraEnv,
    ...(trace && { onTrace: tracer(trace) }),
  });
}

/** Sockets of socket activation are at 3 and up, before those asked for: sd_listen_fds(3). They are ours unless meant for another process. */
function listenFds(): number {
  const pid = process.env["LISTEN_PID"];
  const count = Number(process.env["LISTEN_FDS"]);
  return Number.isSafeInteger(count) && count > 0 && (!pid || Number(pid) === process.pid) ? count : 0;
}

/** What runs from 3 on. @throws InvalidArgument for a closed one. */
export function inheritedFds(flags: Parsed, listen = listenFds()): { preserveFds: number; extraEnv: string[] } {
  const asked = flags.number("preserve-fds") ?? 0;
  const total = asked + listen;
  for (let fd = 3; fd < 3 + total; fd++) {
    try {
      fstatSync(fd);
      setCloseOnExec(fd, false);
    } catch {
      const which =
        fd < 3 + listen ? `LISTEN_FDS descriptor ${fd} (of ${listen})` : `preserved-fd ${fd - listen} (of ${asked})`;
      throw new InvalidArgument(`unable to stat ${which}: no such descriptor`);
    }
  }
  return { preserveFds: total, extraEnv: listen > 0 ? [`LISTEN_FDS=${listen}`, "LISTEN_PID=1"] : [] };
}

function tracer(file: string): (plan: Plan, index: number, nanoseconds: number) => void {
  return (plan, index, ns) => {
    const op = plan.ops[index]!;
    appendFileSync(file, `${JSON.stringify({ op: op.name, from: op.from, index, ns })}\n`);
  };
}

/** The pid file, and the pidfd socket, for whoever asked. */
export function announce(flags: Parsed, pid: number, pidfd: number, name: "standard" | "setns"): void {
  const pidFile = flags.string("pid-file");
  if (pidFile !== undefined) writePidFile(absolutePath(pidFile), pid);
  const socketPath = flags.string("pidfd-socket");
  if (socketPath === undefined) return;
  const socket = connectUnix(socketPath);
  try {
    sendMessage(socket, Buffer.from(name), [pidfd]);
  } finally {
    closeSync(socket);
  }
}

/** Readers see no file, or the whole number. */
function writePidFile(path: string, pid: number): void {
  const temporary = `${directoryName(path)}/.${baseName(path)}`;
  try {
    writeFileSync(temporary, String(pid), { flag: "wx", mode: 0o666 });
    renameSync(temporary, path);
  } catch (error) {
    throw new FailedPrecondition(`--pid-file: ${(error as Error).message}`, { cause: error });
  }
}
