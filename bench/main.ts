/**
 * Measures our runtime beside the peers that are on this machine: the same bundle, rounds in turn, median and 95th
 * percentile. `npm run bench -- [name…] [-n ROUNDS] [--json FILE] [--svg FILE] [--list]`
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Case, Probe, Stand } from "./case.ts";
import * as cases from "./cases/index.ts";
import { chart } from "./chart.ts";
import { json, type Row, row, table } from "./rows.ts";
import { makeStand } from "./stand.ts";
import { findPeers, gantry, type Subject } from "./subjects.ts";

const ROOT = join(import.meta.dir, "..");
const ALL: readonly Case[] = [
  ...[cases.run, cases.exec, cases.lifecycle, cases.create, cases.start, cases.remove],
  ...[cases.state, cases.kill, cases.list, cases.features, cases.memory, cases.charged, cases.shim],
];
const WARM_UP = 5;

interface Entrant {
  readonly subject: Subject;
  readonly probe: Probe;
  readonly samples: number[];
}

/** Opens the bench for each subject, with a first sample as proof; those that fail are left out, with a line that says why. */
async function entrants(bench: Case, subjects: readonly Subject[], stand: Stand): Promise<Entrant[]> {
  const able: Entrant[] = [];
  for (const subject of subjects) {
    if ((subject.isFloor && !bench.floor) || (bench.alone && subject.name !== "gantry")) continue;
    try {
      const probe = await bench.open(subject, stand);
      await probe.sample();
      able.push({ subject, probe, samples: [] });
    } catch (error) {
      console.error(`${bench.name}: ${subject.name} is left out: ${(error as Error).message}`);
    }
  }
  return able;
}

/** Every round takes one sample of each subject, beginning with another one each time. */
async function measure(bench: Case, subjects: readonly Subject[], stand: Stand, rounds: number): Promise<Row[]> {
  const able = await entrants(bench, subjects, stand);
  try {
    for (let round = -WARM_UP; round < rounds; round++) {
      for (let i = 0; i < able.length; i++) {
        const { probe, samples } = able[(i + round + WARM_UP) % able.length]!;
        const value = await probe.sample();
        if (round >= 0) samples.push(value);
      }
    }
  } finally {
    for (const { probe } of able) await probe[Symbol.asyncDispose]();
  }
  return able.map(({ subject, samples }) => row(bench.name, subject.name, bench.unit, samples));
}

function chosen(names: readonly string[]): readonly Case[] {
  const unknown = names.find((name) => !ALL.some((bench) => bench.name === name));
  if (unknown) throw new Error(`no bench "${unknown}"; known: ${ALL.map(({ name }) => name).join(" ")}`);
  return names.length > 0 ? ALL.filter(({ name }) => names.includes(name)) : ALL;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      rounds: { type: "string", short: "n", default: "60" },
      json: { type: "string" },
      svg: { type: "string" },
      list: { type: "boolean", default: false },
    },
    allowPositionals: true,
  });
  if (values.list) return console.log(ALL.map(({ name, title }) => `${name.padEnd(10)} ${title}`).join("\n"));
  if (process.geteuid?.() !== 0) throw new Error("the benches start containers as root; run them with sudo");
  const benches = chosen(positionals);
  await using stand = makeStand(ROOT);
  const floors: Subject[] = [
    { name: "floor", command: [stand.floor], isFloor: true },
    { name: "floor + cgroups", command: [stand.floor, "-c", stand.freshId()], isFloor: true },
  ];
  const subjects = [gantry(ROOT), ...findPeers(process.env), ...floors];
  const groups: { title: string; rows: Row[] }[] = [];
  for (const bench of benches) {
    const rows = await measure(bench, subjects, stand, Number(values.rounds));
    groups.push({ title: `${bench.name}: ${bench.title} (${bench.unit})`, rows });
    console.log(`${table(`${bench.name}: ${bench.title}`, rows)}\n`);
  }
  if (values.json) writeFileSync(values.json, json(groups.flatMap(({ rows }) => rows)));
  if (values.svg) writeFileSync(values.svg, chart(groups.filter(({ rows }) => rows.length > 0)));
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  process.exit(1);
}
