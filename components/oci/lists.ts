/** Lists of CPUs and NUMA nodes: `0-3,7`. */

/** Ends included, in the order of the text. */
export interface IdList {
  readonly ranges: readonly { readonly first: number; readonly last: number }[];
  /** How many different ids. */
  readonly count: number;
  /** The greatest id; −1 when the list is empty. */
  readonly max: number;
}

/** The greatest CPU or node that is taken: runc's own limit, eight times the largest kernel configuration. */
const MAX_ID = 65536;

const EMPTY: IdList = { ranges: [], count: 0, max: -1 };

/**
 * Reads a list; blanks around the elements and empty elements are allowed, as the kernel and runc do.
 * @returns the list, or what is wrong with the text.
 */
export function parseIdList(text: string): IdList | string {
  if (text === "") return EMPTY;
  const ranges: { first: number; last: number }[] = [];
  for (const element of text.split(",")) {
    const trimmed = element.trim();
    if (trimmed === "") continue;
    const match = /^(\d+)(?:-(\d+))?$/.exec(trimmed);
    if (match === null) return `"${trimmed}" is neither a number nor a range`;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (Math.max(first, last) > MAX_ID) return `values larger than ${MAX_ID} are not supported`;
    if (first > last) return `invalid range: ${trimmed}`;
    ranges.push({ first, last });
  }
  if (ranges.length === 0) return "no members found";
  return { ranges, count: countIds(ranges), max: ranges.reduce((max, { last }) => Math.max(max, last), -1) };
}

function countIds(ranges: readonly { readonly first: number; readonly last: number }[]): number {
  let count = 0;
  let next = 0;
  for (const { first, last } of ranges.toSorted((a, b) => a.first - b.first)) {
    count += Math.max(0, last - Math.max(first, next) + 1);
    next = Math.max(next, last + 1);
  }
  return count;
}
