/** Checkpoint and restore on a machine where CRIU works: guest.sh runs there once, and each test looks at one scenario. */
import { beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { buildGuest, runInGuest } from "../../../../test/guest/index.ts";
import { makeBundle } from "../bundle.ts";

const ROOT = join(import.meta.dir, "../../../..");
const LIMIT_MS = 400_000; // half a minute on an idle machine
const BUILD_MS = 120_000;

const scenarios = new Map<string, string[]>();

beforeAll(async () => {
  await buildGuest();
  const folder = mkdtempSync(join(tmpdir(), "checkpoint-test-"));
  try {
    const { output } = await runInGuest({
      mode: "init",
      files: [
        { from: await executable(), to: "bin/gantry", mode: 0o755 },
        { from: join(import.meta.dir, "guest.sh"), to: "guest.sh" },
        { from: bundle(folder), to: "bundle" },
        ...(await terminalReceiver(folder)),
      ],
      command: "bash guest.sh 2>&1",
      timeoutMs: LIMIT_MS,
    });
    for (const part of output.split(/^=== /m).slice(1)) {
      const [name, ...lines] = part.trimEnd().split("\n");
      scenarios.set(name!, lines);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}, BUILD_MS + LIMIT_MS);

/** `GANTRY` names one that is there already. */
async function executable(): Promise<string> {
  if (process.env.GANTRY) return process.env.GANTRY;
  const build = Bun.spawn([process.execPath, join(ROOT, "scripts/build.ts")], { stdout: "ignore", stderr: "pipe" });
  if ((await build.exited) !== 0) throw new Error(await build.stderr.text());
  return join(ROOT, "dist/gantry");
}

function bundle(folder: string): string {
  return makeBundle(join(folder, "bundle"), {
    edit: (spec) => {
      spec.root!.readonly = false;
      spec.linux!.namespaces!.push({ type: "cgroup" });
      spec.mounts!.push({ destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["mode=1777"] });
    },
  });
}

/** terminal.ts for a machine without our sources: the executable runs it when called as Bun. */
async function terminalReceiver(folder: string): Promise<{ from: string; to: string }[]> {
  const { outputs } = await Bun.build({
    entrypoints: [join(import.meta.dir, "terminal.ts")],
    outdir: join(folder, "terminal"),
    target: "bun",
    naming: { asset: "[name].[ext]" },
  });
  return outputs.map(({ path }) => ({ from: path, to: basename(path) }));
}

const scenario = (name: string) => scenarios.get(name);

test("a restored container goes on where the checkpoint took it, in new cgroups with its limits", () => {
  const dumped = ["gone", '["/dev/null","/dev/null","/dev/null"]', "no cgroup"];
  const restored = ["running", "went on", "pid file", "64", "exec"];
  const mountsLeft = "0";
  // Of the create, of the checkpoint, of the restore, of the delete.
  const hooks = "creating running stopped creating stopped";
  expect(scenario("counter")).toEqual([...dumped, ...restored, mountsLeft, hooks]);
});

test("--leave-running takes a checkpoint of a container that does not notice", () => {
  expect(scenario("leave-running")).toEqual([
    "running",
    'msg="container with given ID already exists: running"',
    "goes on",
  ]);
});

test("a pre-dump is the parent of the dump; a foreground restore has new pipes and the program's exit status", () => {
  expect(scenario("pre-dump")).toEqual([
    "1 one",
    "running",
    "gone",
    "../first",
    "2 two",
    "3 three",
    "status 7",
    "gone",
  ]);
});

test("a restored terminal is sent to the console socket", () => {
  expect(scenario("terminal")).toEqual([
    "received /dev/pts/0",
    "seen 1 hello",
    "gone",
    "running",
    "received /dev/pts/0",
    "seen 2 again",
  ]);
});

test("a checkpoint that CRIU refuses says why, and the container goes on", () => {
  const reason = "Error (PLACE): Can't lookup mount=N for fd=1 path=/refused/outside";
  expect(scenario("refused")).toEqual([
    "status 1",
    'msg="--- Quoting \\"/img-refused/dump.log\\""',
    'msg="---"',
    `msg="criu failed: type DUMP errno 0: ${reason}"`,
    "running",
  ]);
});

test("a restore that fails leaves neither record nor cgroup nor mount", () => {
  expect(scenario("broken")).toEqual([
    'msg="criu failed: type RESTORE errno 0: Error',
    "gone",
    "ls: cannot access '/run/runc/broken': No such file or directory",
    "ls: cannot access '/sys/fs/cgroup/broken': No such file or directory",
    "0",
    'msg="open /img-broken/descriptors.json: no such file or directory"',
  ]);
});

test("bind mounts and joined namespaces come from the host again, and missing mount points are made", () => {
  expect(scenario("outside")).toEqual(["gone", "new", "same network", "down"]);
});

test("a container with a user namespace has its mapping again", () => {
  expect(scenario("user namespace")).toEqual(["gone", " 0 100000 65536"]);
});

test("memory follows lazily over the network after --status-fd said that it can", () => {
  expect(scenario("lazy pages")).toEqual(["ready", "fetched", "dumped", "gone"]);
});
