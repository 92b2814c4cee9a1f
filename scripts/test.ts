/**
 * Runs all tests, or with arguments those whose path contains one of them (`npm test -- oci seccomp`); `-t NAME` picks
 * by the test's name, `-v` shows the output of what passes too. Ends with the line `N passed, N failed, N skipped`.
 *
 * Each file has a process of its own: tests here change what belongs to a process, such as signals, umask, subreaper.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { COMPONENTS, files, ROOT } from "./layout.ts";

const TOTAL_LIMIT_MS = 17 * 60_000;
const FILE_LIMIT_MS = 10 * 60_000;
const TEST_LIMIT_MS = 30_000;
/** What runs first: the pure before what needs the kernel, the parts before the whole. */
const ORDER = [...COMPONENTS.map((name) => `components/${name}/`), "gantry/", "bench/", "scripts/", "test/"];

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
}

interface Run {
  readonly status: number | null;
  readonly output: string;
  readonly timedOut: boolean;
}

function testFiles(wanted: readonly string[]): string[] {
  const rank = (path: string) => ORDER.findIndex((prefix) => path.startsWith(prefix));
  return files(
    (path) => path.endsWith(".test.ts") && (wanted.length === 0 || wanted.some((part) => path.includes(part))),
  )
    .map((path) => ({ path, rank: rank(path) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ path }) => path);
}

/** Runs a command in its own process group and collects what it prints; after `limitMs` the whole group is killed. */
function run(argv: readonly string[], limitMs: number): Promise<Run> {
  return new Promise((resolve, reject) => {
    const env = {
      GANTRY: join(ROOT, "dist/gantry"),
      ...process.env,
      PATH: `${join(ROOT, "node_modules/.bin")}:${process.env.PATH}`,
    };
    const child = spawn(process.execPath, argv, { cwd: ROOT, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const chunks: Buffer[] = [];
    let timedOut = false;
    const stop = () => {
      try {
        process.kill(-child.pid!, "SIGKILL");
      } catch {
        // Gone already.
      }
    };
    const interrupted = () => {
      stop();
      process.exit(130);
    };
    const timer = setTimeout(() => {
      timedOut = true;
      stop();
    }, limitMs);
    process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stderr.on("data", (chunk) => chunks.push(chunk));
    child.on("error", reject);
    // "exit", not "close": a process left behind by a test may hold the pipe for ever.
    child.on("exit", (status) =>
      setTimeout(() => {
        clearTimeout(timer);
        process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
        child.stdout.destroy();
        child.stderr.destroy();
        resolve({ status, output: Buffer.concat(chunks).toString(), timedOut });
      }, 10),
    );
  });
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&", "#10": " " };

/** Reads the counts from Bun's JUnit report. A file that fails outside of a test counts as one failure. */
function outcome(report: string, { status, timedOut }: Run): Outcome {
  let xml = "";
  try {
    xml = readFileSync(report, "utf8");
  } catch {
    return { passed: 0, failed: 1, skipped: [] };
  }
  const total = (name: string) => Number(new RegExp(`<testsuites[^>]* ${name}="(\\d+)"`).exec(xml)?.[1] ?? 0);
  const skipped = [...xml.matchAll(/<testcase name="([^"]*)"[^>]*>\s*<skipped/g)].map(([, name]) =>
    name!.replace(/&([^;]+);/g, (whole, entity) => ENTITIES[entity] ?? whole),
  );
  const failures = total("failures");
  const failed = (status !== 0 || timedOut) && failures === 0 ? 1 : failures;
  return { passed: total("tests") - failures - total("skipped"), failed, skipped };
}

/** Runs one file and prints one line about it, and all its output when it failed. */
async function testFile(path: string, name: string | undefined, limitMs: number, verbose: boolean): Promise<Outcome> {
  const scratch = mkdtempSync(join(tmpdir(), "gantry-test-"));
  try {
    const report = join(scratch, "report.xml");
    const argv = ["test", `--timeout=${TEST_LIMIT_MS}`, "--reporter=junit", `--reporter-outfile=${report}`];
    if (name !== undefined) argv.push("-t", name, "--pass-with-no-tests");
    const start = performance.now();
    const ended = await run([...argv, `./${path}`], limitMs);
    const result = outcome(report, ended);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    if (verbose || result.failed > 0) process.stdout.write(ended.output);
    const count = `${result.passed} passed${result.failed ? `, ${result.failed} FAILED` : ""}`;
    const timeout = ended.timedOut ? `; stopped after ${Math.round(limitMs / 1000)} s` : "";
    console.log(`${result.failed ? "FAIL" : "ok  "} ${path}: ${count}, ${seconds} s${timeout}`);
    for (const skipped of result.skipped) console.log(`     skipped: ${skipped}`);
    return result;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { name: { type: "string", short: "t" }, verbose: { type: "boolean", short: "v", default: false } },
    allowPositionals: true,
  });
  const deadline = performance.now() + TOTAL_LIMIT_MS;
  // Tests of the command line call the executable, as users have it.
  const built = await run([join(ROOT, "scripts/build.ts")], FILE_LIMIT_MS);
  if (built.status !== 0) throw new Error(`dist/gantry could not be built: ${built.output}`);
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const path of testFiles(positionals)) {
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) {
      console.log(`FAIL ${path}: not run, the ${TOTAL_LIMIT_MS / 60_000} minutes for all tests are over`);
      failed++;
      continue;
    }
    const result = await testFile(path, values.name, Math.min(leftMs, FILE_LIMIT_MS), values.verbose);
    passed += result.passed;
    failed += result.failed;
    skipped += result.skipped.length;
  }
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

process.exit(await main());
