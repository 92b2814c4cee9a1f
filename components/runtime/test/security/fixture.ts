/** A folder for one attack: bundles, a state directory, something worth attacking. Containers and files are gone at the end. */
import { afterAll, setDefaultTimeout } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BundleOptions, makeBundle } from "../bundle.ts";
import { type Result, RUNC, runc } from "../command.ts";

const [PIPE, WAIT_MS] = ["pipe", 5000] as const;

export interface Scene extends Disposable {
  readonly folder: string;
  /** A directory of the host, outside every bundle, in which nothing may ever appear. */
  readonly victim: string;
  readonly bundle: string;
  readonly rootfs: string;
  /** Writes the configuration anew. */
  configure(options: BundleOptions): void;
  runc(...args: string[]): Result;
  /** `runc run` of the bundle. */
  run(...flags: string[]): Result;
  /** `runc create` of the bundle; returns the pid of its process. */
  create(): number;
  /** Runs a container that sleeps, for what is done to a running one; returns the pid of its process. */
  start(options?: BundleOptions): number;
  /** Exchanges two names until the scope ends. */
  swap(a: string, b: string): Promise<Disposable>;
}

setDefaultTimeout(60_000);

export const ID = `gantry-attack-${process.pid}`;

/** The program with which the attacks of attacker.c are made; static, so that it runs in any root. */
export const ATTACKER = join(mkdtempSync(join(tmpdir(), "gantry-attacker-")), "attacker");
const cc = Bun.spawnSync([
  "cc",
  "-O1",
  "-static",
  "-Wall",
  "-Werror",
  "-o",
  ATTACKER,
  join(import.meta.dir, "attacker.c"),
]);
if (cc.exitCode !== 0) throw new Error(`attacker.c: ${cc.stderr}`);
afterAll(() => rmSync(join(ATTACKER, ".."), { recursive: true, force: true }));

export function scene(options: BundleOptions = {}): Scene {
  const folder = mkdtempSync(join(tmpdir(), "gantry-attack-"));
  const [bundle, victim, root] = [join(folder, "bundle"), join(folder, "victim"), join(folder, "root")];
  const rootfs = join(bundle, "rootfs");
  mkdirSync(victim);
  mkdirSync(bundle);
  const configure = (changed: BundleOptions) => {
    rmSync(rootfs, { recursive: true, force: true });
    makeBundle(bundle, changed);
    copyFileSync(ATTACKER, join(rootfs, "bin/attacker"));
  };
  configure(options);
  const call = (...args: string[]) => runc(["--root", root, ...args]);
  // Without pipes: the container would keep them open for as long as it runs.
  const detached = (...args: string[]) => {
    const log = join(folder, "log");
    const argv = [...RUNC, "--root", root, "--log", log, ...args];
    const { exitCode } = Bun.spawnSync(argv, { stdio: ["ignore", "ignore", "ignore"] });
    if (exitCode !== 0) throw new Error(`status ${exitCode}: ${existsSync(log) ? readFileSync(log, "utf8") : ""}`);
    return JSON.parse(call("state", ID).stdout).pid as number;
  };
  return {
    folder,
    victim,
    bundle,
    rootfs,
    configure,
    runc: call,
    run: (...flags) => call("run", "--bundle", bundle, ...flags, ID),
    create: () => detached("create", "--bundle", bundle, ID),
    start(changed = {}) {
      configure({ ...changed, args: ["sleep", "100"] });
      return detached("run", "--detach", "--bundle", bundle, ID);
    },
    swap,
    [Symbol.dispose]() {
      if (existsSync(join(root, ID))) call("delete", "--force", ID);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function swap(a: string, b: string): Promise<Disposable> {
  const child = Bun.spawn([ATTACKER, "swap", a, b], { stdin: "ignore", stdout: PIPE, stderr: "inherit" });
  const reader = child.stdout.getReader();
  const late = setTimeout(() => child.kill(9), WAIT_MS);
  await reader.read(); // it is at work
  clearTimeout(late);
  reader.releaseLock();
  return { [Symbol.dispose]: () => child.kill(9) };
}

/** A secret of the host, with its mode. */
export function secret(path: string, mode = 0o600): string {
  writeFileSync(path, "secret of the host\n", { mode });
  return path;
}
