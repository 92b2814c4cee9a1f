import { expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../scripts/layout.ts";

/** Runs the test runner on the files whose path contains `part`. */
function runTests(part: string) {
  const { exitCode, stdout } = Bun.spawnSync([process.execPath, join(ROOT, "scripts/test.ts"), part]);
  return { exitCode, lines: stdout.toString().trimEnd().split("\n") };
}

/** The same on files written for it. */
function runWritten(files: Record<string, string>) {
  const name = `runner-${process.pid}-${Object.keys(files).length}`;
  const folder = join(ROOT, "test", name);
  mkdirSync(folder);
  try {
    for (const [file, text] of Object.entries(files)) {
      writeFileSync(join(folder, file), `import { expect, test } from "bun:test";\n${text}`);
    }
    return runTests(`test/${name}/`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("the last line counts over all files, and a skipped test is named", () => {
  const passing = 'test("one", () => {});\ntest("two", () => {});';
  const skipping = 'test("three", () => {});\ntest.skip("needs a & b", () => {});';
  const { exitCode, lines } = runWritten({ "a.test.ts": passing, "b.test.ts": skipping });
  expect(exitCode).toBe(0);
  expect(lines.at(-1)).toBe("3 passed, 0 failed, 1 skipped");
  expect(lines).toContain("     skipped: needs a & b");
});

test("a failed test, a file that cannot be loaded and a process that dies are failures", () => {
  const { exitCode, lines } = runWritten({
    "fails.test.ts": 'test("no", () => expect(1).toBe(2));',
    "loads.test.ts": 'import "./absent.ts";',
    "dies.test.ts": 'test("dies", () => process.kill(process.pid, "SIGKILL"));',
  });
  expect(exitCode).toBe(1);
  expect(lines.at(-1)).toBe("0 passed, 3 failed, 0 skipped");
});

test("it is a failure when no test ran", () => {
  expect(runTests("no such file")).toEqual({ exitCode: 1, lines: ["0 passed, 0 failed, 0 skipped"] });
});
