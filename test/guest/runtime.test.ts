/**
 * The tests of the runtime that ask something of the kernel, once more where this machine may differ: pure cgroup v2, every
 * capability, systemd. One boot for each mode; each test in there is a test here, with its name and its outcome.
 */
import { describe, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { files, ROOT } from "../../scripts/layout.ts";
import { executable } from "../executable.ts";
import { buildGuest, type GuestRun, runInGuest } from "./index.ts";

const LIMIT_MS = 540_000; // two minutes on an idle machine

/**
 * What is run in there, below components/runtime/test: what asks for control groups, devices, or a systemd, and the whole
 * once. Left out: what is pure (compile/, most of seccomp/ and cgroups/), what has a boot of its own (checkpoint/), and what
 * is no different in there but takes long on an emulated processor (broken, diagnosis, launcher, stress, shim/, security/).
 */
const FILES: Readonly<Record<GuestRun["mode"], readonly string[]>> = {
  init: [
    "background.test.ts",
    "cgroups/limits.test.ts",
    "cgroups/live.test.ts",
    "cgroups/v2.guest.ts",
    "enter.test.ts",
    "events.test.ts",
    "inform.test.ts",
    "library.test.ts",
    "netdevices.test.ts",
    "notify.test.ts",
    "security/binary.test.ts",
    "security/cgroups.test.ts",
    "security/devices.test.ts",
    "security/exec.test.ts",
    "update.test.ts",
  ],
  systemd: ["cgroups/systemd.guest.ts", "systemd.guest.ts"],
};

type Mode = GuestRun["mode"];

interface Report {
  readonly file: string;
  readonly status: number;
  readonly tests: readonly { readonly name: string; readonly outcome: "passed" | "failed" | "skipped" }[];
  /** What the file printed, when it failed. */
  readonly output: string;
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&", "#10": " " };
const plain = (text: string) => text.replace(/&([^;]+);/g, (whole, entity) => ENTITIES[entity] ?? whole);

function parse(part: string): Report {
  const [, file, status] = /^(\S+) (\d+) \d+\n/.exec(part) ?? ["", "unknown", "1"];
  const xml = part.slice(0, part.lastIndexOf("</testsuites>"));
  const cases = xml.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>\s*<(failure|skipped|error))/g);
  return {
    file: file!,
    status: Number(status),
    tests: [...cases].map(([, name, mark]) => ({
      name: plain(name!),
      outcome: mark === undefined ? "passed" : mark === "skipped" ? "skipped" : "failed",
    })),
    output: part.slice(part.lastIndexOf("</testsuites>") + 1),
  };
}

/** The sources as the tests need them; an archive, because it keeps the links of node_modules. */
function archive(folder: string): string {
  const path = join(folder, "repository.tar");
  const parts = ["components", "gantry", "test", "scripts", "package.json", "tsconfig.json", "build/launcher"];
  const built = ["build/sys.node", "build/plan-hash.ts", "node_modules/@gantry"];
  const tar = spawnSync("tar", ["-C", ROOT, "-cf", path, "--exclude=rootfs", ...parts, ...built]);
  if (tar.status !== 0) throw new Error(`tar: ${tar.stderr}`);
  return path;
}

/** There is no compiler in the guest: what tests compile there is compiled here, and cc.sh hands it out. */
function compile(folder: string): string {
  const programs = join(folder, "programs");
  mkdirSync(programs);
  for (const source of files((path) => path.endsWith(".c"), "components/runtime/test")) {
    const cc = spawnSync("cc", ["-O1", "-static", "-o", join(programs, basename(source, ".c")), join(ROOT, source)]);
    if (cc.status !== 0) throw new Error(`${source}: ${cc.stderr}`);
  }
  return programs;
}

async function runAll(mode: Mode, repository: string, programs: string): Promise<Report[]> {
  const { output } = await runInGuest({
    mode,
    files: [
      { from: process.execPath, to: "bin/bun", mode: 0o755 },
      { from: executable(), to: "bin/gantry", mode: 0o755 },
      { from: repository, to: "repository.tar" },
      { from: programs, to: "programs" },
      { from: join(import.meta.dir, "inside.sh"), to: "inside.sh" },
      { from: join(import.meta.dir, "cc.sh"), to: "bin/cc", mode: 0o755 },
    ],
    command: ["bash", "/payload/inside.sh", ...FILES[mode].map((file) => `components/runtime/test/${file}`)],
    timeoutMs: LIMIT_MS,
    memoryMiB: 1536,
    onLine: (line) => {
      const [, file, status, seconds] = /^=== (\S+\.ts) (\d+) (\d+)$/.exec(line) ?? [];
      if (file) console.log(`${mode}: ${file}: ${status === "0" ? "ok" : "FAILED"}, ${seconds} s in there`);
    },
  });
  const parts = output.split(/^=== /m).slice(1);
  if (!parts.pop()?.startsWith("end ")) throw new Error(`the tests in the guest stopped early: ${output.slice(-2000)}`);
  return parts.map(parse);
}

const folder = mkdtempSync(join(tmpdir(), "guest-runtime-"));
try {
  await buildGuest();
  executable();
  const [repository, programs] = [archive(folder), compile(folder)];
  const modes = ["init", "systemd"] as const;
  const reports = await Promise.all(modes.map((mode) => runAll(mode, repository, programs)));
  for (const [i, mode] of modes.entries()) for (const report of reports[i]!) declare(mode, report);
} finally {
  rmSync(folder, { recursive: true });
}

/** Makes the outcomes in the guest ours. */
function declare(mode: Mode, { file, status, tests, output }: Report): void {
  if (status !== 0) console.error(`${file} in mode ${mode}:\n${output}`);
  describe(`${mode}: ${file}`, () => {
    for (const { name, outcome } of tests) {
      test.skipIf(outcome === "skipped")(name, () => {
        if (outcome === "failed") throw new Error("failed in the guest; see the output above");
      });
    }
    test("ends well", () => {
      if (status !== 0) throw new Error(`bun test ended with ${status}; see the output above`);
    });
  });
}
