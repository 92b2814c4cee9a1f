/** Commands on containers that exist. */
import { existsSync } from "node:fs";
import { type ContainerState, InvalidArgument } from "@gantry/oci";
import { print, printError } from "@gantry/sys";
import * as lifecycle from "../lifecycle.ts";
import { type Invocation, messageOf } from "./main.ts";

const id = ({ flags }: Invocation) => flags.positional[0]!;

export function start(invocation: Invocation): number {
  const host = process.env["NOTIFY_SOCKET"];
  if (host) (require("./notify.ts") as typeof import("./notify.ts")).startAndRelay(invocation, host);
  else lifecycle.start(invocation.context, id(invocation));
  return 0;
}

export function state(invocation: Invocation): number {
  print(JSON.stringify(lifecycle.stateOf(lifecycle.find(invocation.context, id(invocation))), null, 2));
  return 0;
}

export function remove(invocation: Invocation): number {
  lifecycle.remove(invocation.context, id(invocation), { force: invocation.flags.bool("force") });
  return 0;
}

export function pause(invocation: Invocation): number {
  lifecycle.pause(invocation.context, id(invocation));
  return 0;
}

export function resume(invocation: Invocation): number {
  lifecycle.resume(invocation.context, id(invocation));
  return 0;
}

export function kill(invocation: Invocation): number {
  const signal = signalNumber(invocation.flags.positional[1] ?? "SIGTERM");
  lifecycle.kill(invocation.context, id(invocation), signal, { all: invocation.flags.bool("all") });
  return 0;
}

/** `9`, `KILL`, `sigkill`. @throws InvalidArgument */
export function signalNumber(text: string): number {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number >= 0 && number <= 64) return number;
  } else {
    const { constants } = require("node:os") as typeof import("node:os");
    const name = text.toUpperCase().replace(/^(SIG)?/, "SIG");
    const number = (constants.signals as Readonly<{ [name: string]: number }>)[name] ?? realtime(name);
    if (number !== undefined) return number;
  }
  throw new InvalidArgument(`unknown signal "${text}"`);
}

/** SIGRTMIN+n, SIGRTMAX-n. */
function realtime(name: string): number | undefined {
  const match = /^SIGRT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (match === null) return undefined;
  const number = (match[1] === "MIN" ? 34 : 64) + (match[2] === "-" ? -1 : 1) * Number(match[3] ?? 0);
  return number >= 34 && number <= 64 ? number : undefined;
}

export function list({ flags, context, explicitRoot }: Invocation): number {
  const format = flags.string("format") ?? "table";
  const missing = !explicitRoot && !existsSync(context.root);
  const states = missing
    ? []
    : lifecycle.list(context, (name, error) => printError(`load container ${name}: ${messageOf(error)}\n`));
  if (flags.bool("quiet")) {
    for (const one of states) print(`${one.id}\n`);
  } else if (format === "json") {
    print(`${states.length === 0 ? "null" : JSON.stringify(states)}\n`);
  } else if (format === "table") {
    print(table(states));
  } else throw new InvalidArgument("invalid format option");
  return 0;
}

const MIN_WIDTH = 12;
const PADDING = 3;

function table(states: readonly ContainerState[]): string {
  const rows = [["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]];
  for (const one of states) rows.push([one.id, String(one.pid), one.status, one.bundle, one.created, one.owner]);
  const widths = rows[0]!.map((_, column) => Math.max(MIN_WIDTH, ...rows.map((row) => row[column]!.length + PADDING)));
  return rows
    .map((row) => `${row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join("")}\n`)
    .join("");
}

export function ps({ flags, context }: Invocation): number {
  const [container, ...options] = flags.positional;
  const format = flags.string("format") ?? "table";
  if (format !== "table" && format !== "json") throw new InvalidArgument("invalid format option");
  const pids = lifecycle.processes(context, container!);
  if (format === "json") {
    print(`${JSON.stringify(pids)}\n`);
    return 0;
  }
  const { spawnSync } = require("node:child_process") as typeof import("node:child_process");
  const result = spawnSync("ps", options.length > 0 ? options : ["-ef"], { encoding: "utf8" });
  if (result.error) throw new Error(`ps: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`ps: exit status ${result.status}: ${result.stderr.trim()}`);
  const [header = "", ...lines] = result.stdout.split("\n");
  const column = header.trim().split(/\s+/).indexOf("PID");
  if (column < 0) throw new Error("couldn't find PID field in ps output");
  const wanted = new Set(pids.map(String));
  print(`${header}\n`);
  for (const line of lines) if (wanted.has(line.trim().split(/\s+/)[column] ?? "")) print(`${line}\n`);
  return 0;
}
