/**
 * Conditions on arguments → BPF. An argument has 64 bits and BPF compares 32: the high word first, then the low one.
 * A test that follows on one of the same word, or of an argument whose high word is known already, does not load again.
 */
import {
  ALU_AND_K,
  type Code,
  constant,
  JMP_JEQ_K,
  JMP_JGE_K,
  JMP_JGT_K,
  JMP_JSET_K,
  type Place,
  prepend,
  prependJump,
  prependLoad,
  type Target,
} from "./assembler.ts";
import type { Chain } from "./decisions.ts";
import type { Condition } from "./profile.ts";

/** How arguments lie in seccomp_data. */
export interface Words {
  readonly wide: boolean;
  readonly bigEndian: boolean;
}

/** Code that begins with the load of `word`; `loaded` is the place behind that load. */
interface Test {
  readonly place: Place;
  readonly word: number;
  readonly loaded: Place;
  /** When it begins by comparing a high word, at `word`, with `value`: where it goes on if they are equal or differ. */
  readonly high?: { readonly value: number; readonly equal: Test; readonly differs: Next };
}

/** Where the tests go on: another test, or a constant result. */
type Next = Test | Target;

const ARGUMENTS_OFFSET = 16;
const FULL = 0xffffffff;

/** Writes the tests of `chain`, which fall through to its `otherwise`. */
export function prependChain(code: Code, { alternatives, otherwise }: Chain, words: Words): Target {
  let next: Next = constant(code, otherwise);
  for (let i = alternatives.length - 1; i >= 0; i--) {
    const { conditions, returns } = alternatives[i]!;
    let matched: Next = constant(code, returns);
    for (let j = conditions.length - 1; j >= 0; j--)
      matched = prependCondition(code, conditions[j]!, matched, next, words);
    next = matched;
  }
  return targetOf(next);
}

function prependCondition(code: Code, condition: Condition, yes: Next, no: Next, words: Words): Next {
  switch (condition.op) {
    case "EQ":
      return prependEqual(code, condition, yes, no, words);
    case "NE":
      return prependEqual(code, condition, no, yes, words);
    case "GT":
      return prependGreater(code, condition, JMP_JGT_K, yes, no, words);
    case "GE":
      return prependGreater(code, condition, JMP_JGE_K, yes, no, words);
    case "LE":
      return prependGreater(code, condition, JMP_JGT_K, no, yes, words);
    case "LT":
      return prependGreater(code, condition, JMP_JGE_K, no, yes, words);
  }
}

function prependEqual(code: Code, condition: Condition, yes: Next, no: Next, words: Words): Next {
  const { maskHigh, maskLow, high, low } = condition;
  const { highWord, lowWord } = offsets(condition.index, words);
  if (!words.wide || maskHigh === 0) return prependWord(code, lowWord, maskLow, low, yes, no);
  if (maskLow === 0) return prependWord(code, highWord, maskHigh, high, yes, no);
  if (maskHigh !== FULL) {
    const lowTest = prependWord(code, lowWord, maskLow, low, yes, no);
    return prependWord(code, highWord, maskHigh, high, lowTest, no);
  }
  const ifEqual = { word: highWord, value: high, equal: true };
  const lowTest = prependWord(code, lowWord, maskLow, low, knowing(yes, ifEqual), knowing(no, ifEqual));
  const differs = knowing(no, { ...ifEqual, equal: false });
  const test = prependWord(code, highWord, FULL, high, lowTest, differs);
  return { ...test, high: { value: high, equal: lowTest, differs } };
}

/** Tests one word for `(word & mask) == value`. */
function prependWord(code: Code, word: number, mask: number, value: number, yes: Next, no: Next): Test {
  let loaded: Place;
  if (mask === FULL) loaded = prependJump(code, JMP_JEQ_K, value, holding(yes, word), holding(no, word));
  else if (value === 0) loaded = prependJump(code, JMP_JSET_K, mask, holding(no, word), holding(yes, word));
  else {
    prependJump(code, JMP_JEQ_K, value, targetOf(yes), targetOf(no));
    loaded = prepend(code, ALU_AND_K, mask);
  }
  return { place: prependLoad(code, word, loaded), word, loaded };
}

/** `compare` is JGT or JGE, for the low word. */
function prependGreater(code: Code, condition: Condition, compare: number, yes: Next, no: Next, words: Words): Next {
  const { high, low } = condition;
  const { highWord, lowWord } = offsets(condition.index, words);
  const lowLoaded = prependJump(code, compare, low, holding(yes, lowWord), holding(no, lowWord));
  const lowTest = { place: prependLoad(code, lowWord, lowLoaded), word: lowWord, loaded: lowLoaded };
  if (!words.wide) return lowTest;
  const equal = prependJump(code, JMP_JEQ_K, high, lowTest.place, holding(no, highWord));
  const loaded = prependJump(code, JMP_JGT_K, high, holding(yes, highWord), equal);
  return { place: prependLoad(code, highWord, loaded), word: highWord, loaded };
}

function targetOf(next: Next): Target {
  return typeof next === "number" ? next : next.place;
}

/** Where to go on to `next` with `word` in the accumulator. */
function holding(next: Next, word: number): Target {
  return typeof next !== "number" && next.word === word ? next.loaded : targetOf(next);
}

/** Where to go on to `next` when it is known whether the high word at `word` equals `value`. */
function knowing(next: Next, known: { readonly word: number; readonly value: number; readonly equal: boolean }): Next {
  if (typeof next === "number" || next.high === undefined) return next;
  if (next.word !== known.word || next.high.value !== known.value) return next;
  return known.equal ? next.high.equal : next.high.differs;
}

function offsets(index: number, { bigEndian }: Words): { readonly highWord: number; readonly lowWord: number } {
  const first = ARGUMENTS_OFFSET + 8 * index;
  return bigEndian ? { highWord: first, lowWord: first + 4 } : { highWord: first + 4, lowWord: first };
}
