/** `checkpoint` and `restore`. */
import { mkdirSync, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { InvalidArgument } from "@gantry/oci";
import { becomeSubreaper, exitCode, isErrno } from "@gantry/sys";
import { type CheckpointOptions, dump, requireDumpable } from "../checkpoint/dump.ts";
import type { CriuCommon } from "../checkpoint/options.ts";
import { restoreContainer } from "../checkpoint/restore.ts";
import { hostId } from "../ids.ts";
import { containerIo } from "../io.ts";
import { destroy, find } from "../lifecycle.ts";
import { announce } from "./create.ts";
import type { Parsed } from "./flags.ts";
import type { Invocation } from "./main.ts";

export function checkpoint({ flags, context }: Invocation): number {
  if (context.host.rootless) context.log.warn("runc checkpoint is untested with rootless containers");
  const found = find(context, flags.positional[0]!);
  requireDumpable(found);
  const options: CheckpointOptions = {
    ...commonFlags(flags),
    parentPath: parentPath(flags),
    preDump: flags.bool("pre-dump"),
    leaveRunning: flags.bool("leave-running"),
    tcpSkipInFlight: flags.bool("tcp-skip-in-flight"),
    linkRemap: flags.bool("link-remap"),
    pageServer: pageServer(flags.string("page-server")),
    statusFd: statusFd(flags),
  };
  dump(context, found, options);
  if (!options.preDump && !options.leaveRunning) destroy(context, found);
  return 0;
}

export function restore({ flags, context }: Invocation): number {
  if (context.host.rootless) context.log.warn("runc checkpoint is untested with rootless containers");
  const detach = flags.bool("detach");
  const id = flags.positional[0]!;
  if (!flags.bool("no-subreaper")) becomeSubreaper();
  const container = restoreContainer(context, {
    ...commonFlags(flags),
    id,
    bundle: resolve(flags.string("bundle") ?? "."),
    io: (spec) =>
      containerIo({
        terminal: spec.process?.terminal ?? false,
        detach,
        consoleSocket: flags.string("console-socket"),
        uid: hostId(spec.linux?.uidMappings, 0),
        gid: hostId(spec.linux?.gidMappings, 0),
      }),
    noPivot: flags.bool("no-pivot"),
    lsmProfile: flags.string("lsm-profile"),
    lsmMountContext: flags.string("lsm-mount-context"),
  });
  container.io.started();
  announce(flags, container.pid, container.pidfd, "standard");
  if (detach) return 0;
  const status = container.io.supervise(container.pid, container.pidfd);
  destroy(context, { id, ...container });
  return exitCode(status);
}

function commonFlags(flags: Parsed): CriuCommon {
  for (const namespace of flags.list("empty-ns")) {
    // The network is always left empty; CRIU knows no other.
    if (namespace !== "network") throw new InvalidArgument(`namespace "${namespace}" is not supported`);
  }
  const workPath = flags.string("work-path");
  return {
    imagePath: imagePath(flags),
    workPath: workPath ? resolve(workPath) : undefined,
    tcpEstablished: flags.bool("tcp-established"),
    externalUnixSockets: flags.bool("ext-unix-sk"),
    shellJob: flags.bool("shell-job"),
    fileLocks: flags.bool("file-locks"),
    lazyPages: flags.bool("lazy-pages"),
    autoDedup: flags.bool("auto-dedup"),
    manageCgroups: flags.string("manage-cgroups-mode"),
  };
}

function imagePath(flags: Parsed): string {
  const path = resolve(flags.string("image-path") || "checkpoint");
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

/** CRIU makes it a symbolic link beside the images, so that the images can be moved together. */
function parentPath(flags: Parsed): string | undefined {
  const path = flags.string("parent-path");
  if (!path) return undefined;
  if (isAbsolute(path)) throw new InvalidArgument("--parent-path must be relative");
  const parent = join(imagePath(flags), path);
  try {
    if (statSync(parent).isDirectory()) return path;
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
    throw new InvalidArgument(`invalid --parent-path: stat ${parent}: no such file or directory`);
  }
  throw new InvalidArgument(`invalid --parent-path: stat ${parent}: not a directory`);
}

function pageServer(text: string | undefined): CheckpointOptions["pageServer"] {
  if (!text) return undefined;
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):([^:]+)$/.exec(text);
  if (match === null) throw new InvalidArgument("Use --page-server ADDRESS:PORT to specify page server");
  if (!/^[+-]?\d+$/.test(match[3]!)) throw new InvalidArgument("Invalid port number");
  return { address: match[1] ?? match[2]!, port: Number(match[3]) };
}

function statusFd(flags: Parsed): number | undefined {
  const fd = flags.number("status-fd");
  return fd === undefined || fd < 0 ? undefined : fd;
}
