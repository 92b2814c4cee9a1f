/** Calls younger than the profile fail with ENOSYS, for which programs have a fallback; what the profile left out on purpose does not. */
import { expect, test } from "bun:test";
import { SECCOMP_ARCHES, type Seccomp } from "@gantry/oci";
import { archFacts, type SeccompArch, X32_BIT } from "../../seccomp/arches.ts";
import { compileSeccomp, returnText } from "../../seccomp/index.ts";
import { syscallTable } from "../../seccomp/syscalls.ts";
import { interpret } from "./interpreter.ts";

/** The result of a call, by name or number, under a profile that allows `names`. */
function outcome(
  names: string[],
  call: string | number,
  more: Partial<Seccomp> = {},
  arch: SeccompArch = "SCMP_ARCH_X86_64",
): string {
  const syscalls = [{ names, action: "SCMP_ACT_ALLOW" as const }];
  const { program } = compileSeccomp({ defaultAction: "SCMP_ACT_ERRNO", syscalls, ...more }, { arch })!;
  const nr = typeof call === "number" ? call : syscallTable(archFacts(arch).table).get(call)!;
  const args = [0n, 0n, 0n, 0n, 0n, 0n];
  return returnText(interpret(program, { nr, arch: SECCOMP_ARCHES[arch], args }, archFacts(arch).bigEndian).returns);
}

test("numbers past the largest named one", () => {
  expect(outcome(["read", "openat2"], 1000)).toBe("ERRNO(38)");
  expect(outcome(["read", "openat2"], "faccessat2")).toBe("ERRNO(38)");
  expect(outcome(["read", "openat2"], "unshare")).toBe("ERRNO(1)");
});

test("a younger call with a smaller number: close_range (436) came after faccessat2 (439)", () => {
  expect(outcome(["read", "faccessat2"], "close_range")).toBe("ERRNO(38)");
  expect(outcome(["read", "process_madvise"], "close_range")).toBe("ERRNO(1)");
});

test("an old call with a number that one architecture gave it late", () => {
  expect(outcome(["read", "clone3"], "semget", {}, "SCMP_ARCH_X86")).toBe("ERRNO(1)");
});

test("calls that a rule denies keep their errno", () => {
  const more: Partial<Seccomp> = {
    syscalls: [
      { names: ["read"], action: "SCMP_ACT_ALLOW" },
      { names: ["futex_waitv"], action: "SCMP_ACT_ERRNO" },
    ],
  };
  expect(outcome([], "futex_waitv", more)).toBe("ERRNO(1)");
  expect(outcome([], "memfd_secret", more)).toBe("ERRNO(1)");
  expect(outcome([], "cachestat", more)).toBe("ERRNO(38)");
});

test.each([
  ["SCMP_ACT_KILL_PROCESS", "ERRNO(38)"],
  ["SCMP_ACT_TRAP", "ERRNO(38)"],
  ["SCMP_ACT_ALLOW", "ALLOW"],
  ["SCMP_ACT_LOG", "LOG"],
  ["SCMP_ACT_TRACE", "TRACE(1)"],
] as const)("a default of %s makes that %s", (defaultAction, text) => {
  expect(outcome(["read"], 1000, { defaultAction, syscalls: [{ names: ["read"], action: "SCMP_ACT_ERRNO" }] })).toBe(
    text,
  );
});

test("a profile that names nothing of an architecture says nothing about its age", () => {
  expect(outcome(["riscv_flush_icache"], 1000)).toBe("ERRNO(1)");
  expect(outcome(["riscv_flush_icache"], "cachestat")).toBe("ERRNO(1)");
});

test("private calls of ARM do not hide the numbers before them", () => {
  const arm = "SCMP_ARCH_ARM";
  expect(outcome(["read", "set_tls"], 600, {}, arm)).toBe("ERRNO(38)");
  expect(outcome(["read", "set_tls"], "breakpoint", {}, arm)).toBe("ERRNO(1)");
  expect(outcome(["read", "set_tls"], 0xf0006, {}, arm)).toBe("ERRNO(38)");
});

test("nor do the doubled calls of x32", () => {
  expect(outcome(["read", "execve"], 480 + X32_BIT, {}, "SCMP_ARCH_X32")).toBe("ERRNO(38)");
});

test("number 0 on s390, which stands for all that the kernel does not know", () => {
  expect(outcome(["read"], 0, {}, "SCMP_ARCH_S390X")).toBe("ERRNO(38)");
  expect(outcome(["read"], 0, {}, "SCMP_ARCH_S390")).toBe("ERRNO(38)");
});

test("ENOSYS is 89 on MIPS and 251 on PA-RISC", () => {
  expect(outcome(["read"], 6000, {}, "SCMP_ARCH_MIPS64")).toBe("ERRNO(89)");
  expect(outcome(["read"], 600, {}, "SCMP_ARCH_PARISC64")).toBe("ERRNO(251)");
});
