/** One connection to a shim: a request, its reply, and the bytes that follow. */
import { createConnection, type Socket } from "node:net";
import { Unavailable } from "@gantry/oci";
import { decodeReply, REPLY_SIZE, type ShimStatus } from "./message.ts";

/** How much output is held for a reader that is slower than the shim. */
const HIGH_WATER_BYTES = 1 << 18;

/**
 * The socket is read in one place from its first byte to its last, because the bytes after the reply may arrive together
 * with it.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];
  #buffered = 0;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#buffered += chunk.length;
      if (this.#buffered > HIGH_WATER_BYTES) socket.pause();
      this.#wake?.();
    });
    const end = () => {
      this.#ended = true;
      this.#wake?.();
    };
    socket.on("end", end).on("close", end);
    socket.on("error", (error) => {
      this.#error = error;
      end();
    });
  }

  /** @throws Unavailable when nobody listens: the shim has ended or was never there. */
  static async open(path: string, what: string, signal?: AbortSignal): Promise<Connection> {
    signal?.throwIfAborted();
    const socket = createConnection({ path, allowHalfOpen: true });
    const connection = new Connection(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", (error) => reject(new Unavailable(`${what}: no shim listens on ${path}`, { cause: error })));
    });
    return connection;
  }

  write(data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(data, (error) =>
        error ? reject(new Unavailable("the shim is gone", { cause: error })) : resolve(),
      );
    });
  }

  /** No more is written; reading goes on. */
  endWriting(): void {
    this.#socket.end();
  }

  /** The next chunk, or undefined at the end. @throws what `signal` was aborted with */
  async read(signal?: AbortSignal): Promise<Buffer | undefined> {
    while (this.#chunks.length === 0 && !this.#ended) {
      signal?.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal?.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return undefined;
    this.#buffered -= chunk.length;
    if (this.#buffered <= HIGH_WATER_BYTES / 2) this.#socket.resume();
    return chunk;
  }

  /** @throws Unavailable when the shim ends first, GantryError by the error it answered */
  async reply(what: string, signal?: AbortSignal): Promise<ShimStatus> {
    let bytes = Buffer.alloc(0);
    while (bytes.length < REPLY_SIZE) {
      const chunk = await this.read(signal);
      if (chunk === undefined)
        throw new Unavailable(`${what}: the shim ended before it answered`, { cause: this.#error });
      bytes = Buffer.concat([bytes, chunk]);
    }
    if (bytes.length > REPLY_SIZE) {
      this.#chunks.unshift(bytes.subarray(REPLY_SIZE));
      this.#buffered += bytes.length - REPLY_SIZE;
    }
    return decodeReply(bytes, what);
  }

  close(): void {
    this.#socket.destroy();
  }
}
