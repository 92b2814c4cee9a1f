import { expect, test } from "bun:test";
import fc from "fast-check";
import { findReason, quoteLines } from "../../checkpoint/log.ts";
import { decode, encode } from "../../checkpoint/protobuf.ts";
import { OPTIONS, REQUEST, RESPONSE, TYPE } from "../../checkpoint/rpc.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));

test("a request is encoded as protoc does it", () => {
  expect(encode(REQUEST, { type: TYPE.version })).toEqual(bytes("08 0a"));
  const opts = {
    images_dir_fd: -1,
    log_file: "a",
    ext_mnt: [
      { key: "k", val: "v" },
      { key: "", val: "w" },
    ],
  };
  expect(encode(REQUEST, { type: TYPE.dump, opts })).toEqual(
    bytes(
      "08 01  12 1f  08 ff ff ff ff ff ff ff ff ff 01  52 01 61  ba 01 06 0a 01 6b 12 01 76  ba 01 05 0a 00 12 01 77",
    ),
  );
});

test("a response with fields from the future is understood", () => {
  const restored = bytes(
    "08 06  10 01  2a 10 0a 0c 70 6f 73 74 2d 72 65 73 74 6f 72 65 10 05  a2 06 01 00  ad 06 01 02 03 04",
  );
  expect(decode(RESPONSE, restored)).toEqual({
    type: TYPE.notify,
    success: true,
    notify: { script: "post-restore", pid: 5 },
  });
});

test("a response cut short, or not made of fields, is an error", () => {
  for (const hex of ["08", "2a 05 0a", "2a ff ff ff ff 0f", "0c", "2d 01 02", `08 ${"ff ".repeat(11)}`])
    expect(() => decode(RESPONSE, bytes(hex))).toThrow(RangeError);
});

test("what is encoded decodes to the same", () => {
  const kinds = { int: fc.integer(), bool: fc.boolean(), string: fc.string() };
  const arbitraries = Object.entries(OPTIONS).flatMap(([name, { kind, repeated, of }]) => {
    const fields = Object.entries(of ?? {}).map(([inner, { kind }]) => [inner, kinds[kind as keyof typeof kinds]]);
    const one = kind === "message" ? fc.record(Object.fromEntries(fields), { requiredKeys: [] }) : kinds[kind];
    return [[name, repeated ? fc.array(one as fc.Arbitrary<unknown>, { minLength: 1, maxLength: 3 }) : one]];
  });
  fc.assert(
    fc.property(fc.record(Object.fromEntries(arbitraries), { requiredKeys: [] }), (value) => {
      expect(decode(OPTIONS, encode(OPTIONS, value))).toEqual(value);
    }),
  );
});

const lines = (count: number) => Array.from({ length: count }, (_, i) => `(00.00${i}) step ${i}`);
const RLIMIT = "(00.028711) Error (criu/util.c:1): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted";

test("the reason of a failure is neither an earlier error that did no harm nor one of the clean-up", () => {
  const cause = "(00.3) Error (criu/page-pipe.c:424): page-pipe: splice: -1: Bad file descriptor";
  const after = [
    "(00.31) Error (criu/cr-dump.c:2): Lazy pages transfer FAILED.",
    "(00.32) Error (criu/cr-dump.c:3): Dumping FAILED.",
  ];
  expect(findReason([RLIMIT, ...lines(9), cause, ...lines(2), ...after])).toBe(
    "Error (criu/page-pipe.c:424): page-pipe: splice: -1: Bad file descriptor",
  );
});

test("of errors that follow one another the first is the reason, without the process it happened in", () => {
  const log = [
    "(00.1)      1: Error (criu/util.c:1040): Unable to mount tmpfs in .criu.cgyard: Invalid argument",
    "(00.2) Error (criu/cgroup.c:1264): cg: Unable to umount .criu.cgyard: Invalid argument",
  ];
  expect(findReason([RLIMIT, ...lines(5), ...log])).toBe(
    "Error (criu/util.c:1040): Unable to mount tmpfs in .criu.cgyard: Invalid argument",
  );
  expect(findReason(lines(3))).toBeUndefined();
});

test("each error is quoted with five lines before it, none of them twice, gaps marked", () => {
  expect(quoteLines([...lines(7), "Error a", "b", "Error c", ...lines(8), "Error d"])).toEqual([
    ...lines(7)
      .slice(2)
      .map((line, i) => `${i + 3}:${line}`),
    "8:Error a",
    "9:b",
    "10:Error c",
    "...",
    ...lines(8)
      .slice(3)
      .map((line, i) => `${i + 14}:${line}`),
    "19:Error d",
  ]);
});
