/** Command lines as runc reads them: single and double dash are the same, a comma separates nothing. */
import { InvalidArgument } from "@gantry/oci";

export interface Flag {
  /** Long name first; a name of one letter is the short form. */
  readonly names: readonly string[];
  readonly kind: "bool" | "string" | "list" | "number";
  readonly usage: string;
}

export interface CommandSyntax {
  readonly name: string;
  readonly usage: string;
  /** After the name, as help shows it. */
  readonly arguments: string;
  readonly flags: readonly Flag[];
  /** Fewest and most positional arguments. */
  readonly count: readonly [number, number];
  /** Flags end at the first positional argument: the rest belongs to the program that is run. */
  readonly stopsAtPositional?: boolean;
}

export interface Parsed {
  readonly positional: readonly string[];
  has(name: string): boolean;
  bool(name: string): boolean;
  string(name: string): string | undefined;
  list(name: string): readonly string[];
  number(name: string): number | undefined;
}

/** A mistake in how a command was called: the caller shows the usage with it. */
export class UsageError extends InvalidArgument {}

/** Splits `argv` by the table of flags. @throws UsageError */
export function parseFlags(
  argv: readonly string[],
  flags: readonly Flag[],
  stopsAtPositional: boolean,
): { parsed: Parsed; rest: string[] } {
  const values = new Map<string, string[]>();
  const positional: string[] = [];
  let at = 0;
  for (; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === "--") {
      positional.push(...argv.slice(at + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      if (stopsAtPositional) {
        positional.push(...argv.slice(at));
        break;
      }
      positional.push(word);
      continue;
    }
    at = takeFlag(argv, at, flags, values);
  }
  return { parsed: view(positional, flags, values), rest: positional };
}

function takeFlag(argv: readonly string[], at: number, flags: readonly Flag[], values: Map<string, string[]>): number {
  const word = argv[at]!.replace(/^--?/, "");
  const equals = word.indexOf("=");
  const name = equals < 0 ? word : word.slice(0, equals);
  const flag = flags.find((one) => one.names.includes(name));
  if (flag === undefined) {
    if (name === "h" || name === "help") throw new UsageError("help");
    throw new UsageError(`flag provided but not defined: -${name}`);
  }
  const key = flag.names[0]!;
  const list = values.get(key) ?? [];
  values.set(key, list);
  if (flag.kind === "bool") {
    list.push(equals < 0 ? "true" : word.slice(equals + 1));
    return at;
  }
  if (equals >= 0) {
    list.push(word.slice(equals + 1));
    return at;
  }
  const value = argv[at + 1];
  if (value === undefined) throw new UsageError(`flag needs an argument: -${name}`);
  list.push(value);
  return at + 1;
}

function view(
  positional: readonly string[],
  flags: readonly Flag[],
  values: ReadonlyMap<string, readonly string[]>,
): Parsed {
  for (const flag of flags) {
    const text = values.get(flag.names[0]!)?.at(-1);
    if (text === undefined) continue;
    if (flag.kind === "number" && !/^[+-]?\d+$/.test(text))
      throw new UsageError(`invalid value "${text}" for flag -${flag.names[0]}: parse error`);
    if (flag.kind === "bool" && !/^(true|false|1|0|t|f|T|F|TRUE|FALSE|True|False)$/.test(text))
      throw new UsageError(`invalid boolean value "${text}" for -${flag.names[0]}: parse error`);
  }
  return {
    positional,
    has: (name) => values.has(name),
    bool: (name) => values.has(name) && isTrue(values.get(name)!.at(-1)!),
    string: (name) => values.get(name)?.at(-1),
    list: (name) => values.get(name) ?? [],
    number: (name) => (values.has(name) ? Number(values.get(name)!.at(-1)) : undefined),
  };
}

const isTrue = (text: string) => /^(true|1|t)$/i.test(text);

/** @throws UsageError with runc's words. */
export function checkCount({ name, count: [least, most] }: CommandSyntax, given: number): void {
  if (given >= least && given <= most) return;
  const wanted = least === most ? `exactly ${least}` : given < least ? `a minimum of ${least}` : `a maximum of ${most}`;
  throw new UsageError(`"${name}" requires ${wanted} argument(s)`);
}
