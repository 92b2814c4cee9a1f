/** A container of the command line that runs while a test looks at it, and is gone afterwards. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BundleOptions, makeBundle } from "./bundle.ts";
import { type Result, RUNC, runc } from "./command.ts";

export interface Detached extends Disposable {
  readonly id: string;
  readonly root: string;
  readonly bundle: string;
  /** Our command line on this root. */
  runc(...args: string[]): Result;
  /** The same with something to read. */
  runcWith(stdin: string, ...args: string[]): Result;
  spawn(...args: string[]): Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** A file of the container's v1 control group. */
  cgroup(controller: string, file: string): string;
  readonly pid: number;
}

export interface DetachedOptions extends BundleOptions {
  /** The first command; by default `run --detach`. */
  readonly command?: readonly string[];
  /** Flags before the first command. */
  readonly globals?: readonly string[];
  readonly env?: Record<string, string>;
}

let count = 0;

/** @throws Error with what the command said when it fails. */
export function detached(options: DetachedOptions = {}): Detached {
  const folder = mkdtempSync(join(tmpdir(), "gantry-detached-"));
  const id = `gantry-test-${process.pid}-${++count}`;
  const root = join(folder, "root");
  makeBundle(folder, { args: ["sleep", "1000"], ...options });
  const call = (args: readonly string[], more: Parameters<typeof runc>[1] = {}) =>
    runc(["--root", root, ...args], more);
  const [first = "run", ...flags] = options.command ?? ["run", "--detach"];
  // Output to a file: what runs detached keeps a pipe open for as long as it lives.
  const output = join(folder, "output");
  const made = Bun.spawnSync(
    [...RUNC, "--root", root, ...(options.globals ?? []), first, "--bundle", folder, ...flags, id],
    {
      stdio: ["ignore", Bun.file(output), Bun.file(output)],
      env: { ...process.env, ...options.env },
    },
  );
  const record = () => JSON.parse(readFileSync(join(root, id, "state.json"), "utf8"));
  const container: Detached = {
    id,
    root,
    bundle: folder,
    runc: (...args) => call(args),
    runcWith: (stdin, ...args) => call(args, { stdin }),
    spawn: (...args) =>
      Bun.spawn([...RUNC, "--root", root, ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe" }),
    cgroup: (controller, file) => readFileSync(`${record().cgroup_paths[controller]}/${file}`, "utf8").trim(),
    get pid() {
      return record().init_process_pid;
    },
    [Symbol.dispose]() {
      call(["delete", "--force", id]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  if (made.exitCode === 0) return container;
  const said = readFileSync(output, "utf8");
  container[Symbol.dispose]();
  throw new Error(`${first}: status ${made.exitCode}: ${said}`);
}
