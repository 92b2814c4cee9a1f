import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chart } from "../chart.ts";
import { json, quantile, row, table } from "../rows.ts";

test("quantiles lie between the samples, whatever their order", () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile([5], 0.95)).toBe(5);
  expect(quantile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0], 0.95)).toBe(9.5);
});

const ROWS = [row("run", "gantry", "ms", [1, 2, 3]), row("run", "peer <1>", "ms", [4, 4, 4])];

test("a row has the fields that other programs read, and the file of rows is JSON with one a line", () => {
  expect(ROWS[0]).toEqual({ bench: "run", subject: "gantry", unit: "ms", median: 2, p95: 2.9, n: 3 });
  expect(JSON.parse(json(ROWS))).toEqual(ROWS);
  expect(json(ROWS).split("\n")).toHaveLength(5);
});

test("the table says how many times as much as ours a peer takes", () => {
  expect(table("run", ROWS)).toMatch(/peer <1> +4\.00 +4\.00 +2\.00 ×/);
});

test("the chart escapes names and draws to scale", () => {
  const svg = chart([{ title: "run", rows: ROWS }]);
  expect(svg).toContain("peer &#60;1&#62;");
  const widths = [...svg.matchAll(/width="([\d.]+)" height="18"/g)].map(([, width]) => Number(width));
  expect(widths[1]! / widths[0]!).toBeCloseTo(2, 1);
});

test("a bench measures the floor and whatever runtime is there, and leaves nothing behind", () => {
  const scratch = mkdtempSync(join(tmpdir(), "bench-test-"));
  try {
    const file = join(scratch, "rows.json");
    const argv = [process.execPath, join(import.meta.dir, "../main.ts"), "run", "-n", "3", "--json", file];
    const { exitCode, stderr } = Bun.spawnSync(argv);
    expect({ exitCode, stderr: stderr.toString().replace(/^run: .* is left out: .*\n/gm, "") }).toEqual({
      exitCode: 0,
      stderr: "",
    });
    const rows = JSON.parse(readFileSync(file, "utf8"));
    const floor = rows.find(({ subject }: { subject: string }) => subject === "floor");
    expect(floor).toEqual({
      bench: "run",
      subject: "floor",
      unit: "ms",
      median: expect.any(Number),
      p95: expect.any(Number),
      n: 3,
    });
    expect(floor.median).toBeGreaterThan(0.1);
    expect(floor.median).toBeLessThan(1000);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}, 60_000);

test("an unknown bench is named", () => {
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, join(import.meta.dir, "../main.ts"), "speed"]);
  expect(exitCode).toBe(1);
  expect(stderr.toString()).toContain('no bench "speed"; known: run exec');
});
