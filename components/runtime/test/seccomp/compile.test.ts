/** What single fields of `linux.seccomp` do; runtime-spec, config-linux.md, "Seccomp". */
import { describe, expect, test } from "bun:test";
import { InvalidArgument, SECCOMP_ARCHES, type Seccomp, type SeccompSyscall } from "@gantry/oci";
import { type SeccompArch, X32_BIT } from "../../seccomp/arches.ts";
import { compileSeccomp, returnText, type SeccompFacts, type SeccompFilter } from "../../seccomp/index.ts";
import { interpret } from "./interpreter.ts";

const X86_64 = "SCMP_ARCH_X86_64";
const READ = 0;
const PERSONALITY = 135;
const IOCTL = 16;

function filter(profile: Partial<Seccomp>, facts: SeccompFacts = { arch: X86_64 }): SeccompFilter {
  return compileSeccomp({ defaultAction: "SCMP_ACT_ERRNO", ...profile }, facts)!;
}

/** The result of one call, by the name of its action. */
function result(
  profile: Partial<Seccomp>,
  nr: number,
  args: bigint[] = [],
  arch: SeccompArch = X86_64,
  native = arch,
): string {
  const { program } = filter(profile, { arch: native });
  const all = [...args, ...Array<bigint>(6 - args.length).fill(0n)];
  const bigEndian = native.startsWith("SCMP_ARCH_S390") || native === "SCMP_ARCH_MIPS64N32";
  return returnText(interpret(program, { nr, arch: SECCOMP_ARCHES[arch], args: all }, bigEndian).returns);
}

function allow(names: string[], ...args: NonNullable<SeccompSyscall["args"]>): SeccompSyscall {
  return { names, action: "SCMP_ACT_ALLOW", args };
}

function equals(value: number | bigint, index = 0) {
  return { index, value, op: "SCMP_CMP_EQ" as const };
}

describe("whether there is a filter", () => {
  test.each([undefined, null, {}, { syscalls: [] }, { defaultAction: "" }])("%j asks for none", (seccomp) => {
    expect(compileSeccomp(seccomp as Seccomp, { arch: X86_64 })).toBeUndefined();
  });

  test("a default action alone asks for one", () => {
    expect(result({ defaultAction: "SCMP_ACT_ALLOW" }, 1000)).toBe("ALLOW");
    expect(result({ defaultAction: "SCMP_ACT_LOG" }, 0xffffffff)).toBe("LOG");
  });
});

describe("actions", () => {
  test.each([
    ["SCMP_ACT_KILL", "KILL_THREAD"],
    ["SCMP_ACT_KILL_THREAD", "KILL_THREAD"],
    ["SCMP_ACT_KILL_PROCESS", "KILL_PROCESS"],
    ["SCMP_ACT_TRAP", "TRAP"],
    ["SCMP_ACT_ERRNO", "ERRNO(1)"],
    ["SCMP_ACT_TRACE", "TRACE(1)"],
    ["SCMP_ACT_LOG", "LOG"],
    ["SCMP_ACT_NOTIFY", "NOTIFY"],
  ] as const)("%s returns %s", (action, text) => {
    const syscalls = [{ names: ["read"], action }];
    expect(result({ defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/l", syscalls }, READ)).toBe(text);
  });

  test("an errno is kept to 16 bits and to what the kernel returns as an error", () => {
    const of = (action: "SCMP_ACT_ERRNO" | "SCMP_ACT_TRACE", errnoRet: number) =>
      result({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["read"], action, errnoRet }] }, READ);
    expect(of("SCMP_ACT_ERRNO", 0)).toBe("ERRNO(0)");
    expect(of("SCMP_ACT_ERRNO", 5000)).toBe("ERRNO(4095)");
    expect(of("SCMP_ACT_ERRNO", 65536 + 13)).toBe("ERRNO(13)");
    expect(of("SCMP_ACT_TRACE", 5000)).toBe("TRACE(5000)");
  });

  test("an errno for an action that takes none is ignored with a warning", () => {
    const { warnings } = filter({ syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW", errnoRet: 5 }] });
    expect(warnings).toEqual(["linux.seccomp.syscalls[0].errnoRet: ignored, SCMP_ACT_ALLOW takes no errno"]);
  });
});

describe("several rules for one call", () => {
  const trap: SeccompSyscall = { names: ["read"], action: "SCMP_ACT_TRAP" };

  test("an unconditional rule wins over all that come later", () => {
    expect(result({ syscalls: [trap, allow(["read"])] }, READ)).toBe("TRAP");
    expect(result({ syscalls: [trap, allow(["read"], equals(7))] }, READ, [7n])).toBe("TRAP");
  });

  test("an unconditional rule takes the place of conditional ones that came before", () => {
    expect(result({ syscalls: [allow(["read"], equals(7)), trap] }, READ, [7n])).toBe("TRAP");
  });

  test("a rule that says what the default says does not count", () => {
    const same: SeccompSyscall = { names: ["read"], action: "SCMP_ACT_ERRNO" };
    expect(result({ syscalls: [same, allow(["read"])] }, READ)).toBe("ALLOW");
    expect(result({ syscalls: [allow(["read"], equals(7)), same] }, READ, [7n])).toBe("ALLOW");
  });

  test("the same condition with two actions is an error that names both places", () => {
    const syscalls = [allow(["read"], equals(7)), { ...trap, args: [equals(7)] }];
    expect(() => filter({ syscalls })).toThrow(
      "linux.seccomp.syscalls[1]: read: the same condition has another action in linux.seccomp.syscalls[0]",
    );
  });

  test("overlapping conditions with different actions are warned about, disjoint ones are not", () => {
    const above = { index: 0, value: 9, op: "SCMP_CMP_GT" as const };
    expect(filter({ syscalls: [allow(["read"], equals(7)), { ...trap, args: [above] }] }).warnings).toEqual([]);
    const below = { index: 0, value: 10, op: "SCMP_CMP_LT" as const };
    expect(filter({ syscalls: [allow(["read"], below), { ...trap, args: [above] }] }).warnings).toEqual([]);
    expect(filter({ syscalls: [allow(["read"], equals(10)), { ...trap, args: [above] }] }).warnings).toEqual([
      "linux.seccomp.syscalls[1]: read: overlaps with linux.seccomp.syscalls[0], which comes first and wins",
    ]);
  });
});

describe("arguments", () => {
  test("conditions on different arguments must all hold", () => {
    const profile = { syscalls: [allow(["personality"], equals(1), equals(2, 1))] };
    expect(result(profile, PERSONALITY, [1n, 2n])).toBe("ALLOW");
    expect(result(profile, PERSONALITY, [1n, 3n])).toBe("ERRNO(1)");
  });

  test("of conditions that share an argument one is enough, and a warning says so", () => {
    const profile = { syscalls: [allow(["personality"], equals(1), equals(2), equals(3, 1))] };
    for (const args of [[1n], [2n], [9n, 3n]]) expect(result(profile, PERSONALITY, args)).toBe("ALLOW");
    expect(result(profile, PERSONALITY, [9n])).toBe("ERRNO(1)");
    expect(filter(profile).warnings).toEqual([
      "linux.seccomp.syscalls[0].args: two conditions on one argument: each of the 3 conditions matches by itself",
    ]);
  });

  test("all 64 bits count, also those that a double has no room for", () => {
    const profile = { syscalls: [allow(["ioctl"], equals(0xffffffffffffffffn))] };
    expect(result(profile, IOCTL, [0xffffffffffffffffn])).toBe("ALLOW");
    expect(result(profile, IOCTL, [0xfffffffffffffffen])).toBe("ERRNO(1)");
    expect(result(profile, IOCTL, [0xffffffffn])).toBe("ERRNO(1)");
  });

  test.each([
    ["SCMP_ARCH_X86", 54],
    ["SCMP_ARCH_X32", 514 + X32_BIT],
    ["SCMP_ARCH_MIPS64N32", 6015],
    ["SCMP_ARCH_S390", 54],
  ] as const)("the 32-bit ABI %s looks at the low 32 bits", (arch, nr) => {
    const profile = { syscalls: [allow(["ioctl"], equals(7))] };
    expect(result(profile, nr, [0x100000007n], arch)).toBe("ALLOW");
    expect(result(profile, nr, [8n], arch)).toBe("ERRNO(1)");
  });

  test("MASKED_EQ compares under a mask; an empty mask always matches", () => {
    const masked = (value: bigint, valueTwo: number) => ({
      index: 0,
      value,
      valueTwo,
      op: "SCMP_CMP_MASKED_EQ" as const,
    });
    const profile = { syscalls: [allow(["ioctl"], masked(0xff00000000f0n, 0x20))] };
    expect(result(profile, IOCTL, [0x2fn])).toBe("ALLOW");
    expect(result(profile, IOCTL, [0x10000000002fn])).toBe("ERRNO(1)");
    expect(result({ syscalls: [allow(["ioctl"], masked(0n, 0))] }, IOCTL, [99n])).toBe("ALLOW");
  });
});

describe("architectures", () => {
  test("the native one is always there, others only when listed", () => {
    expect(result({ syscalls: [allow(["read"])] }, 3, [], "SCMP_ARCH_X86", X86_64)).toBe("KILL_THREAD");
    const profile = { architectures: ["SCMP_ARCH_X86"], syscalls: [allow(["read"])] };
    expect(result(profile, 3, [], "SCMP_ARCH_X86", X86_64)).toBe("ALLOW");
    expect(result(profile, READ)).toBe("ALLOW");
  });

  test("x32 calls are killed unless x32 is listed, but not those that a tracer made the kernel skip", () => {
    const syscalls = [allow(["read", "uname", "execve"])];
    expect(result({ syscalls }, READ + X32_BIT)).toBe("KILL_THREAD");
    expect(result({ syscalls }, 0xffffffff)).toBe("ERRNO(1)");
    const architectures = ["SCMP_ARCH_X32"];
    expect(result({ syscalls, architectures }, READ + X32_BIT)).toBe("ALLOW");
    expect(result({ syscalls, architectures }, 520 + X32_BIT)).toBe("ALLOW");
    expect(result({ syscalls, architectures }, 59 + X32_BIT)).toBe("ERRNO(1)");
  });

  test("one with another byte order is refused", () => {
    expect(() => filter({ architectures: [X86_64, "SCMP_ARCH_S390X"] })).toThrow(
      "linux.seccomp.architectures[1]: SCMP_ARCH_S390X has another byte order",
    );
  });
});

test("a multiplexer obeys the rules of the calls behind it, as far as they can be checked there", () => {
  const SOCKETCALL = 102;
  const profile = { syscalls: [allow(["accept"]), allow(["socket"], equals(1))] };
  expect(result(profile, SOCKETCALL, [5n], "SCMP_ARCH_X86")).toBe("ALLOW");
  expect(result(profile, SOCKETCALL, [1n], "SCMP_ARCH_X86")).toBe("ERRNO(1)");
  expect(filter(profile, { arch: "SCMP_ARCH_X86" }).warnings).toEqual([
    "linux.seccomp.syscalls[1]: socket made by socketcall is not allowed: its arguments cannot be checked there",
  ]);
});

describe("bad input is named by its field", () => {
  const bad = (value: unknown) => ({ syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW", args: [value] }] });
  const rule = (names: string[], action: string) => ({ syscalls: [{ names, action }] });
  test.each<[string, object]>([
    ['defaultAction: "SCMP_ACT_NO" is not a valid action; known: SCMP_ACT_KILL,', { defaultAction: "SCMP_ACT_NO" }],
    ['defaultAction: "" is not a valid action', { defaultAction: "", syscalls: [{}] }],
    ["defaultAction: SCMP_ACT_NOTIFY cannot be used as default action", { defaultAction: "SCMP_ACT_NOTIFY" }],
    ["defaultErrnoRet: -1 is not an errno", { defaultErrnoRet: -1 }],
    ['architectures[0]: "SCMP_ARCH_VAX" is not a valid architecture', { architectures: ["SCMP_ARCH_VAX"] }],
    ["flags[0]: seccomp flag SECCOMP_FILTER_FLAG_X is not known", { flags: ["SECCOMP_FILTER_FLAG_X"] }],
    ['syscalls[0].action: "toString" is not a valid action', rule(["read"], "toString")],
    ["syscalls[0].names[1]: an empty string", rule(["read", ""], "SCMP_ACT_ALLOW")],
    [
      "syscalls[0].names[1]: SCMP_ACT_NOTIFY cannot be used for the write syscall",
      rule(["open", "write"], "SCMP_ACT_NOTIFY"),
    ],
    [
      "listenerPath: seccomp listenerPath is not set, but syscalls[0] uses SCMP_ACT_NOTIFY",
      rule(["open"], "SCMP_ACT_NOTIFY"),
    ],
    ['syscalls[0].args[0].op: "SCMP_CMP_ABOUT" is not a valid operator', bad({ ...equals(1), op: "SCMP_CMP_ABOUT" })],
    ["syscalls[0].args[0].index: 6 is out of range", bad(equals(1, 6))],
    ["syscalls[0].args[0].value: -1 is not an unsigned 64-bit integer", bad(equals(-1))],
    ["syscalls[0].args[0].value: 1152921504606847000 is not an unsigned", bad(equals(2 ** 60))],
  ])("%s", (message, profile) => {
    expect(() => filter(profile)).toThrow(InvalidArgument);
    expect(() => filter(profile)).toThrow(`linux.seccomp.${message}`);
  });

  test("an integer of more than 64 bits", () => {
    expect(() => filter(bad(equals(1n << 64n)) as Partial<Seccomp>)).toThrow(
      "linux.seccomp.syscalls[0].args[0].value: 18446744073709551616 is not an unsigned 64-bit integer",
    );
  });

  test("a filter that is too long for the kernel", () => {
    const args = Array.from({ length: 6 }, (_, index) => ({
      ...equals(0x100000001, index),
      op: "SCMP_CMP_GT" as const,
    }));
    const syscalls = Array.from({ length: 200 }, (_, i) =>
      allow(["ioctl"], ...args.map((a) => ({ ...a, value: i * 2 ** 33 }))),
    );
    expect(() => filter({ syscalls })).toThrow(
      /^linux.seccomp: the filter takes \d+ instructions, the kernel at most 4096/,
    );
  });
});

test("names of other machines are skipped silently, names of none with a warning", () => {
  const { warnings, debug } = filter({ syscalls: [allow(["read", "riscv_flush_icache", "mkdri"])] });
  expect(warnings).toEqual(['linux.seccomp.syscalls[0].names[2]: unknown system call "mkdri", ignored']);
  expect(debug).toEqual([
    "seccomp filter flags: 4",
    "seccomp: no such system calls here, ignored: riscv_flush_icache mkdri",
  ]);
});
