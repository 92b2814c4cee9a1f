/** `linux.seccomp.flags` → the number for seccomp(2). */
import { expect, test } from "bun:test";
import type { Seccomp } from "@gantry/oci";
import { compileSeccomp, KERNEL_FLAGS, type SeccompFacts, supportedFlags } from "../../seccomp/index.ts";

const NATIVE: SeccompFacts = { arch: "SCMP_ARCH_X86_64" };
const [LOG, SPEC_ALLOW, NEW_LISTENER, WAIT_KILLABLE_RECV] = KERNEL_FLAGS;
const NOTIFY: Partial<Seccomp> = { listenerPath: "/l", syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }] };

function compile(profile: Partial<Seccomp>, facts = NATIVE) {
  return compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW", ...profile }, facts)!;
}

function flagsOf(flags: string[] | undefined, more: Partial<Seccomp> = {}): number {
  return compile({ ...(flags && { flags: flags.map((flag) => `SECCOMP_FILTER_FLAG_${flag}`) }), ...more }).flags;
}

test("absent flags mean SPEC_ALLOW, empty ones mean none", () => {
  expect(flagsOf(undefined)).toBe(4);
  expect(flagsOf([])).toBe(0);
  expect(compile({}, { ...NATIVE, flags: 0 }).flags).toBe(0);
});

test("each flag has its number, TSYNC none", () => {
  expect(flagsOf(["LOG"])).toBe(2);
  expect(flagsOf(["SPEC_ALLOW"])).toBe(4);
  expect(flagsOf(["TSYNC"])).toBe(0);
  expect(flagsOf(["TSYNC", "LOG", "SPEC_ALLOW"])).toBe(6);
});

test("a NOTIFY rule adds NEW_LISTENER, and WAIT_KILLABLE_RECV needs one", () => {
  expect(flagsOf([], NOTIFY)).toBe(8);
  expect(flagsOf(["WAIT_KILLABLE_RECV"], NOTIFY)).toBe(40);
  expect(compile(NOTIFY)).toMatchObject({ flags: 12, flagsText: "SPEC_ALLOW | NEW_LISTENER", notify: true });
  expect(() => flagsOf(["WAIT_KILLABLE_RECV"])).toThrow(
    "linux.seccomp.flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs",
  );
});

test("the number is in the debug log, in the words that runc uses", () => {
  expect(compile({ flags: [] }).debug).toEqual(["seccomp filter flags: 0"]);
});

test("what the kernel lacks is refused, not left out", () => {
  const old = { ...NATIVE, flags: SPEC_ALLOW, actions: ["kill_thread", "trap", "errno", "trace", "allow"] };
  expect(() => compile({ flags: ["SECCOMP_FILTER_FLAG_LOG"] }, old)).toThrow(
    "linux.seccomp.flags[0]: the kernel does not support SECCOMP_FILTER_FLAG_LOG",
  );
  expect(() => compile({ defaultAction: "SCMP_ACT_LOG" }, old)).toThrow(
    "linux.seccomp.defaultAction: the kernel does not support SCMP_ACT_LOG",
  );
  expect(() => compile(NOTIFY, old)).toThrow("linux.seccomp.syscalls[0].action: seccomp notify unsupported:");
  const noListener = { ...NATIVE, flags: SPEC_ALLOW | LOG };
  expect(() => compile(NOTIFY, noListener)).toThrow("linux.seccomp: seccomp notify unsupported:");
});

test("features lists what the kernel takes", () => {
  expect(supportedFlags({ ...NATIVE, flags: SPEC_ALLOW | LOG | NEW_LISTENER })).toEqual([
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_LOG",
  ]);
  expect(supportedFlags({ ...NATIVE, flags: WAIT_KILLABLE_RECV })).toContain("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV");
});
