/** The command line: `runc`'s, command for command. Returns the exit status. */
import { GantryError, InvalidArgument } from "@gantry/oci";
import { absolutePath, SysError } from "@gantry/sys";
import { inspectHost } from "../host.ts";
import type { Context } from "../prepare.ts";
import { type CommandSyntax, checkCount, type Parsed, parseFlags, UsageError } from "./flags.ts";
import { type Logger, openLog } from "./logger.ts";
import { COMMANDS, GLOBAL_FLAGS } from "./table.ts";

/** A command line after parsing, with what the global flags say. */
export interface Invocation {
  readonly flags: Parsed;
  readonly context: Context & { readonly log: Logger };
  /** The root was named by the caller, so its absence is an error. */
  readonly explicitRoot: boolean;
}

/**
 * Runs a command; the name under which we were called is for help and version. Only a command that has to wait for
 * several things returns a promise: the machinery of one costs half a millisecond when a program has just started.
 */
export function main(program: string, argv: readonly string[]): number | Promise<number> {
  let log: Logger | undefined;
  try {
    const { parsed: globals, rest } = parseFlags(argv, GLOBAL_FLAGS, true);
    if (globals.bool("version")) return help().printVersion(program);
    if (rest.length === 0 || globals.bool("help") || rest[0] === "help" || rest[0] === "h")
      return help().printHelp(program, rest);
    log = openLog({ file: globals.string("log"), format: globals.string("log-format"), debug: globals.bool("debug") });
    const status = runCommand(program, globals, rest, log);
    return typeof status === "number" ? status : status.catch((error: unknown) => tell(program, error, log));
  } catch (error) {
    return tell(program, error, log);
  }
}

function tell(program: string, error: unknown, log: Logger | undefined): number {
  if (error instanceof UsageError) return help().printUsage(program, error, log);
  (log ?? openLog({ debug: false })).fatal(messageOf(error));
  return 1;
}

const help = () => require("./help.ts") as typeof import("./help.ts");

function runCommand(program: string, globals: Parsed, rest: readonly string[], log: Logger): number | Promise<number> {
  const syntax = COMMANDS.find(({ name }) => name === rest[0]);
  if (syntax === undefined) return help().printUnknown(program, rest[0]!);
  const { parsed: flags } = parseFlags(rest.slice(1), syntax.flags, syntax.stopsAtPositional ?? false);
  checkCount(syntax, flags.positional.length);
  const rootless = triState(globals.string("rootless"));
  const host = inspectHost(rootless);
  const explicit = globals.string("root");
  const root = explicit !== undefined ? absolutePath(explicit) : defaultRoot(host.rootless || host.inUserNamespace);
  if (root === "/") throw new InvalidArgument("--root: / cannot hold the state of containers");
  const context = { root, host, systemdCgroup: globals.bool("systemd-cgroup"), log };
  const run = implementation(syntax);
  return run({ flags, context, explicitRoot: explicit !== undefined });
}

function triState(text: string | undefined): boolean | undefined {
  if (text === undefined || text === "auto" || text === "") return undefined;
  if (text === "true" || text === "false") return text === "true";
  throw new InvalidArgument(`--rootless: must be true, false or auto, not "${text}"`);
}

/** Ordinary users (and root of a user namespace whose USER is not root) have a directory of their own. */
function defaultRoot(mayBeRootless: boolean): string {
  const runtimeDir = process.env["XDG_RUNTIME_DIR"];
  if (!mayBeRootless || !runtimeDir) return "/run/runc";
  if (process.geteuid!() === 0 && process.env["USER"] === "root") return "/run/runc";
  const { chmodSync, mkdirSync } = require("node:fs") as typeof import("node:fs");
  const root = `${runtimeDir}/runc`;
  mkdirSync(root, { recursive: true, mode: 0o700 });
  chmodSync(root, 0o1700); // sticky: cleaners of that directory spare it
  return root;
}

type Implementation = (invocation: Invocation) => number | Promise<number>;

/** Each command's code is loaded when it is asked for. */
function implementation({ name }: CommandSyntax): Implementation {
  switch (name) {
    case "create":
    case "run":
      return (require("./create.ts") as typeof import("./create.ts"))[name];
    case "exec":
      return (require("./exec.ts") as typeof import("./exec.ts")).exec;
    case "delete":
    case "kill":
    case "list":
    case "pause":
    case "ps":
    case "resume":
    case "start":
    case "state":
      return (require("./lifecycle.ts") as typeof import("./lifecycle.ts"))[name === "delete" ? "remove" : name];
    case "features":
    case "spec":
    case "plan":
      return (require("./inform.ts") as typeof import("./inform.ts"))[name];
    case "doctor":
    case "lint":
    case "verify":
      return (require("./inspect.ts") as typeof import("./inspect.ts"))[name];
    case "update":
      return (require("./update.ts") as typeof import("./update.ts")).update;
    case "events":
      return (require("./events.ts") as typeof import("./events.ts")).events;
    case "checkpoint":
    case "restore":
      return (require("./checkpoint.ts") as typeof import("./checkpoint.ts"))[name];
    default:
      throw new InvalidArgument(`no such command: ${name}`);
  }
}

/** One line that says what went wrong; bugs show where they are. */
export function messageOf(error: unknown): string {
  if (
    error instanceof InvalidArgument &&
    "failures" in error &&
    Array.isArray(error.failures) &&
    error.failures.length > 1
  )
    return error.failures.join("; ");
  if (error instanceof GantryError || error instanceof SysError) return error.message;
  if (error instanceof Error)
    return "code" in error
      ? error.message
      : process.env["GANTRY_STACK"]
        ? (error.stack ?? error.message)
        : error.message;
  return String(error);
}
