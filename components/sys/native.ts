import { loadAddon } from "./load.ts";

/** The addon as it is; everything else in this component gives it types. */
export type Pointers = { readonly bytes: Uint8Array; readonly pointers: readonly (readonly [number, Argument])[] };
/** A string is passed as C string, bytes as their address, `Pointers` as a struct that holds addresses, null as 0. */
export type Argument = number | bigint | string | null | Uint8Array | Pointers;

interface Addon {
  syscall(nr: number, ...args: Argument[]): number;
  syscallAsync(nr: number, ...args: Argument[]): Promise<number>;
  spawn(options: {
    execFd: number;
    argv: readonly string[];
    env: readonly string[];
    fds: readonly number[];
    parentDeathSignal?: number;
  }): number;
  launcher(): number;
  supervise(options: {
    pid: number;
    pidfd: number;
    master: number;
    copies: readonly (readonly [from: number, to: number, closeTo: 0 | 1])[];
  }): number;
}

export const native = loadAddon() as Addon;
