import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { files, ROOT } from "../scripts/layout.ts";

const text = (path: string) => readFileSync(join(ROOT, path), "utf8");
const MAX_LINES = 400;
const WARN_LINES = 300;
/** Folders of tables that were written by a program or read as data. */
const TABLES = /\/tables\//;

test(`no source file is longer than ${MAX_LINES} lines`, () => {
  const sources = files((path) => /\.(tsx?|[ch])$/.test(path) && !TABLES.test(path));
  expect(sources.length).toBeGreaterThan(20);
  const lines = sources.map((path) => ({ path, lines: text(path).split("\n").length - 1 }));
  for (const { path, lines: n } of lines) {
    if (n > WARN_LINES && n <= MAX_LINES && !path.endsWith(".c"))
      console.warn(`${path}: ${n} lines; aim for ${WARN_LINES}`);
  }
  expect(lines.filter(({ lines }) => lines > MAX_LINES)).toEqual([]);
});

/** Pieces, so that this file does not hold what it looks for. */
const FOREIGN = [
  ["/wo", "rk/(main|shared|\\.)"],
  ["/tmp", "/w/"],
  ['"resolved": "', "https?:"],
];

test("no file names a place of the machine that it was written on, nor where packages came from", () => {
  const pattern = new RegExp(FOREIGN.map((pieces) => `(?<![\\w.$}])${pieces.join("")}`).join("|"));
  const found = files(() => true).flatMap((path) =>
    text(path)
      .split("\n")
      .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
  );
  expect(found).toEqual([]);
});

const components = readdirSync(join(ROOT, "components"));

for (const name of components) {
  test(`the component ${name} has a README, a package of its own and a public face that holds exports alone`, () => {
    const folder = `components/${name}`;
    expect(["README.md", "package.json", "index.ts"].filter((file) => !existsSync(join(ROOT, folder, file)))).toEqual(
      [],
    );
    const statements = text(`${folder}/index.ts`)
      .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")
      .split(";")
      .map((statement) => statement.trim());
    expect(statements.filter((s) => s !== "" && !/^export\s+(type\s+)?(\*|\{)[\s\S]*\bfrom\b/.test(s))).toEqual([]);
  });
}
