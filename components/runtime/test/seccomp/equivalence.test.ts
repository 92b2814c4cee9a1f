/** The compiled program and the meaning of the profile agree, for every call. */
import { expect, test } from "bun:test";
import { InvalidArgument, SECCOMP_ARCHES, type Seccomp } from "@gantry/oci";
import fc from "fast-check";
import { archFacts, type SeccompArch, X32_BIT } from "../../seccomp/arches.ts";
import { compileSeccomp } from "../../seccomp/index.ts";
import { syscallTable } from "../../seccomp/syscalls.ts";
import { type Call, check, interpret } from "./interpreter.ts";
import { crossings, engineProfile, GRID, motley, NAMES, type Sample, samples } from "./profiles.ts";
import { evaluate } from "./reference.ts";

/** Undefined where two rules contradict each other, which is an error of its own. */
function compile({ native, profile }: Sample): Uint8Array | undefined {
  try {
    return compileSeccomp(profile, { arch: native })!.program;
  } catch (error) {
    if (error instanceof InvalidArgument && error.message.includes("the same condition has another action"))
      return undefined;
    throw error;
  }
}

/** The numbers of what the profile names, their neighbours, those of other calls, and the ends of the ranges. */
function numbers({ profile }: Sample, arch: SeccompArch): fc.Arbitrary<number> {
  const table = syscallTable(archFacts(arch).table);
  const bit = arch === "SCMP_ARCH_X32" ? X32_BIT : 0;
  const of = (names: readonly string[]) => names.flatMap((name) => table.get(name) ?? []).map((number) => number + bit);
  const named = of([...(profile.syscalls ?? []).flatMap(({ names }) => names), "socketcall", "ipc"]);
  const near = [...named, ...of(NAMES)].flatMap((number) => [Math.max(0, number - 1), number, number + 1]);
  const ends = [0, 1, 511, 512, 600, 0xeffff, 0xf0000, 0xf0010].map((number) => number + bit);
  const others = fc.constantFrom(...near, ...ends, X32_BIT, 0x7fffffff, 0x80000000, 0xffffffff);
  return named.length === 0 ? others : fc.oneof(fc.constantFrom(...named), others);
}

/** Values that the profile compares with, those next to them, the same with other high words, and few others. */
function argument({ profile }: Sample): fc.Arbitrary<bigint> {
  const compared = (profile.syscalls ?? []).flatMap(({ args = [] }) =>
    args.flatMap(({ value, valueTwo = 0 }) => [BigInt(value), BigInt(valueTwo)]),
  );
  const near = compared.flatMap((value) => [value - 1n, value + 1n, value ^ (1n << 32n), value ^ (1n << 63n)]);
  const others = fc.constantFrom(0n, 1n, 5n, 21n, 0x10015n, (1n << 64n) - 1n);
  if (compared.length === 0) return others;
  const wrapped = near.map((value) => BigInt.asUintN(64, value));
  return fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...compared) }, fc.constantFrom(...wrapped), others);
}

function calls(sample: Sample): fc.Arbitrary<Call> {
  const listed = [sample.native, ...((sample.profile.architectures ?? []) as SeccompArch[])];
  const own = fc
    .constantFrom(...listed)
    .chain((arch) => fc.record({ nr: numbers(sample, arch), arch: fc.constant<number>(SECCOMP_ARCHES[arch]) }));
  const foreign = fc.record({
    nr: fc.nat(600),
    arch: fc.constantFrom<number>(...Object.values(SECCOMP_ARCHES), 0, 0xffffffff),
  });
  const args = fc.array(argument(sample), { minLength: 6, maxLength: 6 });
  return fc.tuple(fc.oneof({ weight: 9, arbitrary: own }, foreign), args).map(([call, args]) => ({ ...call, args }));
}

test("a program returns what the rules of its profile say, on every architecture, for any profile", () => {
  const cases = samples.chain((sample) =>
    fc.record({ sample: fc.constant(sample), calls: fc.array(calls(sample), { minLength: 30, maxLength: 30 }) }),
  );
  fc.assert(
    fc.property(cases, ({ sample, calls }) => agree(sample, calls)),
    { numRuns: 400 },
  );
}, 60_000);

test("conditional rules for one call are tried in their order, whatever they compare", () => {
  const natives = fc.constantFrom<SeccompArch[]>(
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_MIPS64N32",
  );
  fc.assert(
    fc.property(natives, crossings(["ioctl"]), (native, profile) => {
      const nr = syscallTable(archFacts(native).table).get("ioctl")!;
      const arch = SECCOMP_ARCHES[native];
      agree(
        { native, profile },
        GRID.flatMap((first) => GRID.map((second) => ({ nr, arch, args: [first, second, 0n, 0n, 0n, 0n] }))),
      );
    }),
    { numRuns: 300 },
  );
}, 60_000);

test("calls made by socketcall and ipc obey the rules for the calls they stand for", () => {
  const natives = fc.constantFrom<SeccompArch[]>(
    "SCMP_ARCH_X86",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_MIPS",
  );
  const names = ["socket", "accept", "socketcall", "semop", "shmat", "ipc"];
  const plain = fc.record({
    names: fc.subarray(names, { minLength: 1, maxLength: 2 }),
    action: fc.constant("SCMP_ACT_LOG"),
  });
  const profiles = fc
    .tuple(crossings(names), fc.option(plain), fc.boolean())
    .map(([profile, rule, isFirst]): Seccomp => {
      const syscalls = profile.syscalls!.slice(0, 4);
      return { ...profile, syscalls: rule === null ? syscalls : isFirst ? [rule, ...syscalls] : [...syscalls, rule] };
    });
  fc.assert(
    fc.property(natives, profiles, (native, profile) => {
      const table = syscallTable(archFacts(native).table);
      const firsts = [0n, 1n, 2n, 3n, 5n, 21n, 0x10001n, 0x10015n, (1n << 32n) + 1n, (7n << 32n) + 21n];
      const calls = ["socketcall", "ipc", "socket", "shmat"].flatMap((name) => {
        const nr = table.get(name);
        return nr === undefined
          ? []
          : firsts.map((first) => ({ nr, arch: SECCOMP_ARCHES[native], args: [first, 0n, 0n, 0n, 0n, 0n] }));
      });
      agree({ native, profile }, calls);
    }),
    { numRuns: 300 },
  );
}, 60_000);

/** Compiles `sample`, unless its rules contradict each other, and compares the result of each call. */
function agree(sample: Sample, calls: readonly Call[]): void {
  const program = compile(sample);
  fc.pre(program !== undefined);
  const { bigEndian } = archFacts(sample.native);
  check(program!, bigEndian);
  for (const call of calls) {
    const { returns } = interpret(program!, call, bigEndian);
    const expected = evaluate(sample.profile, sample.native, call);
    if (returns !== expected)
      throw new Error(`0x${returns.toString(16)}, not 0x${expected.toString(16)}, for ${text(call)}`);
  }
}

function text({ nr, arch, args }: Call): string {
  return `nr ${nr} arch 0x${arch.toString(16)} args ${args.map((arg) => `0x${arg.toString(16)}`).join(" ")}`;
}

const ENGINE_SETS: readonly (readonly [SeccompArch, readonly SeccompArch[]])[] = [
  ["SCMP_ARCH_X86_64", ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]],
  ["SCMP_ARCH_AARCH64", ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]],
  ["SCMP_ARCH_S390X", ["SCMP_ARCH_S390X", "SCMP_ARCH_S390"]],
];

test("jumps reach their targets in long programs too", () => {
  for (const native of ["SCMP_ARCH_X86_64", "SCMP_ARCH_ARM", "SCMP_ARCH_S390X"] as const)
    for (let seed = 0; seed < 4; seed++) {
      const profile = motley(native, seed);
      expect(compileSeccomp(profile, { arch: native })!.length).toBeGreaterThan(300);
      const args = [0n, 1n << 40n, 0n, 1n << 30n, 0n, 1n << 31n];
      agree(
        { native, profile },
        range(500).map((nr) => ({ nr, arch: SECCOMP_ARCHES[native], args })),
      );
    }
}, 30_000);

test.each(ENGINE_SETS)(
  "an engine's profile means the same compiled, for every number (%s)",
  (native, architectures) => {
    const calls = architectures.flatMap((arch) =>
      range(700).flatMap((number) => {
        const nr = arch === "SCMP_ARCH_X32" ? number + X32_BIT : number;
        return [0n, 8n, 40n, 0x02000000n].map((first) => ({
          nr,
          arch: SECCOMP_ARCHES[arch],
          args: [first, 0n, 0n, 0n, 0n, 0n],
        }));
      }),
    );
    agree({ native, profile: engineProfile(architectures) }, calls);
  },
  30_000,
);

function range(end: number): number[] {
  return Array.from({ length: end }, (_, i) => i);
}
