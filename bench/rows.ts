/** The results: statistics, and the three ways to show them. */
export interface Row {
  readonly bench: string;
  readonly subject: string;
  readonly unit: string;
  readonly median: number;
  readonly p95: number;
  readonly n: number;
}

/** The value below which `share` of the samples lie. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (place - low);
}

const rounded = (value: number) => Number(value.toPrecision(4));

export function row(bench: string, subject: string, unit: string, samples: readonly number[]): Row {
  const [median, p95] = [rounded(quantile(samples, 0.5)), rounded(quantile(samples, 0.95))];
  return { bench, subject, unit, median, p95, n: samples.length };
}

/** A table of one bench; the last column says how many times as much as gantry a subject takes. */
export function table(title: string, rows: readonly Row[]): string {
  const ours = rows.find(({ subject }) => subject === "gantry")?.median;
  const number = (value: number) => value.toFixed(value < 10 ? 2 : 1);
  const cells = rows.map(({ subject, median, p95 }) => [
    subject,
    number(median),
    number(p95),
    ours === undefined ? "" : `${(median / ours).toFixed(2)} ×`,
  ]);
  const header = ["", `median ${rows[0]?.unit}`, "p95", "of gantry's"];
  const widths = header.map((name, i) => Math.max(name.length, ...cells.map((line) => line[i]!.length)));
  const line = (columns: readonly string[]) =>
    columns.map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join("   ");
  return [title, line(header), ...cells.map(line)].map((text, i) => (i === 0 ? text : `  ${text}`)).join("\n");
}

/** One row a line, so that two files can be compared by eye and by diff. */
export function json(rows: readonly Row[]): string {
  return `[\n${rows.map((r) => `  ${JSON.stringify(r)}`).join(",\n")}\n]\n`;
}
