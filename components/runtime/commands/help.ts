/** Help, usage and version. */
import { SPEC_VERSION } from "@gantry/oci";
import { print, printError } from "@gantry/sys";
import type { CommandSyntax, Flag, UsageError } from "./flags.ts";
import type { Logger } from "./logger.ts";
import { COMMANDS, GLOBAL_FLAGS } from "./table.ts";

/** The release of runc whose behaviour we follow; callers compare it. */
export const RUNC_VERSION = "1.5.0";
export const GANTRY_VERSION = "0.1.0";

function flagLines(flags: readonly Flag[]): string {
  return flags
    .map(
      ({ names, kind, usage }) =>
        `   ${names.map((name) => (name.length > 1 ? `--${name}` : `-${name}`)).join(", ")}${kind === "bool" ? "" : " value"}\t${usage}`,
    )
    .join("\n");
}

function commandHelp(program: string, { name, usage, arguments: args, flags }: CommandSyntax): string {
  const options = flags.length > 0 ? `\n\nOPTIONS:\n${flagLines(flags)}` : "";
  return `NAME:\n   ${program} ${name} - ${usage}\n\nUSAGE:\n   ${program} ${name} [command options] ${args}${options}\n`;
}

function generalHelp(program: string): string {
  const commands = COMMANDS.map(({ name, usage }) => `   ${name.padEnd(12)}${usage}`).join("\n");
  return `NAME:\n   ${program} - Open Container Initiative runtime\n\nUSAGE:\n   ${program} [global options] command [command options] [arguments...]\n\nCOMMANDS:\n${commands}\n\nGLOBAL OPTIONS:\n${flagLines(GLOBAL_FLAGS)}\n`;
}

export function printHelp(program: string, words: readonly string[]): number {
  const topic = words.filter((word) => word !== "help" && word !== "h")[0];
  if (topic === undefined) {
    print(generalHelp(program));
    return 0;
  }
  const syntax = COMMANDS.find(({ name }) => name === topic);
  if (syntax === undefined) {
    printError(`No help topic for '${topic}'\n`);
    return 3;
  }
  print(commandHelp(program, syntax));
  return 0;
}

export function printUnknown(_program: string, word: string): number {
  printError(`No help topic for '${word}'\n`);
  return 3;
}

/** A wrong call shows how it is called, and says what was wrong; `--help` is no mistake. */
export function printUsage(program: string, error: UsageError, log: Logger | undefined): number {
  const syntax = COMMANDS.find(({ name }) => process.argv.includes(name));
  const text = syntax ? commandHelp(program, syntax) : generalHelp(program);
  print(text);
  if (error.message === "help") return 0;
  if (log) log.fatal(error.message);
  else printError(`${error.message}\n`);
  return 1;
}

export function printVersion(program: string): number {
  const own = program === "runc" ? `runc version ${RUNC_VERSION}` : `${program} version ${GANTRY_VERSION}`;
  print(`${own}\ncommit: gantry-${GANTRY_VERSION}\nspec: ${SPEC_VERSION}\nbun: ${process.versions["bun"] ?? ""}\n`);
  return 0;
}
