/** The runtime as a library: containers as objects that clean up after themselves. */
import { constants } from "node:os";
import type { ContainerState, Process, Resources } from "@gantry/oci";
import { absolutePath, isErrno, pidfdOpen, pidfdWait, waitPid } from "@gantry/sys";
import type { CgroupStats } from "./cgroups/index.ts";
import { createContainer } from "./create.ts";
import { exec } from "./exec.ts";
import { type Host, inspectHost } from "./host.ts";
import { type ContainerIo, containerIo } from "./io.ts";
import * as lifecycle from "./lifecycle.ts";
import { type Log, silent } from "./log.ts";
import type { Context } from "./prepare.ts";
import { update } from "./update.ts";

export interface RuntimeOptions {
  /** Directory that holds the containers' records; the same one gives the same containers. */
  readonly root: string;
  /** Let systemd manage control groups; `cgroupsPath` is then `slice:prefix:name`. */
  readonly systemdCgroup?: boolean;
  /** Receives warnings about configurations, such as unknown fields. */
  readonly log?: Log;
}

export interface ContainerOptions {
  /** Letters, digits, `_`, `+`, `-`, `.`. */
  readonly id: string;
  /** Directory with config.json and, usually, the root file system. */
  readonly bundle: string;
  /** Our descriptors that become 0, 1 and 2 inside; ours by default. Not for configurations with a terminal. */
  readonly stdio?: readonly [number, number, number];
  /** Unix socket that receives the master of the terminal, when the configuration asks for one. */
  readonly consoleSocket?: string;
}

/** What differs from the process that the container was made with. */
export interface ExecProcess extends Partial<Process> {
  readonly args: readonly string[];
  readonly stdio?: readonly [number, number, number];
}

/** How a process ended: its exit code, or the signal that killed it. */
export type Exit =
  | { readonly code: number; readonly signal?: never }
  | { readonly signal: number; readonly code?: never };

/** Makes containers below one root directory, and finds those that are there. */
export class Runtime {
  readonly #context: Context;

  constructor({ root, systemdCgroup = false, log = silent }: RuntimeOptions) {
    this.#context = { root: absolutePath(root), host: inspectHost(), systemdCgroup, log };
  }

  /** What the host offers. */
  get host(): Host {
    return this.#context.host;
  }

  /**
   * Makes a container and its first process, which waits for `start`; runtime-spec, runtime.md, "Create".
   * @throws InvalidArgument naming every wrong field, AlreadyExists, FailedPrecondition naming the operation that failed;
   * nothing is left behind then.
   */
  create({ id, bundle, stdio, consoleSocket }: ContainerOptions): Container {
    const made = createContainer(this.#context, {
      id,
      bundle,
      fifo: true,
      io: (spec) =>
        stdio
          ? given(stdio)
          : containerIo({ terminal: spec.process?.terminal ?? false, detach: true, consoleSocket, uid: 0, gid: 0 }),
    });
    made.io.started();
    return new Container(this.#context, id, made.pidfd);
  }

  /** A container that exists. @throws NotFound */
  get(id: string): Container {
    const { record } = lifecycle.find(this.#context, id);
    return new Container(this.#context, id, openPidfd(record.init_process_pid));
  }

  /** The states of all containers; those whose record cannot be read are left out and logged. */
  list(): ContainerState[] {
    return lifecycle.list(this.#context, (id, error) => this.#context.log.warn(`${id}: ${error}`));
  }
}

/** One container. Disposing of it kills and deletes it. */
export class Container implements AsyncDisposable {
  readonly #context: Context;
  /** Stands for the first process even after its number was given away; −1 when it had ended before. */
  readonly #pidfd: number;
  #exit: Promise<Exit | undefined> | undefined;

  constructor(
    context: Context,
    readonly id: string,
    pidfd: number,
  ) {
    this.#context = context;
    this.#pidfd = pidfd;
  }

  /** Runs the program. @throws FailedPrecondition unless the container is created. */
  start(): void {
    lifecycle.start(this.#context, this.id);
  }

  /** Derived anew at each call: created, running, paused or stopped. @throws NotFound once deleted. */
  state(): ContainerState {
    return lifecycle.stateOf(lifecycle.find(this.#context, this.id));
  }

  /** Sends a signal to the first process. @throws FailedPrecondition when it has ended. */
  kill(signal: NodeJS.Signals | number = "SIGTERM"): void {
    lifecycle.kill(this.#context, this.id, typeof signal === "number" ? signal : constants.signals[signal]);
  }

  /** Suspends every process of the container. */
  pause(): void {
    lifecycle.pause(this.#context, this.id);
  }

  resume(): void {
    lifecycle.resume(this.#context, this.id);
  }

  /** Host pids of all processes. */
  processes(): number[] {
    return lifecycle.processes(this.#context, this.id);
  }

  /** Sets limits; what is not named stays. @throws FailedPrecondition naming the field; the old limits are in force then. */
  update(resources: Resources): void {
    update(this.#context, this.id, resources);
  }

  /** What the container uses now: times in nanoseconds, sizes in bytes. */
  stats(): CgroupStats {
    return lifecycle.find(this.#context, this.id).cgroup.stats();
  }

  /** Runs one more process and waits for it. @throws FailedPrecondition saying why the program cannot be executed. */
  async exec({ stdio, ...process }: ExecProcess): Promise<Exit> {
    const executed = exec(this.#context, {
      id: this.id,
      process: (spec) => ({ ...spec.process!, terminal: false, ...process }),
      io: () => given(stdio ?? [0, 1, 2]),
    });
    executed.io.started();
    await pidfdWait(executed.pidfd);
    return exitOf(waitPid(executed.pid)!.status);
  }

  /** Waits for the first process. Undefined when it is not our child, so that its status is not ours to know. */
  wait(): Promise<Exit | undefined> {
    this.#exit ??= this.#wait();
    return this.#exit;
  }

  async #wait(): Promise<Exit | undefined> {
    if (this.#pidfd < 0) return undefined;
    const { record } = lifecycle.find(this.#context, this.id);
    await pidfdWait(this.#pidfd);
    const ended = waitPid(record.init_process_pid);
    return ended && exitOf(ended.status);
  }

  /** Removes what the container holds. @throws FailedPrecondition while it runs, unless `force`. */
  delete({ force = false }: { readonly force?: boolean } = {}): void {
    lifecycle.remove(this.#context, this.id, { force });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.delete({ force: true });
  }
}

function given(stdio: readonly [number, number, number]): ContainerIo {
  return {
    stdio,
    onMaster() {
      throw new Error("a terminal needs a console socket");
    },
    started() {},
    supervise: () => {
      throw new Error("not in the foreground");
    },
  };
}

function openPidfd(pid: number): number {
  try {
    return pidfdOpen(pid);
  } catch (error) {
    if (isErrno(error, "ESRCH", "EINVAL")) return -1;
    throw error;
  }
}

/** wait(2). */
function exitOf(status: number): Exit {
  const signal = status & 0x7f;
  return signal === 0 ? { code: (status >> 8) & 0xff } : { signal };
}
