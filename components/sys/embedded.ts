/**
 * Loads the addon that the executable carries inside. Bun itself would leave a copy in the temporary folder and fail
 * when that is read-only or forbids to execute; here the bytes go into a file without a name, which nobody else can
 * open and which is gone with the process, however it ends.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import addon from "../../build/sys.node" with { type: "file" };

const O_RDWR = 2;
/** O_TMPFILE of x86-64 and, with O_DIRECTORY's other number, of arm64. */
const O_TMPFILE = process.arch === "arm64" ? 0o20040000 : 0o20200000;
/** Kept in memory by nearly every system, and seldom noexec. */
const SHARED_MEMORY = "/dev/shm";

/** An anonymous memory file: works where every writable file system is noexec, but costs the start of the FFI. */
function memfd(): number {
  const { dlopen } = require("bun:ffi") as typeof import("bun:ffi");
  const { symbols } = dlopen("libc.so.6", { memfd_create: { args: ["cstring", "u32"], returns: "i32" } });
  return symbols.memfd_create(Buffer.from("gantry-sys\0"), 1);
}

/** Writes the addon to the fresh file `fd`, loads it from there, and closes the file. */
function loadFrom(fd: number, bytes: Uint8Array): unknown {
  try {
    writeSync(fd, bytes);
    const module = { exports: {} };
    process.dlopen(module, `/proc/self/fd/${fd}`);
    return module.exports;
  } finally {
    closeSync(fd);
  }
}

/** @throws Error of the last attempt when no place was found that can hold executable code. */
export function loadAddon(): unknown {
  const bytes = readFileSync(addon);
  const unnamedIn = (folder: string) => () => openSync(folder, O_RDWR | O_TMPFILE, 0o500);
  let failure: unknown;
  for (const open of [unnamedIn(SHARED_MEMORY), memfd, unnamedIn(tmpdir())]) {
    try {
      return loadFrom(open(), bytes);
    } catch (error) {
      failure = error; // the next place may do
    }
  }
  throw failure;
}
