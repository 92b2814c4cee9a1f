/** The criu program as a child of ours: `criu swrk 3`, requests and answers on a socket that is its descriptor 3. */
import { accessSync, closeSync, constants, readSync } from "node:fs";
import { delimiter, join } from "node:path";
import { FailedPrecondition } from "@gantry/oci";
import {
  AT_FDCWD,
  exitCode,
  isErrno,
  O_PATH,
  openat2,
  receiveMessage,
  sendMessage,
  seqpacketPair,
  spawnFd,
  waitPid,
} from "@gantry/sys";
import type { Log } from "../log.ts";
import { decode, encode } from "./protobuf.ts";
import {
  type CriuFeatures,
  type CriuOptions,
  type Notification,
  REQUEST,
  RESPONSE,
  type Request,
  type Response,
  TYPE,
  typeName,
} from "./rpc.ts";

/** The descriptors of CRIU: 0 to 2, the socket, and from here on `extra`. */
export const FIRST_EXTRA_FD = 4;

/** CRIU said no, or went away. Its log says why. */
export class CriuFailure extends FailedPrecondition {
  constructor(
    message: string,
    /** What CRIU itself said, which is only the first of its complaints. */
    readonly complaint?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A running CRIU. Disposing hangs up and waits for its end. */
export class Criu implements Disposable {
  private open = true;
  private status: number | undefined;

  constructor(
    readonly pid: number,
    private readonly socket: number,
  ) {}

  /** @throws CriuFailure when CRIU has ended. */
  send(request: Request): void {
    orEnded(() => sendMessage(this.socket, encode(REQUEST, request)));
  }

  /** @throws CriuFailure when CRIU ended instead of answering. */
  receive(): { readonly response: Response; readonly fds: readonly number[] } {
    const buffer = Buffer.allocUnsafe(40_960);
    const { length, fds } = orEnded(() => receiveMessage(this.socket, buffer));
    if (length === 0) throw new CriuFailure(ENDED);
    if (length === buffer.length) throw new CriuFailure("criu failed: its answer is too long");
    return { response: decode(RESPONSE, buffer.subarray(0, length)), fds };
  }

  /** Hangs up, waits, and returns the exit status. */
  end(): number {
    if (this.open) closeSync(this.socket);
    this.open = false;
    this.status ??= exitCode(waitPid(this.pid)?.status ?? 0);
    return this.status;
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

const ENDED = "criu failed: it ended without an answer";

/** A socket whose other end is closed tells in several ways. */
function orEnded<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!isErrno(error, "EPIPE", "ECONNRESET")) throw error;
    throw new CriuFailure(ENDED, undefined, { cause: error });
  }
}

/** @throws FailedPrecondition without a criu program on PATH. */
export function startCriu(stdio: readonly [number, number, number], extra: readonly number[] = []): Criu {
  const { fd, argv } = findProgram();
  const [ours, theirs] = seqpacketPair();
  try {
    const env = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
    return new Criu(
      spawnFd({ execFd: fd, argv: [...argv, "swrk", "3"], env, fds: [...stdio, theirs, ...extra] }),
      ours,
    );
  } catch (error) {
    closeSync(ours);
    throw error;
  } finally {
    closeSync(fd);
    closeSync(theirs);
  }
}

interface Program {
  readonly fd: number;
  readonly argv: readonly string[];
}

function findProgram(): Program {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(directory || ".", "criu");
    try {
      accessSync(path, constants.X_OK);
      return script(path) ?? { fd: openat2(AT_FDCWD, path, O_PATH), argv: ["criu"] };
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTDIR", "EACCES")) throw error;
    }
  }
  throw new FailedPrecondition('exec: "criu": executable file not found in $PATH');
}

/** A script cannot be run by a descriptor that closes on exec: its interpreter can. */
function script(path: string): Program | undefined {
  const fd = openat2(AT_FDCWD, path, constants.O_RDONLY);
  try {
    const head = Buffer.alloc(256);
    const line = head.toString("utf8", 0, readSync(fd, head)).split("\n")[0]!;
    if (!line.startsWith("#!")) return undefined;
    const [interpreter, ...argument] = line
      .slice(2)
      .trim()
      .split(/\s+(.*)/s);
    return {
      fd: openat2(AT_FDCWD, interpreter!, O_PATH),
      argv: [interpreter!, ...argument.filter((one) => one !== ""), path],
    };
  } finally {
    closeSync(fd);
  }
}

/**
 * Answers CRIU's notifications until the response to `request` comes.
 *
 * @throws CriuFailure, or what `onNotify` threw: CRIU is told then, and undoes what it did.
 */
export function converse(
  criu: Criu,
  request: Request,
  onNotify: (notification: Notification, fds: readonly number[]) => void,
  onFirst?: () => void,
): Response {
  criu.send(request);
  for (let first = true; ; first = false) {
    const { response, fds } = criu.receive();
    if (first) onFirst?.();
    if (!response.success) throw failure(response);
    if (response.type !== TYPE.notify) return expected(request, response);
    try {
      onNotify(response.notify ?? {}, fds);
    } catch (error) {
      refuse(criu);
      throw error;
    }
    criu.send({ type: TYPE.notify, notify_success: true });
  }
}

/** Lets CRIU undo what it did. */
function refuse(criu: Criu): void {
  try {
    criu.send({ type: TYPE.notify, notify_success: false });
  } catch {
    // gone already: what matters is why we refuse
  }
}

/** For `--debug`: what CRIU is going to be asked. */
export function logRequest(log: Log, type: number, options: CriuOptions): void {
  log.debug(`Using CRIU in ${typeName(type)} mode`);
  for (const [name, value] of Object.entries(options))
    if (value !== undefined) log.debug(`CRIU option ${name} with value ${JSON.stringify(value)}`);
}

function failure({ type, cr_errno, cr_errmsg }: Response): CriuFailure {
  return new CriuFailure(`criu failed: type ${typeName(type)} errno ${cr_errno ?? 0}`, cr_errmsg?.trim());
}

function expected(request: Request, response: Response): Response {
  if (response.type === request.type) return response;
  throw new CriuFailure(`criu failed: it answered ${typeName(response.type)} to ${typeName(request.type)}`);
}

/** One question to a CRIU of its own. */
function ask(request: Request): Response {
  const none = openat2(AT_FDCWD, "/dev/null", constants.O_RDWR);
  try {
    using criu = startCriu([none, none, none]);
    return converse(criu, request, () => {});
  } finally {
    closeSync(none);
  }
}

/**
 * 3.17.1 is 31701. A build from a working tree counts as the next minor version, which it leads to.
 *
 * @throws FailedPrecondition without CRIU, or with one older than 3.0.
 */
export function criuVersion(): number {
  let response: Response;
  try {
    response = ask({ type: TYPE.version });
  } catch (error) {
    throw new FailedPrecondition(`CRIU version check failed: ${(error as Error).message}`, { cause: error });
  }
  const { major_number = 0, minor_number = 0, sublevel = 0, gitid } = response.version ?? {};
  const release = major_number * 10_000 + minor_number * 100;
  const version = gitid ? release + 100 : release + sublevel;
  if (version < 30_000) throw new FailedPrecondition(`CRIU version ${version} must be 30000 or higher`);
  return version;
}

const FEATURE_NAMES = { mem_track: "MemTrack", lazy_pages: "LazyPages" } as const;

/** @throws FailedPrecondition unless CRIU and the kernel have the feature. */
export function requireFeature(name: keyof typeof FEATURE_NAMES): void {
  let features: CriuFeatures | undefined;
  try {
    features = ask({ type: TYPE.featureCheck, features: { [name]: true } }).features;
  } catch (error) {
    throw new FailedPrecondition(`CRIU feature check failed: ${(error as Error).message}`, { cause: error });
  }
  if (features?.[name] === false) throw new FailedPrecondition(`criu is missing features: [${FEATURE_NAMES[name]}]`);
}
