/** checkpoint: the state of a running container as files. */
import { closeSync, constants, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { FailedPrecondition, InvalidArgument } from "@gantry/oci";
import { AT_FDCWD, openat2, SysError, syscall } from "@gantry/sys";
import type { Found } from "../lifecycle.ts";
import type { Context } from "../prepare.ts";
import { CriuFailure, converse, criuVersion, logRequest, requireFeature, startCriu } from "./criu.ts";
import { dumpedMounts, dumpedNamespaces } from "./externals.ts";
import { explainFailure } from "./failure.ts";
import { type CriuCommon, commonOptions, Directories, logPath } from "./options.ts";
import { type CriuOptions, type Notification, TYPE } from "./rpc.ts";

export interface CheckpointOptions extends CriuCommon {
  /** Relative to `imagePath`: the images of an earlier pre-dump. */
  readonly parentPath?: string | undefined;
  /** Memory only; the container runs on, and another dump follows. */
  readonly preDump?: boolean | undefined;
  readonly leaveRunning?: boolean | undefined;
  readonly tcpSkipInFlight?: boolean | undefined;
  readonly linkRemap?: boolean | undefined;
  readonly pageServer?: { readonly address: string; readonly port: number } | undefined;
  /** Gets one byte when the lazy pages can be fetched, and is closed. */
  readonly statusFd?: number | undefined;
}

const LOG = "dump.log";
/** The file beside the images that says what descriptors 0 to 2 were. */
export const DESCRIPTORS = "descriptors.json";

/** @throws FailedPrecondition unless the container runs, or is paused. */
export function requireDumpable(found: Found): void {
  const now = found.status();
  if (now === "created" || now === "stopped")
    throw new FailedPrecondition(`Container cannot be checkpointed in ${now} state`);
}

/**
 * Dumps the container. Unless it was a pre-dump, or it is to be left running, its processes are gone afterwards; the
 * caller destroys what is left of it.
 *
 * @throws FailedPrecondition with CRIU's reason; the container runs on then.
 */
export function dump(context: Context, found: Found, options: CheckpointOptions): void {
  const common = commonOptions(options, found.record.gantry.spec);
  const version = criuVersion();
  context.log.debug(`Using CRIU ${version}`);
  using directories = new Directories(options, LOG, true);
  const request: CriuOptions = {
    ...common,
    ...directories.options,
    ...dumpOptions(context, found, options, version),
  };
  const type = options.preDump ? TYPE.preDump : TYPE.dump;
  const status = checkFeatures(options, version);
  if (!options.preDump) {
    const { init_process_pid: pid, gantry, external_descriptors } = found.record;
    Object.assign(request, { ext_mnt: dumpedMounts(pid, gantry.spec, context.host.cgroups) });
    writeFileSync(join(options.imagePath, DESCRIPTORS), JSON.stringify(external_descriptors), { mode: 0o600 });
  }
  try {
    talk(context, type, { ...request, ...(status?.criu && { status_fd: status.fd }) }, status);
  } catch (error) {
    throw explainFailure(error, logPath(options, LOG), context);
  }
}

function dumpOptions(
  context: Context,
  { record, cgroup }: Found,
  options: CheckpointOptions,
  version: number,
): CriuOptions {
  const v2 = context.host.cgroups.mode === "v2";
  return {
    root: record.config.rootfs,
    pid: record.init_process_pid,
    leave_running: options.leaveRunning,
    tcp_skip_in_flight: options.tcpSkipInFlight,
    link_remap: options.linkRemap,
    external: dumpedNamespaces(record.gantry.spec, version),
    // Without it CRIU stops the processes one by one.
    ...((!v2 || version >= 31_400) && { freeze_cgroup: v2 ? cgroup.paths[""] : cgroup.paths.freezer }),
    ...(options.pageServer && { ps: options.pageServer }),
    ...(options.parentPath && { parent_img: options.parentPath, track_mem: true }),
  };
}

interface StatusFd {
  readonly fd: number;
  /** CRIU writes to it by itself; newer ones tell us instead. */
  readonly criu: boolean;
}

/** @returns the status descriptor, if there is anything to tell. @throws FailedPrecondition, InvalidArgument */
function checkFeatures(options: CheckpointOptions, version: number): StatusFd | undefined {
  if (options.preDump) requireFeature("mem_track");
  if (!options.lazyPages) return undefined;
  requireFeature("lazy_pages");
  const fd = options.statusFd;
  if (fd === undefined) return undefined;
  requireWritable(fd);
  return { fd, criu: version < 31_500 };
}

const F_GETFL = 3;
const O_ACCMODE = 3;

function requireWritable(fd: number): void {
  let flags: number;
  try {
    flags = syscall("fcntl", undefined, fd, F_GETFL, 0);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    throw new InvalidArgument(`invalid --status-fd argument ${fd}: bad file descriptor`);
  }
  if ((flags & O_ACCMODE) === constants.O_RDONLY)
    throw new InvalidArgument(`invalid --status-fd argument ${fd}: not writable`);
}

function talk({ log }: Context, type: number, request: CriuOptions, status: StatusFd | undefined): void {
  const none = openat2(AT_FDCWD, "/dev/null", constants.O_RDWR);
  try {
    using criu = startCriu([none, none, none]);
    logRequest(log, type, request);
    const onFirst = status?.criu ? () => closeSync(status.fd) : undefined; // CRIU has opened its own by now
    converse(criu, { type, opts: request }, (notification) => onNotify(notification, status, log), onFirst);
    const code = criu.end();
    // After a pre-dump CRIU waits for the next one, and calls it an error that none comes.
    if (code !== 0 && type !== TYPE.preDump) throw new CriuFailure(`criu failed: exit status ${code}`);
  } finally {
    closeSync(none);
  }
}

/** post-dump, network-lock, network-unlock: nothing to do, the network belongs to whoever made it. */
function onNotify({ script }: Notification, status: StatusFd | undefined, log: Context["log"]): void {
  log.debug(`notify: ${script}`);
  if (script !== "status-ready" || status === undefined || status.criu) return;
  try {
    writeSync(status.fd, "\0");
  } catch (error) {
    log.warn(`can't write \\0 to status fd: ${(error as Error).message}`);
  }
  closeSync(status.fd);
}
