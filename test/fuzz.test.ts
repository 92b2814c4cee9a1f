/** The decoders of the privileged C program, under AddressSanitizer and UndefinedBehaviorSanitizer. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { CORPUS, fuzz, replayCorpus } from "../scripts/fuzz.ts";

const SECONDS = 12;

test("every input that was ever worth keeping is survived", () => {
  const { exitCode, output } = replayCorpus();
  expect(exitCode === 0 ? "" : output).toBe("");
  expect(output.match(/^Executed /gm)?.length).toBe(readdirSync(CORPUS).length);
}, 60_000);

test(`${SECONDS} seconds of mutated plans, messages and conversations make no decoder read outside`, () => {
  const { exitCode, runs, coverage, output } = fuzz(SECONDS);
  expect(exitCode === 0 ? "" : output).toBe("");
  console.log(`fuzzed ${runs} inputs, reached ${coverage} edges`);
  expect(runs).toBeGreaterThan(1000);
}, 90_000);
