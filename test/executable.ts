/** The executable for tests that need the real thing, as users have it. */
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { files, ROOT } from "../scripts/layout.ts";

/**
 * Path of an executable of the present sources: `GANTRY` when that is set, else dist/gantry, built when a source is newer.
 *
 * @throws Error with what the build said.
 */
export function executable(): string {
  if (process.env.GANTRY) return process.env.GANTRY;
  const path = join(ROOT, "dist/gantry");
  if (existsSync(path) && statSync(path).mtimeMs > newestSource()) return path;
  const build = spawnSync(process.execPath, [join(ROOT, "scripts/build.ts")], { encoding: "utf8" });
  if (build.status !== 0) throw new Error(`dist/gantry could not be built: ${build.stderr}`);
  return path;
}

function newestSource(): number {
  const sources = files((file) => /^(components|gantry)\/.*(?<!\.test)\.ts$|^scripts\/build/.test(file));
  const built = ["build/sys.node", "build/launcher"].filter((file) => existsSync(join(ROOT, file)));
  return Math.max(...[...sources, ...built].map((file) => statSync(join(ROOT, file)).mtimeMs));
}
