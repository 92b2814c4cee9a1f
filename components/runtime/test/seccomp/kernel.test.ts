/** What the kernel does with a compiled filter: it is installed in a process that then makes the calls. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Seccomp, SeccompSyscall } from "@gantry/oci";
import { archOfMachine, compileSeccomp, disassemble } from "../../seccomp/index.ts";
import { syscallTable } from "../../seccomp/syscalls.ts";
import { engineProfile } from "./profiles.ts";

const [EPERM, EBADF, EINVAL, ENETDOWN, ENOSYS] = [1, 9, 22, 100, 38];
const [SIGSYS] = [31];
const native = archOfMachine(process.arch);
const facts = {
  arch: native,
  actions: readFileSync("/proc/sys/kernel/seccomp/actions_avail", "utf8").trim().split(" "),
};
const directory = mkdtempSync(join(tmpdir(), "gantry-seccomp-"));
const probe = join(directory, "probe");

const cc = Bun.spawnSync(["cc", "-O1", "-Wall", "-Werror", "-o", probe, join(import.meta.dir, "probe.c")]);
if (cc.exitCode !== 0) throw new Error(`probe.c: ${cc.stderr}`);
afterAll(() => rmSync(directory, { recursive: true }));

interface Result {
  readonly errno: number;
  readonly signal: number;
}

function install(profile: Seccomp): { readonly path: string; readonly flags: number; readonly text: string } {
  const { program, flags } = compileSeccomp(profile, facts)!;
  const path = join(directory, "filter");
  writeFileSync(path, program);
  return { path, flags, text: disassemble(program, native).join("\n") };
}

/** Makes each of `calls` under `profile`. */
function make(profile: Seccomp, ...calls: string[]): Result[] {
  const { path, flags, text } = install(profile);
  const { exitCode, stdout } = Bun.spawnSync([probe, path, String(flags), ...calls]);
  if (exitCode !== 0) throw new Error(`status ${exitCode} with\n${text}`);
  const lines = stdout.toString().trim().split("\n");
  return lines.map((line) => {
    const [, errno, signal] = line.split(" ").map(Number);
    return { errno: errno!, signal: signal! };
  });
}

/** `name(arguments)` for the probe. */
function call(name: string | number, ...args: (number | bigint)[]): string {
  const nr = typeof name === "number" ? name : syscallTable("amd64").get(name)!;
  return `x64:${[nr, ...args].join(",")}`;
}

function errnos(profile: Seccomp, ...calls: string[]): number[] {
  return make(profile, ...calls).map(({ errno, signal }) => (signal === 0 ? errno : -signal));
}

/** Everything that the probe and a libc need, plus what the test is about. */
function allowMost(...syscalls: SeccompSyscall[]): Seccomp {
  const names = [...syscallTable("amd64").keys()].filter((name) => !syscalls.some((rule) => rule.names.includes(name)));
  return { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names, action: "SCMP_ACT_ALLOW" }, ...syscalls] };
}

const isX86 = native === "SCMP_ARCH_X86_64";

describe.skipIf(!isX86)("on x86_64 (the numbers here are its own)", () => {
  test("an engine's profile lets ordinary calls through and stops the others", () => {
    const profile = engineProfile(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    const calls = [
      call("getpid"),
      call("close", 99),
      call("unshare", 0),
      call("mount"),
      call("clone3", 0, 0),
      call(1000),
    ];
    expect(errnos(profile, ...calls)).toEqual([0, EBADF, EPERM, EPERM, ENOSYS, ENOSYS]);
    expect(errnos(profile, call("personality", 0xffffffff), call("personality", 4), call("socket", 40, 1, 0))).toEqual([
      0,
      EPERM,
      EPERM,
    ]);
  });

  test("each action does what it says", () => {
    const of = (action: SeccompSyscall["action"], errnoRet?: number): Result => {
      const rule = { names: ["getppid"], action, ...(errnoRet !== undefined && { errnoRet }) };
      return make({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] }, call("getppid"))[0]!;
    };
    expect(of("SCMP_ACT_ERRNO")).toEqual({ errno: EPERM, signal: 0 });
    expect(of("SCMP_ACT_ERRNO", ENETDOWN)).toEqual({ errno: ENETDOWN, signal: 0 });
    expect(of("SCMP_ACT_ERRNO", 60000)).toEqual({ errno: 4095, signal: 0 });
    expect(of("SCMP_ACT_LOG")).toEqual({ errno: 0, signal: 0 });
    expect(of("SCMP_ACT_TRACE")).toEqual({ errno: ENOSYS, signal: 0 });
    for (const action of ["SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"] as const)
      expect(of(action)).toMatchObject({ signal: SIGSYS });
  });

  test("conditions see all 64 bits of an argument", () => {
    const when = (...args: NonNullable<SeccompSyscall["args"]>): Seccomp => ({
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["lseek"], action: "SCMP_ACT_ERRNO", errnoRet: ENETDOWN, args }],
    });
    const at = (offset: bigint | number, whence = 0) => call("lseek", 99, offset, whence);
    const equal = when({ index: 1, value: 0x500000007n, op: "SCMP_CMP_EQ" });
    expect(errnos(equal, at(0x500000007n), at(7), at(0x500000008n))).toEqual([ENETDOWN, EBADF, EBADF]);
    const above = when({ index: 1, value: 0x500000007n, op: "SCMP_CMP_GT" }, { index: 2, value: 1, op: "SCMP_CMP_NE" });
    expect(errnos(above, at(0x600000000n), at(0x500000008n), at(0x500000007n), at(0x600000000n, 1))).toEqual([
      ENETDOWN,
      ENETDOWN,
      EBADF,
      EBADF,
    ]);
    const masked = when({ index: 1, value: 0xf000000000n, valueTwo: 0x3000000000n, op: "SCMP_CMP_MASKED_EQ" });
    expect(errnos(masked, at(0x3f00000000n), at(0x4000000000n))).toEqual([ENETDOWN, EBADF]);
  });

  test("calls of an ABI that is not listed kill", () => {
    const profile = allowMost();
    expect(make(profile, call(39 + 0x40000000))[0]).toMatchObject({ signal: SIGSYS });
    expect(errnos({ ...profile, architectures: ["SCMP_ARCH_X32"] }, call(9999 + 0x40000000))).toEqual([ENOSYS]);
  });

  // Without 32-bit emulation in the kernel, int 0x80 is a fault before any filter.
  const unfiltered: Seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86"] };
  const has32Bit = isX86 && make(unfiltered, "i386:20")[0]!.signal === 0;
  test.skipIf(!has32Bit)("nor does the 32-bit one escape", () => {
    const rule: SeccompSyscall = { names: ["getpid"], action: "SCMP_ACT_ERRNO", errnoRet: EINVAL };
    const profile: Seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] };
    expect(make(profile, "i386:20")[0]).toMatchObject({ signal: SIGSYS });
    expect(errnos({ ...profile, architectures: ["SCMP_ARCH_X86"] }, "i386:20", "i386:64")).toEqual([EINVAL, 0]);
  });
});

test("every flag that we compute is taken, and a NOTIFY rule gives a descriptor", () => {
  const returned = (profile: Seccomp): number => {
    const { path, flags } = install(profile);
    return Number(Bun.spawnSync([probe, path, String(flags)]).stdout.toString());
  };
  const notify = { names: ["mkdirat"], action: "SCMP_ACT_NOTIFY" as const };
  const profile: Seccomp = { defaultAction: "SCMP_ACT_ALLOW" };
  expect(returned(profile)).toBe(0);
  expect(returned({ ...profile, flags: [] })).toBe(0);
  expect(returned({ ...profile, flags: ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"] })).toBe(0);
  const withListener = { ...profile, syscalls: [notify], listenerPath: "/l" };
  expect(returned(withListener)).toBeGreaterThan(2);
  expect(returned({ ...withListener, flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] })).toBeGreaterThan(2);
});
