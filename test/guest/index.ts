/**
 * Runs a command on a machine of its own: pure cgroup v2, systemd when asked for, CRIU, every capability.
 * The machine is QEMU's; see README.md.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface GuestFile {
  /** A file or folder of this machine. */
  readonly from: string;
  /** Where the guest sees it, below `/payload` (read-only). `bin/` is in its PATH. */
  readonly to: string;
  /** Permission bits, for example 0o755; those of `from` when absent. */
  readonly mode?: number;
}

export interface GuestRun {
  /** PID 1 of the guest: our own small one, or systemd with its system bus. */
  readonly mode: "init" | "systemd";
  readonly files?: readonly GuestFile[];
  /** Program and arguments; a string is a script for bash. It starts in `/payload`. */
  readonly command: string | readonly string[];
  /** Limit of everything from power on to power off. */
  readonly timeoutMs: number;
  readonly memoryMiB?: number;
  /** Receives each line of the output as it comes. */
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface GuestResult {
  /** Exit status of the command, 128 + number when a signal ended it. */
  readonly status: number;
  /** What the command wrote, standard output and standard error in one. */
  readonly output: string;
}

/**
 * Boots the guest, runs `command` in it and powers it off; the guest's disk forgets everything.
 *
 * @throws Error when the machine could not be built or booted, stopped by itself, or passed `timeoutMs`;
 * the message ends with what the machine said last.
 */
export async function runInGuest(run: GuestRun): Promise<GuestResult> {
  const child = spawn(script("run"), argumentsOf(run), { stdio: ["ignore", "pipe", "pipe"], signal: run.signal });
  const [output, complaint, status] = await Promise.all([
    text(child.stdout, run.onLine),
    text(child.stderr),
    new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve)),
  ]);
  // The command's own standard error arrives in `output`; only the rig itself writes here.
  if (status === null || complaint.includes("guest: ")) throw new Error(`${complaint}${output.slice(-2000)}`);
  return { status, output };
}

/** Builds the guest's disk when its inputs have changed, which takes about a minute; returns at once otherwise. */
export async function buildGuest(): Promise<void> {
  const child = spawn(script("build"), [], { stdio: ["ignore", "ignore", "pipe"] });
  const [complaint, status] = await Promise.all([
    text(child.stderr),
    new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve)),
  ]);
  if (status !== 0) throw new Error(`build of the guest failed: ${complaint}`);
}

function argumentsOf({ mode, files = [], command, timeoutMs, memoryMiB }: GuestRun): string[] {
  const args = [`--${mode}`, "--timeout", String(timeoutMs / 1000)];
  if (memoryMiB !== undefined) args.push("--memory", String(memoryMiB));
  for (const file of files) {
    args.push("--file", [file.from, file.to, file.mode?.toString(8) ?? ""].join(":"));
  }
  return [...args, "--", ...(typeof command === "string" ? ["bash", "-c", command] : command)];
}

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

async function text(stream: AsyncIterable<Uint8Array>, onLine?: (line: string) => void): Promise<string> {
  const chunks: Uint8Array[] = [];
  const decoder = new TextDecoder();
  let begun = "";
  for await (const chunk of stream) {
    chunks.push(chunk);
    if (onLine === undefined) continue;
    const lines = (begun + decoder.decode(chunk, { stream: true })).split("\n");
    begun = lines.pop()!;
    for (const line of lines) onLine(line);
  }
  return Buffer.concat(chunks).toString();
}
