/**
 * Fuzzes the launcher's decoders (plan, channel, shim socket) with libFuzzer and the sanitizers for the given number of
 * seconds (60): `bun scripts/fuzz.ts 600`. What it learns stays in build/fuzz/learned; an input that fails, too.
 */
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OP_NAMES, OPS } from "../components/runtime/plan/ops.ts";
import { add, encodePlan, newPlan, type OpArguments } from "../components/runtime/plan/plan.ts";
import { ROOT } from "./layout.ts";

const NATIVE = join(ROOT, "native/launcher");
const WORK = join(ROOT, "build/fuzz");
const TARGET = join(WORK, "launcher-fuzz");
export const CORPUS = join(NATIVE, "fuzz/corpus");
const SOURCES = ["plan", "channel", "shim-message", "shim-client", "shim-stream", "shim-task"];

/** Builds the target when a source is newer. @throws Error with what the compiler said */
export function buildTarget(): string {
  const parts = ["fuzz.c", "plan.c", "channel.c", "shim.c"].map((name) => join(NATIVE, "fuzz", name));
  const sources = [...parts, ...SOURCES.map((name) => join(NATIVE, `${name}.c`))];
  const headers = [
    join(NATIVE, "launcher.h"),
    join(NATIVE, "shim.h"),
    join(NATIVE, "shim.c"),
    join(ROOT, "build/ops.h"),
  ];
  const newest = Math.max(...[...sources, ...headers].map((path) => statSync(path).mtimeMs));
  if (existsSync(TARGET) && statSync(TARGET).mtimeMs > newest) return TARGET;
  mkdirSync(WORK, { recursive: true });
  const flags = ["-g", "-O1", "-std=gnu11", "-Wall", "-Wextra", "-Werror", `-I${join(ROOT, "build")}`];
  const sanitizers = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"];
  const built = Bun.spawnSync(["clang", ...flags, ...sanitizers, "-o", TARGET, ...sources]);
  if (built.exitCode !== 0) throw new Error(`clang: ${built.stderr}`);
  return TARGET;
}

/** A sample for each kind of argument. */
const SAMPLES = {
  u: 2 ** 40 + 3,
  s: "/a/path",
  b: new Uint8Array([1, 2, 3, 0, 255]),
  l: ["one", "", "three"],
} as const;

/** Valid plans as seeds: every operation alone, and all in one. Made anew each time, since numbers of operations change. */
export function plantSeeds(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const whole = newPlan();
  for (const name of OP_NAMES) {
    const args = [...OPS[name]].map((kind) => SAMPLES[kind as keyof typeof SAMPLES]);
    const single = newPlan();
    for (const plan of [single, whole]) add(plan, "", name, args as unknown as OpArguments<typeof name>);
    writeFileSync(join(folder, `plan-${name}`), seed(encodePlan(single)));
  }
  writeFileSync(join(folder, "plan"), seed(encodePlan(whole)));
}

/** The target puts the constant parts of the header in front by itself: count and flags remain. */
function seed(plan: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from("p"), plan.subarray(24, 28), plan.subarray(12, 16), plan.subarray(32)]);
}

export interface FuzzRun {
  readonly exitCode: number;
  readonly runs: number;
  /** Edges of the program that were reached. */
  readonly coverage: number;
  readonly output: string;
}

function run(args: readonly string[]): FuzzRun {
  const { exitCode, stderr } = Bun.spawnSync([buildTarget(), ...args], { cwd: WORK });
  const output = stderr.toString();
  const number = (pattern: RegExp) => Number([...output.matchAll(pattern)].at(-1)?.[1] ?? 0);
  return { exitCode, runs: number(/Done (\d+) runs/g), coverage: number(/ cov: (\d+)/g), output };
}

/** Runs every input of the corpus once. */
export function replayCorpus(): FuzzRun {
  return run(
    readdirSync(CORPUS)
      .sort()
      .map((name) => join(CORPUS, name)),
  );
}

/** Looks for inputs that fail, beginning with the corpus, the seeds and what was learned before. */
export function fuzz(seconds: number): FuzzRun {
  const [learned, seeds] = [join(WORK, "learned"), join(WORK, "seeds")];
  mkdirSync(learned, { recursive: true });
  plantSeeds(seeds);
  return run([`-max_total_time=${seconds}`, "-max_len=2048", "-timeout=10", learned, CORPUS, seeds]);
}

if (import.meta.main) {
  const seconds = Number(process.argv[2] ?? 60);
  const { exitCode, runs, coverage, output } = fuzz(seconds);
  console.log(exitCode === 0 ? `${runs} inputs in ${seconds} s, ${coverage} edges, nothing found` : output);
  if (exitCode !== 0)
    console.log(`the failing input: ${readdirSync(WORK).filter((name) => /^(crash|timeout|leak|oom)-/.test(name))}`);
  process.exit(exitCode === 0 ? 0 : 1);
}
