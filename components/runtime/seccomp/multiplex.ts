/**
 * `socketcall` and `ipc`: on some architectures one number leads to many calls, chosen by the first argument, besides
 * the numbers that those calls have of their own. A rule for `accept` has to hold on both ways.
 *
 * The arguments of the call itself lie behind a pointer (socketcall) or are moved (ipc), so a condition on them cannot
 * be checked: the stricter of the rule and the default holds there, whatever the arguments.
 */
import type { Alternative, Chain, Decision, Named } from "./decisions.ts";

export type Multiplexer = "socketcall" | "ipc";

/** net.h and ipc.h of the kernel: name → the first argument. */
const CALLS: Readonly<Record<Multiplexer, Readonly<Record<string, number>>>> = {
  socketcall: {
    ...{ socket: 1, bind: 2, connect: 3, listen: 4, accept: 5, getsockname: 6, getpeername: 7, socketpair: 8 },
    ...{ send: 9, recv: 10, sendto: 11, recvfrom: 12, shutdown: 13, setsockopt: 14, getsockopt: 15, sendmsg: 16 },
    ...{ recvmsg: 17, accept4: 18, recvmmsg: 19, sendmmsg: 20 },
  },
  ipc: {
    ...{ semop: 1, semget: 2, semctl: 3, semtimedop: 4, msgsnd: 11, msgrcv: 12, msgget: 13, msgctl: 14 },
    ...{ shmat: 21, shmdt: 22, shmget: 23, shmctl: 24 },
  },
};

export function isMultiplexer(name: string): name is Multiplexer {
  return name === "socketcall" || name === "ipc";
}

/**
 * What the rules for the calls behind `via` mean for `via` itself; undefined if no rule is about any.
 * A rule for `via` by its own name comes first.
 */
export function multiplexed(
  via: Multiplexer,
  byName: ReadonlyMap<string, Named>,
  wide: boolean,
  otherwise: number,
  warnings: string[],
): Decision | undefined {
  const own = byName.get(via);
  const decision = own === undefined || own.isDefault ? undefined : wide ? own.wide : own.narrow;
  const added: Alternative[] = [];
  let isNamed = false;
  for (const [name, number] of Object.entries(CALLS[via])) {
    const named = byName.get(name);
    if (named === undefined) continue;
    isNamed = true;
    named.seen = true;
    if (typeof decision === "number" || named.isDefault) continue;
    const its = wide ? named.wide : named.narrow;
    const returns = typeof its === "number" ? its : strictest(its, via, name, warnings);
    if (returns !== undefined) added.push(byFirstArgument(via, number, returns, name));
  }
  if (typeof decision === "number") return decision;
  if (added.length === 0) return decision ?? (own !== undefined || isNamed ? otherwise : undefined);
  return { alternatives: [...(decision?.alternatives ?? []), ...added], otherwise };
}

/** The strictest result of `chain` that is stricter than its `otherwise`, if any. */
function strictest(
  { alternatives, otherwise }: Chain,
  via: string,
  name: string,
  warnings: string[],
): number | undefined {
  let least: number | undefined;
  for (const { returns, where } of alternatives) {
    if (!isStricter(returns, otherwise))
      warnings.push(`${where}: ${name} made by ${via} is not allowed: its arguments cannot be checked there`);
    else if (least === undefined || isStricter(returns, least)) least = returns;
  }
  return least;
}

/** The kernel reads an int, of which `ipc` keeps the lower half for the number (the upper one is a version). */
function byFirstArgument(via: Multiplexer, number: number, returns: number, where: string): Alternative {
  const maskLow = via === "ipc" ? 0xffff : 0xffffffff;
  const condition = { index: 0, op: "EQ" as const, maskHigh: 0, maskLow, high: 0, low: number };
  return { conditions: [condition], returns, key: `${via} ${number}`, where };
}

/** The kernel's own order of actions: as signed numbers, the lower one is the stricter one. */
function isStricter(a: number, b: number): boolean {
  return (a & 0xffff0000) < (b & 0xffff0000);
}
