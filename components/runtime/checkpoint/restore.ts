/** restore: a container from the files of a checkpoint. */
import { closeSync, constants, mkdirSync, readFileSync, readlinkSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { FailedPrecondition, hasNamespace, NotFound, type Spec } from "@gantry/oci";
import { AT_FDCWD, isErrno, openat2, pidfdOpen, pidfdSignal, syscall, waitPid } from "@gantry/sys";
import { parseCgroupFile } from "../cgroups/index.ts";
import { type Container, undo } from "../create.ts";
import { runHooks } from "../hooks.ts";
import type { ContainerIo } from "../io.ts";
import { type Context, type Prepared, prepare } from "../prepare.ts";
import { completeRecord, initialRecord } from "../record.ts";
import { type Record, reserve, writeRecord } from "../state.ts";
import { type Criu, CriuFailure, converse, criuVersion, FIRST_EXTRA_FD, logRequest, startCriu } from "./criu.ts";
import { DESCRIPTORS } from "./dump.ts";
import { deviceMounts, restoredCgroupMounts, restoredNamespaces } from "./externals.ts";
import { explainFailure } from "./failure.ts";
import { type CriuCommon, commonOptions, Directories, logPath } from "./options.ts";
import { inPrivateMounts, prepareRoot } from "./root.ts";
import { type CriuOptions, type ExternalMount, type Notification, TYPE } from "./rpc.ts";

export interface RestoreOptions extends CriuCommon {
  readonly id: string;
  readonly bundle: string;
  /** Made once the configuration is known and valid. */
  readonly io: (spec: Spec) => ContainerIo;
  readonly noPivot?: boolean | undefined;
  /** TYPE:NAME of the profile that replaces the dumped one. */
  readonly lsmProfile?: string | undefined;
  readonly lsmMountContext?: string | undefined;
}

const LOG = "restore.log";

/** What one restore works with. */
interface Restore {
  readonly context: Context;
  readonly options: RestoreOptions;
  readonly io: ContainerIo;
  readonly prepared: Prepared;
  readonly directory: string;
  /** Filled in while CRIU reports. */
  record: Record;
  pid: number;
  pidfd: number;
  made: boolean;
  hooked: boolean;
}

/**
 * Makes a container whose processes come from a checkpoint. Its first process is a child of ours.
 *
 * @throws FailedPrecondition with CRIU's reason; nothing is left then.
 */
export function restoreContainer(context: Context, options: RestoreOptions): Container {
  const version = criuVersion();
  context.log.debug(`Using CRIU ${version}`);
  const lsm = lsmOptions(options, version);
  const prepared = prepare(context, { id: options.id, bundle: options.bundle, fifo: false, noPivot: options.noPivot });
  const io = options.io(prepared.spec);
  warnOfClosedImages(context, options.imagePath, prepared.spec);
  const namespaces = restoredNamespaces(prepared.spec, version, FIRST_EXTRA_FD);
  try {
    const directory = reserve(context.root, options.id);
    const record = initialRecord(context, prepared, options.id);
    const restore: Restore = {
      context,
      options,
      io,
      prepared,
      directory,
      record,
      pid: 0,
      pidfd: -1,
      made: false,
      hooked: false,
    };
    const request = { ...commonOptions(options, prepared.spec), ...lsm, ...namespaces.options };
    try {
      writeRecord(directory, record);
      prepared.cgroup.create(prepared.writes);
      restore.made = true;
      run(restore, request, namespaces.fds);
    } catch (error) {
      const explained = explainFailure(error, logPath(options, LOG), context);
      abandon(restore);
      throw explained;
    }
    return { io, record: restore.record, directory, cgroup: prepared.cgroup, pid: restore.pid, pidfd: restore.pidfd };
  } finally {
    for (const fd of namespaces.fds) closeSync(fd);
  }
}

function lsmOptions({ lsmProfile, lsmMountContext }: RestoreOptions, version: number): CriuOptions {
  if (lsmProfile && version < 31_600) throw new FailedPrecondition("--lsm-profile requires at least CRIU 3.16");
  if (lsmMountContext && version < 31_600)
    throw new FailedPrecondition("--lsm-mount-context requires at least CRIU 3.16");
  return { lsm_profile: lsmProfile || undefined, lsm_mount_context: lsmMountContext || undefined };
}

/** In a user namespace CRIU opens images as the container's root, who is nobody in particular on the host. */
function warnOfClosedImages({ log }: Context, path: string, { linux }: Spec): void {
  if (!hasNamespace(linux, "user") || statSync(path).mode & constants.S_IXOTH) return;
  log.warn(
    `--image-path: ${path} can be searched by its owner only; a container with a user namespace needs more (chmod o+x)`,
  );
}

function abandon({ context, options, prepared, directory, pid, pidfd, made, hooked }: Restore): void {
  if (pidfd >= 0) {
    try {
      pidfdSignal(pidfd, 9);
    } catch (error) {
      if (!isErrno(error, "ESRCH")) throw error;
    }
    closeSync(pidfd);
    waitPid(pid);
  }
  undo(context, prepared, directory, options.id, hooked, made);
}

function run(restore: Restore, request: CriuOptions, namespaces: readonly number[]): void {
  const { context, prepared, directory } = restore;
  const root = join(directory, "criu-root");
  const pipes = inheritedPipes(restore.options.imagePath);
  const stdio = openStdio(restore);
  mkdirSync(root, { mode: 0o755 });
  try {
    const inside = inPrivateMounts(() => ({
      binds: prepareRoot(root, prepared.rootfs, prepared.bundle, prepared.spec),
      directories: new Directories(restore.options, LOG, false),
      criu: startCriu(stdio.fds, namespaces),
    }));
    using directories = inside.directories;
    using running = inside.criu;
    const cgroups = enterCgroup(prepared, running);
    const options = {
      ...request,
      ...directories.options,
      ...restoreOptions(restore, root, inside.binds),
      cg_root: cgroups,
    };
    const inherited = [...(request.inherit_fd ?? []), ...pipes];
    logRequest(context.log, TYPE.restore, options);
    const onNotify = (notification: Notification, fds: readonly number[]) => answer(restore, notification, fds);
    converse(running, { type: TYPE.restore, opts: { ...options, inherit_fd: inherited } }, onNotify);
    const code = running.end();
    if (code !== 0) throw new CriuFailure(`criu failed: exit status ${code}`);
    if (restore.pid === 0) throw new CriuFailure("criu failed: it named no restored process");
  } finally {
    for (const fd of stdio.own) closeSync(fd);
    rmdirSync(root);
  }
}

/** A terminal of the container's own is no business of CRIU's own descriptors. */
function openStdio({ prepared, io }: Restore): {
  readonly fds: readonly [number, number, number];
  readonly own: readonly number[];
} {
  if (!prepared.spec.process?.terminal) return { fds: io.stdio, own: [] };
  const none = openat2(AT_FDCWD, "/dev/null", constants.O_RDWR);
  return { fds: [none, none, none], own: [none] };
}

function restoreOptions({ context, prepared }: Restore, root: string, binds: readonly ExternalMount[]): CriuOptions {
  const { spec, cgroup } = prepared;
  const cgroups = restoredCgroupMounts(spec, context.host.cgroups, cgroup.paths);
  const masked = spec.linux?.maskedPaths?.length ? [{ key: "/dev/null", val: "/dev/null" }] : [];
  return {
    root,
    rst_sibling: true,
    evasive_devices: true,
    ext_mnt: [...binds, ...cgroups, ...masked, ...deviceMounts(spec)],
  };
}

/** CRIU restores into the cgroups that it is in itself; returns where that is. */
function enterCgroup({ cgroup, writes }: Prepared, criu: Criu): { readonly ctrl: string; readonly path: string }[] {
  cgroup.join(criu.pid);
  cgroup.apply(writes);
  const own = parseCgroupFile(readFileSync(`/proc/${criu.pid}/cgroup`, "utf8"));
  return [...own].map(([ctrl, path]) => ({ ctrl, path }));
}

/** The pipes of the dumped process are replaced by what CRIU has at the same place. */
function inheritedPipes(imagePath: string): { readonly key: string; readonly fd: number }[] {
  const file = join(imagePath, DESCRIPTORS);
  let names: readonly string[];
  try {
    names = JSON.parse(readFileSync(file, "utf8")) ?? [];
  } catch (error) {
    if (isErrno(error, "ENOENT")) throw new NotFound(`open ${file}: no such file or directory`);
    throw error;
  }
  return names.flatMap((key, fd) => (key.includes("pipe:") ? [{ key, fd }] : []));
}

function answer(restore: Restore, { script, pid = 0 }: Notification, fds: readonly number[]): void {
  const { context, options, prepared } = restore;
  context.log.debug(`notify: ${script}`);
  switch (script) {
    case "setup-namespaces": {
      const hookContext = { id: options.id, bundle: prepared.bundle, pid, status: "creating" } as const;
      restore.hooked = true;
      runHooks(prepared.spec, "prestart", hookContext);
      runHooks(prepared.spec, "createRuntime", hookContext);
      break;
    }
    case "orphan-pts-master":
      restore.io.onMaster(fds[0]!, terminalName(fds[0]!));
      break;
    case "post-restore":
      adopt(restore, pid);
      break;
  }
}

const TIOCGPTN = 0x80045430;

function terminalName(master: number): string {
  const number = new Uint32Array(1);
  syscall("ioctl", "terminal", master, TIOCGPTN, new Uint8Array(number.buffer));
  return `/dev/pts/${number[0]}`;
}

/** The first process is there: from now on the record describes it. */
function adopt(restore: Restore, pid: number): void {
  restore.pid = pid;
  restore.pidfd = pidfdOpen(pid);
  const { record, prepared, directory } = restore;
  const spec = withTimeNamespace(prepared.spec, pid);
  restore.record = completeRecord({ ...record, gantry: { ...record.gantry, spec } }, prepared, pid);
  writeRecord(directory, restore.record);
}

/** CRIU restores into a time namespace, where the kernel has them: who joins the container has to join that one as well. */
function withTimeNamespace(spec: Spec, pid: number): Spec {
  if (hasNamespace(spec.linux, "time") || timeNamespace(pid) === timeNamespace("self")) return spec;
  return { ...spec, linux: { ...spec.linux, namespaces: [...(spec.linux?.namespaces ?? []), { type: "time" }] } };
}

function timeNamespace(pid: number | "self"): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/time`);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
