/** What lies where in the repository: the order of the components, and the files that are ours. */
import { readdirSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dir, "..");

/** The components in the order of layers: each may import those above it. */
export const COMPONENTS = [
  "oci",
  "sys",
  "runtime",
  "content",
  "snapshots",
  "distribution",
  "engine",
  "network",
  "build",
  "trust",
  "linux",
  "vm",
  "infra",
  "swarm",
  "datakit",
] as const;

const IGNORED = new Set(["node_modules", ".git", "dist", "build", ".cache", "testdata"]);

/** Paths of the files below `folder` that satisfy `accepts`, relative to the root of the repository, sorted. */
export function files(accepts: (path: string) => boolean, folder = ""): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    // `build` is ignored at the top only: there is a component of that name.
    if (IGNORED.has(entry.name) && (entry.name !== "build" || folder === "")) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...files(accepts, path));
    else if (entry.isFile() && accepts(path)) found.push(path);
  }
  return found.sort();
}
