/** What a shim can be asked, from any process, at any time after its start; each request is a connection of its own. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pidfdWait, trySyscall } from "@gantry/sys";
import { Connection } from "./connection.ts";
import { ATTACH, type ExitStatus, encodeRequest, exitOf, type RequestName, type ShimStatus } from "./message.ts";
import { SOCKET_NAME } from "./start.ts";

/** `id` names an exec everywhere; without it the container's own process is meant. */
export interface Shim {
  status(id?: string): Promise<ShimStatus>;
  /** Resolves when the process has ended and its exit is on disk. @throws Unavailable when the shim ends first: see `exitWithoutShim` */
  wait(options?: { readonly id?: string; readonly signal?: AbortSignal }): Promise<ExitStatus>;
  /** @throws FailedPrecondition without a terminal */
  resize(rows: number, columns: number, id?: string): Promise<void>;
  /** @throws FailedPrecondition when the process has ended */
  signal(number: number, id?: string): Promise<void>;
  /** The process reads the end of its input, after what was sent before. Without meaning for a terminal. */
  closeStdin(id?: string): Promise<void>;
  /** @throws FailedPrecondition when the stdio was given by the caller */
  attach(options?: AttachOptions): Promise<Attachment>;
  /** Ends the shim of a container that has ended. @throws FailedPrecondition while it has not */
  shutdown(): Promise<void>;
}

export interface AttachOptions {
  readonly id?: string;
  /** What is written goes to the process. */
  readonly input?: boolean;
  /** The end of what is written is the end of the input of the process. */
  readonly inputEnds?: boolean;
  /** Begin with what the process wrote last (up to 64 KiB). */
  readonly replay?: boolean;
  /** Rather be cut off than hold the process up by reading slowly. */
  readonly lossy?: boolean;
  readonly signal?: AbortSignal;
}

export interface Attachment extends AsyncDisposable {
  readonly terminal: boolean;
  /** Bytes of a terminal; for pipes frames as the Docker API has them, which `frames` takes apart. Ends with the process. */
  output(): AsyncGenerator<Buffer>;
  write(data: Uint8Array): Promise<void>;
  endInput(): void;
  close(): void;
}

/** @throws Unavailable when no shim listens in `directory` */
export async function connectShim(directory: string): Promise<Shim> {
  const path = join(directory, SOCKET_NAME);
  const ask = async (name: RequestName, id?: string, rest: { a?: number; b?: number; signal?: AbortSignal } = {}) => {
    const connection = await Connection.open(path, name, rest.signal);
    try {
      await connection.write(encodeRequest(name, id, rest));
      return await connection.reply(name, rest.signal);
    } finally {
      connection.close();
    }
  };
  await ask("status");
  return {
    status: (id) => ask("status", id),
    wait: async ({ id, signal } = {}) => (await ask("wait", id, signal ? { signal } : {})).exit!,
    resize: async (rows, columns, id) => void (await ask("resize", id, { a: rows, b: columns })),
    signal: async (number, id) => void (await ask("signal", id, { a: number })),
    closeStdin: async (id) => void (await ask("closeStdin", id)),
    shutdown: async () => void (await ask("shutdown")),
    attach: (options = {}) => attach(path, options),
  };
}

async function attach(path: string, options: AttachOptions): Promise<Attachment> {
  const { id, signal } = options;
  let flags = 0;
  for (const name of ["input", "inputEnds", "replay", "lossy"] as const) if (options[name]) flags |= ATTACH[name];
  const connection = await Connection.open(path, "attach", signal);
  try {
    await connection.write(encodeRequest("attach", id, { flags }));
    const { terminal } = await connection.reply("attach", signal);
    const close = () => connection.close();
    return {
      terminal,
      output: async function* () {
        for (;;) {
          const chunk = await connection.read(signal);
          if (chunk === undefined) return;
          yield chunk;
        }
      },
      write: (data) => connection.write(data),
      endInput: () => connection.endWriting(),
      close,
      [Symbol.asyncDispose]: async () => close(),
    };
  } catch (error) {
    connection.close();
    throw error;
  }
}

const STREAMS = ["stdin", "stdout", "stderr"] as const;
const FRAME_HEAD = 8;

/** Takes the frames of an attachment or a log apart: stream:u8, three zero bytes, length:u32be, bytes. */
export async function* frames(
  output: AsyncIterable<Buffer>,
): AsyncGenerator<{ readonly stream: "stdout" | "stderr"; readonly data: Buffer }> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of output) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= FRAME_HEAD && rest.length >= FRAME_HEAD + rest.readUInt32BE(4)) {
      const end = FRAME_HEAD + rest.readUInt32BE(4);
      yield { stream: STREAMS[rest[0]!] === "stderr" ? "stderr" : "stdout", data: rest.subarray(FRAME_HEAD, end) };
      rest = rest.subarray(end);
    }
  }
}

/** The exit that a shim wrote to disk, whether or not it still lives; undefined while there is none. */
export function recordedExit(directory: string, id?: string): ExitStatus | undefined {
  const path = join(directory, id ? `exit.${id}` : "exit");
  if (!existsSync(path)) return undefined;
  const { status, signal, time } = JSON.parse(readFileSync(path, "utf8")) as {
    status: number;
    signal: number;
    time: string;
  };
  return { status, signal, time: new Date(time) };
}

const PIDFD_GET_INFO = 0xc040ff0b;
const PIDFD_INFO_EXIT = 8;
const EXIT_CODE_AT = 60;

/**
 * For a process whose shim was killed: waits for its end on a pidfd that was opened while it lived. The status is known
 * from Linux 6.15 on, where its new parent reaps it within a second; else undefined.
 */
export async function exitWithoutShim(pidfd: number): Promise<Omit<ExitStatus, "time"> | undefined> {
  await pidfdWait(pidfd);
  // The status is there once its new parent has reaped it, which is nothing that can be waited for.
  for (let attempt = 0; attempt < 40; attempt++) {
    const info = new DataView(new ArrayBuffer(64));
    info.setBigUint64(0, BigInt(PIDFD_INFO_EXIT), true);
    if (trySyscall("ioctl", pidfd, PIDFD_GET_INFO, new Uint8Array(info.buffer)) < 0) return undefined;
    if ((info.getBigUint64(0, true) & BigInt(PIDFD_INFO_EXIT)) !== 0n) return exitOf(info.getInt32(EXIT_CODE_AT, true));
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return undefined;
}
