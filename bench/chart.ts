/** A bar chart of results as SVG: a group per bench, a bar per subject, the 95th percentile as a thin line. */
import type { Row } from "./rows.ts";

const WIDTH = 760;
const LABEL = 210;
const BAR = 18;
const GAP = 6;
const HEAD = 30;
const OURS = "#0b7285";
const OTHERS = "#adb5bd";

const escaped = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

function bars(rows: readonly Row[], top: number): string[] {
  const scale = (WIDTH - LABEL - 90) / Math.max(...rows.map(({ p95 }) => p95));
  return rows.flatMap(({ subject, median, p95, unit }, i) => {
    const y = top + i * (BAR + GAP);
    const [end, tail] = [LABEL + median * scale, LABEL + p95 * scale];
    const fill = subject === "gantry" ? OURS : OTHERS;
    return [
      `<text x="${LABEL - 8}" y="${y + 13}" text-anchor="end">${escaped(subject)}</text>`,
      `<rect x="${LABEL}" y="${y}" width="${(median * scale).toFixed(1)}" height="${BAR}" fill="${fill}"/>`,
      `<path d="M${end.toFixed(1)} ${y + BAR / 2}H${tail.toFixed(1)}" stroke="#495057"/>`,
      `<text x="${(tail + 6).toFixed(1)}" y="${y + 13}">${median} ${unit}</text>`,
    ];
  });
}

/** @param groups title and rows of each bench. */
export function chart(groups: readonly { readonly title: string; readonly rows: readonly Row[] }[]): string {
  const body: string[] = [];
  let y = 10;
  for (const { title, rows } of groups) {
    body.push(`<text x="10" y="${y + 16}" font-weight="bold">${escaped(title)}</text>`, ...bars(rows, y + HEAD));
    y += HEAD + rows.length * (BAR + GAP) + 14;
  }
  const style = 'font-family="system-ui, sans-serif" font-size="13" fill="#212529"';
  const size = `width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}"`;
  const ground = `<rect width="${WIDTH}" height="${y}" fill="#fff"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style}>\n${[ground, ...body].join("\n")}\n</svg>\n`;
}
