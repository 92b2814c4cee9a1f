/**
 * Compiled plans, kept: nothing in a plan depends on the process that compiled it, so one made from the same
 * configuration, options and facts is as good as a new one. The name of an entry is the hash of all of these; what can
 * change without them (the rootfs, the passwd file) is looked at again. Entries lie in memory (/run), ours alone.
 */
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { InvalidArgument, readJson, type Spec, writeJson } from "@gantry/oci";
import { absolutePath, isErrno } from "@gantry/sys";
import { PLAN_HASH } from "../../../build/plan-hash.ts";
import type { CgroupWrite } from "../cgroups/index.ts";
import { silent } from "../log.ts";
import { homeOf } from "../passwd.ts";
import { type Context, type CreateOptions, cgroupOf, compileBundle, type Prepared } from "../prepare.ts";
import { findRootfs } from "../rootfs.ts";
import type { Plan } from "./plan.ts";

type Options = Omit<CreateOptions, "io">;

const DIRECTORY = "/run/gantry/plans";
const MOST = 64;

interface Entry {
  readonly spec: Spec;
  readonly writes: readonly CgroupWrite[];
  readonly devicesEarly: boolean;
  readonly born: boolean;
  /** Where the passwd file lies, and the home directory found there; absent when the configuration says it itself. */
  readonly home?: { readonly passwd: string; readonly path: string };
}

/** A plan kept from an earlier time that is still right; undefined when there is none. */
export function recall(context: Context, options: Options): Prepared | undefined {
  const bundle = absolutePath(options.bundle);
  const file = fileOf(context, options, bundle);
  const kept = file === undefined ? undefined : readEntry(file);
  if (kept === undefined) return undefined;
  const { entry, encoded } = kept;
  const { spec, writes, devicesEarly, born, home } = entry;
  const rootfs = findRootfs(bundle, spec.root!.path);
  if (home && homeOf(home.passwd, rootfs, spec.process?.user?.uid ?? 0) !== home.path) return undefined;
  let whole: Prepared | undefined;
  const again = () => {
    whole ??= compileBundle({ ...context, log: silent }, { ...options, reuse: false });
    return whole;
  };
  const plan: Plan = {
    get ops() {
      return again().plan.ops;
    },
    encoded,
    fifo: options.fifo,
    cgroup: false,
    born,
  };
  return {
    spec,
    bundle,
    rootfs,
    get facts() {
      return again().facts;
    },
    plan,
    cgroup: cgroupOf(context, options.id, spec),
    writes,
    rdt: undefined,
    devicesEarly,
  };
}

/** Only what the key covers whole: nothing that looks at other namespaces or files of the host. */
export function isReusable({ spec, plan, rdt, facts }: Prepared): boolean {
  const joins = spec.linux?.namespaces?.some(({ path }) => path) ?? false;
  return !joins && rdt === undefined && facts.links.size === 0 && !facts.rootless && !plan.ops.some((op) => op.proxy);
}

/** Keeps a plan. Whatever goes wrong here costs only the next start its advantage. */
export function keep(
  context: Context,
  options: Options,
  { spec, plan, writes, devicesEarly, bundle, facts }: Prepared,
): void {
  const file = fileOf(context, options, bundle);
  if (file === undefined) return;
  const { encodePlan } = require("./plan.ts") as typeof import("./plan.ts");
  const { passwdOf, setsHome } = require("../users.ts") as typeof import("../users.ts");
  const own = spec.process !== undefined && setsHome(spec.process);
  const home = own ? undefined : { passwd: passwdOf(spec), path: facts.home };
  const entry: Entry = { spec, writes, devicesEarly, born: plan.born, ...(home && { home }) };
  const temporary = `${file}.${process.pid}`;
  try {
    makeRoom();
    writeFileSync(temporary, Buffer.concat([Buffer.from(`${writeJson(entry)}\n`), encodePlan(plan)]), { mode: 0o600 });
    renameSync(temporary, file);
  } catch (error) {
    // The container runs: no full or broken disk may end it now.
    if (!(error instanceof Error && "code" in error)) throw error;
    rmSync(temporary, { force: true });
  }
}

/** Undefined where no entry can be trusted, or the configuration cannot be read. */
function fileOf({ host, systemdCgroup }: Context, options: Options, bundle: string): string | undefined {
  if (host.rootless || host.inUserNamespace || systemdCgroup || options.noPivot || options.mounts) return undefined;
  let config: string;
  try {
    config = readFileSync(`${bundle}/config.json`, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES", "EISDIR")) return undefined;
    throw error;
  }
  const { id, fifo, noNewKeyring, preserveFds, extraEnv } = options;
  const facts = [
    PLAN_HASH.toString(),
    bundle,
    id,
    fifo,
    noNewKeyring,
    preserveFds,
    extraEnv,
    host.lastCapability,
    host.apparmor,
    host.selinux,
  ];
  const hash = new Bun.CryptoHasher("sha256")
    .update(JSON.stringify([...facts, host.capabilities.toString(), host.cgroups]))
    .update(config);
  return `${DIRECTORY}/${hash.digest("hex")}`;
}

function readEntry(file: string): { entry: Entry; encoded: Uint8Array } | undefined {
  if (!isOurs()) return undefined;
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
  const end = bytes.indexOf(10);
  try {
    return { entry: readJson(bytes.toString("utf8", 0, end), file) as Entry, encoded: bytes.subarray(end + 1) };
  } catch (error) {
    if (!(error instanceof InvalidArgument)) throw error;
    rmSync(file, { force: true }); // damaged: the configuration itself is still there
    return undefined;
  }
}

/** A directory that somebody else could write to is no place to take plans from. */
function isOurs(): boolean {
  try {
    const stat = lstatSync(DIRECTORY);
    return stat.isDirectory() && stat.uid === process.geteuid!() && (stat.mode & 0o077) === 0;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

/** The oldest go when there are too many. */
function makeRoom(): void {
  mkdirSync(DIRECTORY, { recursive: true, mode: 0o700 });
  const names = readdirSync(DIRECTORY);
  if (names.length < MOST) return;
  const byAge = names
    .map((name) => ({ name, at: statSync(`${DIRECTORY}/${name}`).mtimeMs }))
    .sort((a, b) => a.at - b.at);
  for (const { name } of byAge.slice(0, names.length - MOST + 1)) rmSync(`${DIRECTORY}/${name}`, { force: true });
}
