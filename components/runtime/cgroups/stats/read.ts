/** Reads the numbers of a cgroup. */
import { readdirSync } from "node:fs";
import type { Uint64 } from "@gantry/oci";
import { isErrno } from "@gantry/sys";
import type { CgroupState } from "../cgroup.ts";
import { tryReadFile } from "../file.ts";
import { count, pageSizeName } from "./parse.ts";
import type { CgroupStats } from "./types.ts";
import { readV1 } from "./v1.ts";
import { readV2 } from "./v2.ts";

/** Files below one directory; undefined without a directory or file. */
export type Reader = (file: string) => string | undefined;

/** @throws SysError when a file that must be there cannot be read. */
export function readStats(state: CgroupState): CgroupStats {
  return state.host.mode === "v2" ? readV2(reader(state, "")) : readV1((controller) => reader(state, controller));
}

function reader({ root, paths, options }: CgroupState, controller: string): Reader {
  const directory = paths[controller];
  return (file) => {
    if (directory === undefined) return undefined;
    try {
      return tryReadFile(root, `${directory}/${file}`);
    } catch (error) {
      // EOPNOTSUPP: a file of a controller, or of PSI, that is compiled in but switched off.
      if (isErrno(error, "EOPNOTSUPP", "ENOTSUP") || options.rootless) return undefined;
      throw error;
    }
  };
}

/** The number in a file, 0 without it. */
export function number(read: Reader, file: string): Uint64 {
  const text = read(file);
  return text === undefined ? 0 : count(text);
}

/** The sizes of huge pages that this machine has: `2MB`, `1GB`. */
export function hugePageSizes(): string[] {
  try {
    return readdirSync("/sys/kernel/mm/hugepages")
      .map(pageSizeName)
      .filter((name) => name !== undefined);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}
