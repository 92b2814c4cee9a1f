/** What `checkpoint` and `restore` are asked for, and the part of CRIU's options that both share. */
import { closeSync, constants, existsSync, mkdirSync } from "node:fs";
import { InvalidArgument, type Spec } from "@gantry/oci";
import { AT_FDCWD, isErrno, openat2 } from "@gantry/sys";
import { CGROUP_MODES, type CriuOptions } from "./rpc.ts";

/** Asked of both. Paths are absolute. */
export interface CriuCommon {
  readonly imagePath: string;
  /** CRIU's log and working files; absent: the images' directory. */
  readonly workPath?: string | undefined;
  readonly tcpEstablished?: boolean | undefined;
  readonly externalUnixSockets?: boolean | undefined;
  readonly shellJob?: boolean | undefined;
  readonly fileLocks?: boolean | undefined;
  readonly lazyPages?: boolean | undefined;
  readonly autoDedup?: boolean | undefined;
  /** soft, full, strict, ignore; absent is CRIU's own choice. */
  readonly manageCgroups?: string | undefined;
}

const CLONE_NEWNET = 0x4000_0000;
const LOG_LEVEL = 4;
const DEFAULT_CONFIG = "/etc/criu/runc.conf";

/** @throws InvalidArgument */
export function commonOptions(options: CriuCommon, spec: Spec): CriuOptions {
  const mode = options.manageCgroups ?? "";
  if (!Object.hasOwn(CGROUP_MODES, mode)) throw new InvalidArgument("invalid manage-cgroups-mode value");
  return {
    log_level: LOG_LEVEL,
    notify_scripts: true,
    orphan_pts_master: true,
    manage_cgroups: true, // for CRIU that does not know the modes
    manage_cgroups_mode: CGROUP_MODES[mode],
    tcp_established: options.tcpEstablished,
    ext_unix_sk: options.externalUnixSockets,
    shell_job: options.shellJob,
    file_locks: options.fileLocks,
    lazy_pages: options.lazyPages,
    auto_dedup: options.autoDedup,
    empty_ns: CLONE_NEWNET, // who made the network fills it again: that is not the runtime
    config_file: configFile(spec),
  };
}

/** Its settings win over ours. The annotation names one, or with an empty value none. */
function configFile({ annotations }: Spec): string | undefined {
  const named = annotations?.["org.criu.config"];
  if (named !== undefined) return named || undefined;
  return existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : undefined;
}

/** Where CRIU writes the log of that name. */
export function logPath({ imagePath, workPath }: CriuCommon, logFile: string): string {
  return `${workPath ?? imagePath}/${logFile}`;
}

/** The directories of a dump or restore, open while CRIU works: in the mount namespace that it works in. */
export class Directories implements Disposable {
  private readonly fds: number[] = [];
  readonly options: CriuOptions;

  /** Makes what does not exist yet (one level). */
  constructor({ imagePath, workPath }: CriuCommon, logFile: string, makeImages: boolean) {
    const images = this.directory(imagePath, makeImages);
    const work = workPath === undefined ? undefined : this.directory(workPath, true);
    this.options = { images_dir_fd: images, work_dir_fd: work, log_file: logFile };
  }

  private directory(path: string, make: boolean): number {
    try {
      if (make) mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
    }
    const fd = openat2(AT_FDCWD, path, constants.O_DIRECTORY);
    this.fds.push(fd);
    return fd;
  }

  [Symbol.dispose](): void {
    for (const fd of this.fds.splice(0)) closeSync(fd);
  }
}
