/** The compiled program and the meaning of the profile agree, for every call. */
import { expect, test } from "bun:test";
import { InvalidArgument, SECCOMP_ARCHES } from "@gantry/oci";
import fc from "fast-check";
import { archFacts, type SeccompArch, X32_BIT } from "../../seccomp/arches.ts";
import { compileSeccomp } from "../../seccomp/index.ts";
import { syscallTable } from "../../seccomp/syscalls.ts";
import { type Call, check, interpret } from "./interpreter.ts";
import { engineProfile, motley, NAMES, type Sample, samples } from "./profiles.ts";
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
    fc.property(cases, ({ sample, calls }) => {
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
    }),
    { numRuns: 400 },
  );
}, 60_000);

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
      const { bigEndian } = archFacts(native);
      const { program, length } = compileSeccomp(profile, { arch: native })!;
      expect(length).toBeGreaterThan(300);
      check(program, bigEndian);
      for (let nr = 0; nr < 500; nr++) {
        const call = { nr, arch: SECCOMP_ARCHES[native], args: [0n, 1n << 40n, 0n, 1n << 30n, 0n, 1n << 31n] };
        const { returns } = interpret(program, call, bigEndian);
        const expected = evaluate(profile, native, call);
        if (returns !== expected)
          throw new Error(`0x${returns.toString(16)}, not 0x${expected.toString(16)}, for ${text(call)}`);
      }
    }
}, 30_000);

test.each(ENGINE_SETS)(
  "an engine's profile means the same compiled, for every number (%s)",
  (native, architectures) => {
    const profile = engineProfile(architectures);
    const { bigEndian } = archFacts(native);
    const { program } = compileSeccomp(profile, { arch: native })!;
    for (const arch of architectures) {
      const bit = arch === "SCMP_ARCH_X32" ? X32_BIT : 0;
      for (let nr = 0; nr < 700; nr++)
        for (const first of [0n, 40n, 0x02000000n]) {
          const call = { nr: nr + bit, arch: SECCOMP_ARCHES[arch], args: [first, 0n, 0n, 0n, 0n, 0n] };
          const expected = evaluate(profile, native, call);
          const { returns } = interpret(program, call, bigEndian);
          if (returns !== expected) expect({ ...call, returns }).toEqual({ ...call, returns: expected });
        }
    }
  },
  30_000,
);
