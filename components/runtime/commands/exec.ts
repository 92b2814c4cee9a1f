/** `exec`. */
import { readFileSync } from "node:fs";
import { InvalidArgument, type Process, parseProcess, type Spec } from "@gantry/oci";
import { exitCode } from "@gantry/sys";
import { exec as execute } from "../exec.ts";
import { hostId } from "../ids.ts";
import { containerIo } from "../io.ts";
import { announce, inheritedFds, isExecFailure, NOT_EXECUTED, sayNotExecuted } from "./create.ts";
import type { Parsed } from "./flags.ts";
import { type Invocation, messageOf } from "./main.ts";

export function exec({ flags, context }: Invocation): number {
  try {
    const detach = flags.bool("detach");
    const { preserveFds, extraEnv } = inheritedFds(flags, 0); // socket activation is for a container's first process
    const executed = execute(context, {
      id: flags.positional[0]!,
      process: (spec) => processOf(flags, spec),
      io: (process, spec) =>
        containerIo({
          terminal: process.terminal ?? false,
          detach,
          consoleSocket: flags.string("console-socket"),
          uid: hostId(spec.linux?.uidMappings, 0),
          gid: hostId(spec.linux?.gidMappings, 0),
        }),
      preserveFds,
      extraEnv,
      cgroups: flags.list("cgroup"),
      ignorePaused: flags.bool("ignore-paused"),
    });
    executed.io.started();
    announce(flags, executed.pid, executed.pidfd, "setns");
    return detach ? 0 : exitCode(executed.io.supervise(executed.pid, executed.pidfd));
  } catch (error) {
    if (isExecFailure(error)) return sayNotExecuted(error.cause, context.log);
    context.log.fatal(`exec failed: ${messageOf(error)}`);
    return NOT_EXECUTED;
  }
}

/** The file of `--process`, or the container's own process with what the flags change. */
function processOf(flags: Parsed, spec: Spec): Process {
  const file = flags.string("process");
  if (file !== undefined) return parseProcess(readFileSync(file, "utf8"), file).process;
  const args = flags.positional.slice(1);
  if (args.length === 0) throw new InvalidArgument("process args cannot be empty");
  const base = spec.process!;
  const user = { ...base.user, ...userOf(flags.string("user")) };
  const gids = flags.list("additional-gids").map((text) => decimal(text, "--additional-gids"));
  const label = flags.string("process-label");
  const profile = flags.string("apparmor");
  return {
    ...base,
    args,
    terminal: flags.bool("tty"),
    cwd: flags.string("cwd") ?? base.cwd,
    env: [...(base.env ?? []), ...flags.list("env")],
    user: { ...user, ...(gids.length > 0 && { additionalGids: [...(user.additionalGids ?? []), ...gids] }) },
    ...(label !== undefined && { selinuxLabel: label }),
    ...(profile !== undefined && { apparmorProfile: profile }),
    ...(flags.has("no-new-privs") && { noNewPrivileges: flags.bool("no-new-privs") }),
    ...(flags.list("cap").length > 0 && { capabilities: withCapabilities(base, flags.list("cap")) }),
  };
}

/** Ambient only where an inheritable set says that the configuration means to pass capabilities on. */
function withCapabilities(
  { capabilities: own = {} }: Process,
  names: readonly string[],
): NonNullable<Process["capabilities"]> {
  const plus = (list: readonly string[] = []) => [...new Set([...list, ...names])];
  return {
    ...own,
    bounding: plus(own.bounding),
    effective: plus(own.effective),
    permitted: plus(own.permitted),
    ...(own.inheritable?.length && { ambient: plus(own.ambient) }),
  };
}

/** `uid[:gid]` in plain decimal: anything else must not silently become root (CVE-2026-30892). */
function userOf(text: string | undefined): { uid?: number; gid?: number } {
  if (text === undefined) return {};
  const [uid = "", gid, ...more] = text.split(":");
  if (more.length > 0) throw new InvalidArgument(`--user: expected UID[:GID], not "${text}"`);
  return { uid: decimal(uid, "--user"), ...(gid !== undefined && { gid: decimal(gid, "--user") }) };
}

function decimal(text: string, flag: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number >= 2 ** 32 - 1)
    throw new InvalidArgument(`${flag}: parsing "${text}" as int failed: must be a number from 0 to 4294967294`);
  return number;
}
