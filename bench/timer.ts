/** The stopwatch: a small C program that spawns commands and measures them, so that our own runtime is not in the figures. */
import { readFileSync } from "node:fs";

export interface Measured {
  readonly wallMs: number;
  /** CPU time of the command and of what it waited for. */
  readonly cpuMs: number;
  /** Peak resident memory of the command or the largest process that it waited for. */
  readonly peakBytes: number;
}

export interface Timer extends AsyncDisposable {
  /** Runs a command in the cgroups given, output discarded. @throws Error with its stderr when it does not exit with 0. */
  time(argv: readonly string[], cgroups?: readonly string[]): Promise<Measured>;
}

/** @param wrapper command line in front of the program's own, for example to give it a mount namespace. */
export function startTimer(program: string, errorFile: string, wrapper: readonly string[]): Timer {
  const child = Bun.spawn([...wrapper, program, errorFile], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const lines = readLines(child.stdout);
  return {
    async time(argv, cgroups = []) {
      child.stdin.write(`${[cgroups.join(":"), ...argv].join("\x1f")}\n`);
      child.stdin.flush();
      const { value, done } = await lines.next();
      if (done) throw new Error("the timer has ended");
      const [ns, status, kilobytes, cpu] = value.split(" ").map(Number) as [number, number, number, number];
      if (status !== 0)
        throw new Error(`${argv.join(" ")}: wait status ${status}: ${readFileSync(errorFile, "utf8").trim()}`);
      return { wallMs: ns / 1e6, cpuMs: cpu / 1e3, peakBytes: kilobytes * 1024 };
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await child.exited;
    },
  };
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}
