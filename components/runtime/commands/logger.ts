/** Log lines as runc's callers read them: text or JSON, to a file or standard error. */
import { closeSync, openSync, writeSync } from "node:fs";
import { InvalidArgument } from "@gantry/oci";
import type { Log } from "../log.ts";

export interface Logger extends Log {
  /** The last word of a command that failed: to the log, and to standard error. */
  fatal(message: string): void;
  /** For the log file, if there is one, and not for standard error. */
  toFile(level: string, message: string): void;
  /** Debug lines are wanted. */
  readonly debugging: boolean;
}

export interface LogOptions {
  readonly file?: string | undefined;
  readonly format?: string | undefined;
  readonly debug: boolean;
}

/** @throws InvalidArgument for an unknown format. */
export function openLog({ file, format = "text", debug }: LogOptions): Logger {
  if (format !== "text" && format !== "json") throw new InvalidArgument(`invalid log-format: ${format}`);
  let fd = -1;
  const write = (level: string, message: string) => {
    const time = new Date().toISOString().replace(/\.\d+/, "");
    const line =
      format === "json"
        ? JSON.stringify({ level, msg: message, time })
        : `time="${time}" level=${level} msg=${JSON.stringify(message)}`;
    if (fd < 0) fd = file ? openSync(file, "as", 0o644) : 2;
    writeSync(fd, `${line}\n`);
  };
  if (file) closeSync(openSync(file, "as", 0o644)); // an unwritable log is an error now, not when something goes wrong
  return {
    debug: (message) => {
      if (debug) write("debug", message);
    },
    warn: (message) => write("warning", message),
    error: (message) => write("error", message),
    debugging: debug,
    toFile: (level, message) => {
      if (file) write(level, message);
    },
    fatal: (message) => {
      write("error", message);
      if (file) writeSync(2, `${message}\n`);
    },
  };
}
