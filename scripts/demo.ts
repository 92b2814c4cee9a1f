/**
 * Shows real containers from an empty folder on: builds a bundle out of Debian's static busybox, and lets each promise of
 * a container be seen to hold. `npm run demo -- --shell` ends with a shell inside one. RUNTIME=… takes another runtime.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSpec, type Linux, type Mount, type Spec } from "@gantry/oci";
import { ROOT } from "./layout.ts";

const BUSYBOX = "/bin/busybox";
const LIMIT_BYTES = 16 * 1024 * 1024;
const DEADLINE_MS = 10_000;
const bold = (text: string) => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text);

const runtime = (process.env.RUNTIME ?? `${join(ROOT, "dist/gantry")} runc`).split(" ");
const scratch = mkdtempSync(join(tmpdir(), "gantry-demo-"));
const state = join(scratch, "state");
const rootfs = join(scratch, "rootfs");
const shared = join(scratch, "shared");
const id = (name: string) => `gantry-demo-${name}-${process.pid}`;

interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

/** Calls the runtime and returns what it and the container said. */
function call(...args: string[]): Outcome {
  const [program, ...first] = runtime;
  const options = { encoding: "utf8", cwd: scratch, timeout: DEADLINE_MS } as const;
  const { status, stdout, stderr } = spawnSync(program!, [...first, "--root", state, ...args], options);
  return { status, output: `${stdout ?? ""}${stderr ?? ""}`.trim() };
}

function expect(holds: boolean, { status, output }: Outcome): void {
  if (!holds) throw new Error(`this was not to happen: status ${status}\n${output}`);
}

/** Says what is shown, in one line, and what it proves. */
function show(what: string, outcome: string): void {
  console.log(`${bold(what)}\n    ${outcome.replaceAll("\n", "\n    ")}`);
}

function makeRootfs(): void {
  const folders = ["bin", "proc", "sys", "dev", "tmp", "data"];
  for (const folder of folders) mkdirSync(join(rootfs, folder), { recursive: true });
  mkdirSync(shared);
  execFileSync("cp", [BUSYBOX, join(rootfs, "bin/busybox")]);
  const applets = execFileSync(BUSYBOX, ["--list"], { encoding: "utf8" }).trim().split("\n");
  for (const applet of applets.filter((name) => name !== "busybox"))
    symlinkSync("busybox", join(rootfs, "bin", applet));
}

/** A bundle of the default configuration with a read-only root, /tmp in memory, and `shared` of the host as /data. */
function makeBundle(name: string, args: readonly string[], linux: Partial<Linux> = {}, terminal = false): string {
  const cgroupV2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
  const spec = defaultSpec({ rootless: false, euid: 0, egid: 0, cgroupV2 });
  const mounts: Mount[] = [
    ...(spec.mounts ?? []),
    { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "mode=1777"] },
    { destination: "/data", type: "bind", source: shared, options: ["rbind", "rw"] },
  ];
  const config: Spec = {
    ...spec,
    ociVersion: "1.0.2",
    hostname: "demo",
    root: { path: rootfs, readonly: true },
    process: { ...spec.process!, terminal, args },
    mounts,
    linux: { ...spec.linux, ...linux },
  };
  const bundle = join(scratch, name);
  mkdirSync(bundle);
  writeFileSync(join(bundle, "config.json"), JSON.stringify(config, null, 2));
  return bundle;
}

/** Runs a script (or a program) to its end in a container of its own. */
function run(name: string, command: string | readonly string[], linux?: Partial<Linux>): Outcome {
  const args = typeof command === "string" ? ["sh", "-c", command] : command;
  return call("run", "--bundle", makeBundle(name, args, linux), id(name));
}

function isolation(): void {
  const outcome = run("isolation", 'echo "I am process $$ on $(hostname), and I see:"; ps -o pid,args; ls /');
  expect(outcome.status === 0 && outcome.output.includes("I am process 1 on demo"), outcome);
  show("A container: its own processes, host name and root directory", outcome.output.replace(/\n(?=bin\n)/, "\n\n"));
}

function readOnlyRoot(): void {
  const outcome = run("readonly", "touch /bin/new");
  expect(outcome.status !== 0 && outcome.output.includes("Read-only file system"), outcome);
  show("Its root is read-only: the program can't change the image", outcome.output);
}

function bindMount(): void {
  const outcome = run("bind", 'echo "written at pid $$ inside" > /data/note');
  const note = readFileSync(join(shared, "note"), "utf8").trim();
  expect(outcome.status === 0 && note.startsWith("written"), outcome);
  show("A bind mount: a folder of the host is /data inside", `the host reads in ${join(shared, "note")}: ${note}`);
}

function memoryLimit(): void {
  const fill = ["dd", "if=/dev/zero", "of=/dev/shm/fill", "bs=1M", "count=60"];
  const resources = { memory: { limit: LIMIT_BYTES } };
  const free = run("unlimited", fill);
  expect(free.status === 0, free);
  const limited = run("limited", fill, { resources });
  expect(limited.status === 137, limited);
  show(
    "A memory limit of 16 MiB: who writes 60 MiB is killed",
    `without the limit: exit ${free.status}; with it: exit ${limited.status} = 128 + SIGKILL`,
  );
}

function seccompFilter(): void {
  const attempt = "mkdir /tmp/folder && echo made";
  const free = run("unfiltered", attempt);
  expect(free.output.includes("made"), free);
  const rule = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 1 } as const;
  const filtered = run("filtered", attempt, { seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] } });
  expect(filtered.status !== 0 && filtered.output.includes("Operation not permitted"), filtered);
  show("A seccomp filter that forbids mkdir", `without it: ${free.output}; with it: ${filtered.output}`);
}

/** Waits until `holds` returns true, looking again every 10 ms. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited ${DEADLINE_MS / 1000} s for ${what}`);
    await Bun.sleep(10);
  }
}

const ticks = () => (existsSync(join(shared, "ticks")) ? readFileSync(join(shared, "ticks"), "utf8").trim() : "");

async function execAndPause(): Promise<void> {
  const name = id("service");
  const script = "n=0; while :; do n=$((n+1)); echo $n > /data/next; mv /data/next /data/ticks; usleep 20000; done";
  // Its output is not piped: a background container keeps the pipe open, and we would wait for its end.
  const args = ["--root", state, "run", "--detach", "--bundle", makeBundle("service", ["sh", "-c", script]), name];
  const { status } = spawnSync(runtime[0]!, [...runtime.slice(1), ...args], { stdio: ["ignore", "ignore", "inherit"] });
  expect(status === 0, { status, output: "the container did not start" });
  await until("the first tick", () => ticks() !== "");

  const listed = call("exec", name, "ps", "-o", "pid,args");
  expect(listed.status === 0 && listed.output.includes("ps -o pid,args"), listed);
  show("exec: a second process in a running container", listed.output);

  expect(call("pause", name).status === 0, call("state", name));
  const before = ticks();
  await Bun.sleep(300); // not to wait for something: nothing is to happen in this time
  const after = ticks();
  const paused = JSON.parse(call("state", name).output).status;
  expect(paused === "paused" && before === after, { status: 0, output: `${paused}: ${before} → ${after}` });
  expect(call("resume", name).status === 0, call("state", name));
  await until("the container to go on", () => ticks() !== after);
  show("pause and resume", `the counter stood at ${before} for 300 ms (${paused}), then went on to ${ticks()}`);

  expect(call("kill", name, "KILL").status === 0, call("state", name));
  await until("the container to stop", () => JSON.parse(call("state", name).output).status === "stopped");
  const deleted = call("delete", name);
  expect(deleted.status === 0, deleted);
  show("kill and delete", "stopped, and gone");
}

function shell(): void {
  show("A shell inside; `exit` ends it", "");
  const bundle = makeBundle("shell", ["sh"], {}, true);
  spawnSync(runtime[0]!, [...runtime.slice(1), "--root", state, "run", "--bundle", bundle, id("shell")], {
    stdio: "inherit",
  });
}

/** What a container could have left on the host: mounts, control groups, processes, records. */
function leftovers(): string[] {
  const mark = new RegExp(`gantry-demo-[a-z]+-${process.pid}|${scratch}`);
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => mark.test(line));
  const cgroups = execFileSync("find", ["/sys/fs/cgroup", "-type", "d", "-name", `gantry-demo-*-${process.pid}`], {
    encoding: "utf8",
  });
  const processes = readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      return (
        mark.test(readFileSync(`/proc/${pid}/cmdline`, "latin1")) &&
        !readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ")
      );
    } catch {
      return false; // ended meanwhile
    }
  });
  const records = existsSync(state) ? readdirSync(state) : [];
  return [...mounts, ...cgroups.split("\n"), ...processes.map((pid) => `process ${pid}`), ...records].filter(
    (line) => line !== "",
  );
}

async function main(): Promise<void> {
  if (process.geteuid?.() !== 0) throw new Error("limits and a network of its own need root here: sudo npm run demo");
  console.log(`runtime: ${runtime.join(" ")}\nbundles: ${scratch}\n`);
  makeRootfs();
  isolation();
  readOnlyRoot();
  bindMount();
  memoryLimit();
  seccompFilter();
  await execAndPause();
  if (process.argv.includes("--shell")) shell();
  const left = leftovers();
  expect(left.length === 0, { status: 0, output: left.join("\n") });
  show("Nothing is left behind", "no mount, control group, process or record");
}

const start = performance.now();
let status = 0;
try {
  await main();
} catch (error) {
  console.error(`demo: ${(error as Error).message}`);
  status = 1;
} finally {
  if (existsSync(state)) for (const name of readdirSync(state)) call("delete", "--force", name);
  rmSync(scratch, { recursive: true, force: true });
}
if (status === 0)
  console.log(`\nAll of it took ${((performance.now() - start) / 1000).toFixed(1)} s. Try: npm run demo -- --shell`);
process.exit(status);
