/** Who is measured: ours, and the runtimes that are found on this machine. */
import { accessSync, constants } from "node:fs";
import { basename, join } from "node:path";

export interface Subject {
  /** "gantry", or the peer's name and version. */
  readonly name: string;
  /** The start of every command line, up to the runtime's own arguments. */
  readonly command: readonly string[];
  /** The bare C program: it knows no commands. */
  readonly isFloor?: boolean;
}

const PEERS = ["runc", "crun", "youki"];

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Name and version out of what `--version` prints first: "runc version 1.2.3+dfsg" gives "runc 1.2.3". */
function nameOf(path: string): string {
  const { stdout } = Bun.spawnSync([path, "--version"]);
  const version = /\d+\.\d+(\.\d+)?/.exec(stdout.toString())?.[0];
  return version ? `${basename(path)} ${version}` : basename(path);
}

/** The peers in PATH, then those of BENCH_RUNTIMES (paths with ':' between them). */
export function findPeers(environment: NodeJS.ProcessEnv): Subject[] {
  const named = (environment.BENCH_RUNTIMES ?? "").split(":").filter((path) => path !== "");
  const missing = named.find((path) => !executable(path));
  if (missing !== undefined) throw new Error(`BENCH_RUNTIMES: ${missing} is not an executable file`);
  const found = PEERS.map((name) => Bun.which(name)).filter((path) => path !== null);
  const subjects = [...found, ...named].map((path) => ({ name: nameOf(path), command: [path] }));
  // Two builds of the same version are told apart by their paths.
  return subjects.map((subject) =>
    subjects.filter(({ name }) => name === subject.name).length > 1
      ? { ...subject, name: `${subject.name} (${subject.command[0]})` }
      : subject,
  );
}

/** Our own executable, in the folder `dist` of the repository. */
export function gantry(root: string): Subject {
  return { name: "gantry", command: [join(root, "dist/gantry"), "runc"] };
}
