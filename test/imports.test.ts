import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { declared, imports, violations } from "../scripts/imports.ts";
import { files, ROOT } from "../scripts/layout.ts";

test("no file of the repository breaks an import rule", () => {
  const sources = files((path) => /\.tsx?$/.test(path) && path !== "test/imports.test.ts");
  expect(sources.length).toBeGreaterThan(20);
  const broken = sources.flatMap((path) =>
    violations(path, imports(readFileSync(join(ROOT, path), "utf8")), declared(path)),
  );
  expect(broken).toEqual([]);
});

const ALL = new Set(["@gantry/oci", "@gantry/sys", "@gantry/runtime", "@gantry/engine", "yaml"]);
const FORBIDDEN: readonly (readonly [path: string, specifier: string, reason: string])[] = [
  ["components/oci/parse.ts", "@gantry/sys", "oci imports nothing of ours"],
  ["components/oci/parse.ts", "node:fs", "oci does no input or output"],
  ["components/sys/fd.ts", "@gantry/oci", "sys imports nothing of ours"],
  ["components/runtime/run.ts", "@gantry/engine", "runtime may only import components above it"],
  ["components/runtime/run.ts", "@gantry/runtime", "runtime may only import components above it"],
  ["components/runtime/run.ts", "@gantry/oci/parse.ts", "only the public face @gantry/oci may be imported"],
  ["components/runtime/run.ts", "../oci/parse.ts", "components/oci is imported through its package name only"],
  [
    "components/runtime/test/run.test.ts",
    "../../oci/parse.ts",
    "components/oci is imported through its package name only",
  ],
  ["bench/run.ts", "../components/runtime/index.ts", "components/runtime is imported through its package name only"],
  ["components/engine/task.ts", "../../gantry/main.ts", "nothing imports gantry/"],
  ["bench/run.ts", "gantry", "nothing imports gantry/"],
  ["components/runtime/run.ts", "zod", "zod is not in the dependencies of components/runtime"],
  ["apis/docker/index.ts", "@gantry/api-containerd", "an api never imports another api"],
];

for (const [path, specifier, reason] of FORBIDDEN) {
  test(`${path} may not import ${specifier}: ${reason}`, () => {
    expect(violations(path, [specifier], ALL)).toEqual([`${path}: "${specifier}": ${reason}`]);
  });
}

test("what the rules allow passes", () => {
  expect(violations("components/runtime/run.ts", ["@gantry/oci", "@gantry/sys", "./plan.ts", "node:fs"], ALL)).toEqual(
    [],
  );
  expect(violations("components/sys/native.ts", ["../../build/sys.node"], ALL)).toEqual([]);
  expect(violations("components/runtime/test/a.test.ts", ["../../../test/guest/index.ts"], ALL)).toEqual([]);
  expect(violations("components/runtime/test/a.test.ts", ["@gantry/runtime", "../../oci/test/broken.ts"], ALL)).toEqual(
    [],
  );
  expect(violations("gantry/main.ts", ["@gantry/engine", "./cli.ts", "yaml"], ALL)).toEqual([]);
});

test("every way to write an import is seen, comments are not", () => {
  const source = `
import a, { b } from "one";
import type { C } from "two";
export * from "three";
import "four";
import {
  d,
} from "five";
const e = require("six");
const f = await import("seven");
 * import { g } from "example";
// import "comment";
`;
  expect(imports(source)).toEqual(["one", "two", "three", "four", "five", "six", "seven"]);
});
