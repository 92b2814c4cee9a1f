/** Cgroups and processes for tests; all of them are gone at the end of the scope, whatever happened in it. */
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { pipe } from "@gantry/sys";
import { detectCgroups, type OpenOptions, openCgroup } from "../../cgroups/index.ts";

export const host = detectCgroups();
export const v2 = host.mode === "v2";

let made = 0;

/** A name that no other test has. */
export function name(): string {
  return `gantry-test-${process.pid}-${made++}`;
}

/** The kernel's text of a file of the cgroup, trimmed. */
export function valueIn(paths: Readonly<Record<string, string>>, controller: string, file: string): string {
  return readFileSync(`${paths[v2 ? "" : controller]}/${file}`, "utf8").trim();
}

/** An open cgroup that is not made yet. */
export function cgroup(options: Partial<OpenOptions> = {}) {
  const cg = openCgroup({ host, id: name(), cgroupsPath: `/${name()}`, ...options });
  return Object.assign(cg, {
    [Symbol.dispose]() {
      if (cg.exists()) {
        cg.kill();
        cg.destroy();
      }
    },
  });
}

/** Makes a sub-cgroup in every hierarchy, as a container would; a new cpuset needs its parent's resources. */
export function makeSub(paths: Readonly<Record<string, string>>, sub: string): string[] {
  for (const path of Object.values(paths)) {
    mkdirSync(`${path}/${sub}`);
    for (const file of ["cpuset.cpus", "cpuset.mems"])
      if (!v2 && existsSync(`${path}/${file}`))
        writeFileSync(`${path}/${sub}/${file}`, readFileSync(`${path}/${file}`, "utf8"));
  }
  return Object.values(paths).map((path) => `${path}/${sub}`);
}

export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** Lets the script go on from its `read`. */
  go(): void;
  /** Status, or the name of the signal. */
  readonly exit: Promise<number | string>;
  /** True when it is not dead within `ms`. */
  survives(ms: number): Promise<boolean>;
}

/** A shell that waits for `go()` in each `read`. */
export function child(script = "read go"): Child {
  const [input, output] = pipe();
  const process = spawn("sh", ["-c", script], { stdio: [input, "ignore", "ignore"] });
  closeSync(input);
  const exit = new Promise<number | string>((resolve) =>
    process.once("exit", (code, signal) => resolve(signal ?? code ?? -1)),
  );
  return {
    pid: process.pid!,
    go: () => writeSync(output, "\n"),
    exit,
    survives: (ms) => Promise.race([exit.then(() => false), new Promise<true>((r) => setTimeout(() => r(true), ms))]),
    async [Symbol.asyncDispose]() {
      process.kill("SIGKILL");
      await exit;
      closeSync(output);
    },
  };
}
