/** Types, lint, format, and the rules about imports and files; reports all of them, then fails if one did. */
import { ROOT } from "./layout.ts";

const bun = process.execPath;
const CHECKS: readonly (readonly [what: string, argv: readonly string[]])[] = [
  ["types", [bun, "x", "tsc", "--noEmit"]],
  ["lint and format", [bun, "x", "biome", "check", "--max-diagnostics=200"]],
  ["imports and files", [bun, "test", "./test/imports.test.ts", "./test/tree.test.ts"]],
  ["shell scripts", ["bash", "-n", "scripts/setup.sh", ".ci/run"]],
];

const failed = CHECKS.filter(([what, argv]) => {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...argv], { cwd: ROOT });
  console.log(`${exitCode === 0 ? "ok  " : "FAIL"} ${what}`);
  if (exitCode !== 0) console.log(`${stdout}${stderr}`);
  return exitCode !== 0;
});
process.exit(failed.length > 0 ? 1 : 0);
