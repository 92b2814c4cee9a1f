/**
 * A place for a daemon: its own network, mounts and processes, a folder, our runtime and an image. All of it is gone at the
 * end of the scope, also when the test is killed: the place ends with the pipe that it reads from.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { isErrno } from "@gantry/sys";
import { executable } from "../executable.ts";
import { makeImage } from "./image.ts";

export interface Result {
  readonly status: number;
  /** Standard output and standard error, without trailing line ends. */
  readonly output: string;
}

export interface Place extends AsyncDisposable {
  readonly folder: string;
  /** Our executable, called as runc. */
  readonly runtime: string;
  /** A docker archive with the image `docker.io/library/busybox:test`. */
  readonly image: string;
  /** Where control groups of the place belong. */
  readonly cgroup: string;
  /** Runs a line of shell in the place. */
  sh(script: string, options?: { readonly input?: string }): Result;
  /** Starts a line of shell there, with a terminal of 24 by 80 when asked for. */
  start(script: string, options?: { readonly terminal?: boolean }): Conversation;
}

export interface Conversation {
  /** Waits until the pattern shows up behind what was seen last. @throws Error after ten seconds. */
  sees(pattern: RegExp): Promise<string>;
  types(text: string): void;
  /** Exit status. */
  readonly ended: Promise<number>;
}

const SBIN = "/usr/local/sbin:/usr/sbin:/sbin";
const PATH = `${process.env.PATH}:${SBIN}`;
const CALL_LIMIT_MS = 25_000;

/** Why tests with these programs cannot run here; undefined when they can. */
export function obstacle(...programs: readonly string[]): string | undefined {
  if (process.geteuid!() !== 0) return "needs root";
  const missing = programs.filter((program) => Bun.which(program, { PATH }) === null);
  return missing.length > 0 ? `${missing.join(", ")} not installed` : undefined;
}

export async function openPlace(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), "gantry-peers-"));
  chmodSync(folder, 0o711); // root of a user namespace must get through to its image
  const runtime = join(folder, "runc");
  symlinkSync(executable(), runtime);
  const holder = Bun.spawn(
    ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "bash", join(import.meta.dir, "place.sh")],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit", env: { ...process.env, PATH } },
  );
  const { value } = await holder.stdout.getReader().read();
  const pid = new TextDecoder().decode(value).trim();
  if (!/^\d+$/.test(pid)) throw new Error(`no place for daemons: place.sh said "${pid}"`);
  const enter = ["nsenter", "--target", pid, "--net", "--mount", "--pid", "--"];
  const there = (script: string) => `cd ${folder}; ${script}`; // by its path: a descriptor would lead to the outer mounts
  const cgroup = `/${basename(folder)}`;
  return {
    folder,
    runtime,
    cgroup,
    image: makeImage(folder),
    sh: (script, { input = "" } = {}) => call([...enter, "bash", "-c", there(script)], input),
    start: (script, { terminal = false } = {}) =>
      converse([
        ...enter,
        ...(terminal ? ["script", "-qec", there(script), "/dev/null"] : ["bash", "-c", there(script)]),
      ]),
    async [Symbol.asyncDispose]() {
      holder.stdin.end();
      await holder.exited; // the kernel has ended every process of the place by then
      await removeCgroups(cgroup);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const environment = () => ({ ...process.env, PATH, TERM: "dumb" });

function call(argv: readonly string[], input: string): Result {
  const merged = ["bash", "-c", 'exec "$@" 2>&1', "-", ...argv];
  const options = { stdin: Buffer.from(input), timeout: CALL_LIMIT_MS, env: environment() } as const;
  const { exitCode, stdout } = Bun.spawnSync(merged, options);
  return { status: exitCode, output: stdout.toString().replace(/\n+$/, "") };
}

function converse(argv: readonly string[]): Conversation {
  const child = Bun.spawn([...argv], { stdin: "pipe", stdout: "pipe", stderr: "inherit", env: environment() });
  let text = "";
  let wake = () => {};
  (async () => {
    for await (const chunk of child.stdout) {
      text += new TextDecoder().decode(chunk);
      wake();
    }
  })();
  return {
    async sees(pattern) {
      const deadline = Date.now() + 10_000;
      for (;;) {
        const match = pattern.exec(text);
        if (match) {
          text = text.slice(match.index + match[0].length);
          return match[0];
        }
        const leftMs = deadline - Date.now();
        if (leftMs <= 0) throw new Error(`waited for ${pattern}, saw ${JSON.stringify(text)}`);
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const timer = setTimeout(resolve, leftMs);
        await promise;
        clearTimeout(timer);
      }
    },
    types(typed) {
      child.stdin.write(typed);
      child.stdin.flush();
    },
    ended: child.exited,
  };
}

/** Empty once the place has ended; the kernel may need a moment to see it. */
async function removeCgroups(cgroup: string): Promise<void> {
  const deadline = Date.now() + 5000;
  for (const hierarchy of ["", ...readdirSync("/sys/fs/cgroup")]) {
    const path = join("/sys/fs/cgroup", hierarchy, cgroup);
    while (existsSync(path) && !removeTree(path)) {
      if (Date.now() > deadline) throw new Error(`${path} is still in use`);
      await Bun.sleep(5);
    }
  }
}

function removeTree(path: string): boolean {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory() && !removeTree(join(path, entry.name))) return false;
  }
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return true;
    if (isErrno(error, "EBUSY")) return false;
    throw error;
  }
}

/** Writes a file of the place and returns its path. */
export function writeIn(place: Pick<Place, "folder">, name: string, content: string | object): string {
  const path = join(place.folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

/** Shell: repeats a command every 50 ms until it succeeds, up to ten seconds. */
export const UNTIL = `until_() { local i; for i in {1..200}; do eval "$1" &>/dev/null && return; sleep 0.05; done; echo "waited in vain for: $1"; return 1; };`;
