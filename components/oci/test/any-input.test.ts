import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  InvalidArgument,
  parseProcess,
  parseResources,
  parseSpec,
  validate,
  validateProcess,
  validateResources,
} from "../index.ts";
import type { Kind } from "../kinds.ts";
import { SPEC } from "../schema.ts";
import { goodConfig, toText } from "./broken/change.ts";

const FACTS = fc.record({
  rootless: fc.boolean(),
  cgroupMode: fc.constantFrom("v1", "hybrid", "unified"),
  systemdCgroup: fc.boolean(),
  noPivot: fc.boolean(),
});

function refusesOrNot(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof InvalidArgument)) throw error;
    expect(error.failures.length).toBeGreaterThan(0);
    for (const failure of error.failures) expect(failure).not.toBe("");
  }
}

test("any text is read or refused, and nothing else happens", () => {
  const text = fc.oneof(fc.string(), fc.json(), fc.string({ unit: "binary" }));
  fc.assert(
    fc.property(text, (text) => {
      for (const parse of [parseSpec, parseProcess, parseResources]) refusesOrNot(() => parse(text, "f"));
    }),
    { numRuns: 1000 },
  );
});

/** Strings that mean something somewhere, so that the checks are reached. */
const WORDS = [
  ...[
    "",
    "/",
    "/proc",
    "/proc/x",
    "..",
    "a/b",
    "bind",
    "rbind",
    "idmap",
    "ridmap",
    "idmap=uids=0-1-1;gids=0-1-1",
    "tmpfs",
    "uid=5",
  ],
  ...[
    "pid",
    "user",
    "network",
    "uts",
    "time",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_ERRNO",
    "SCMP_CMP_EQ",
    "SCHED_FIFO",
    "SCHED_DEADLINE",
  ],
  ...[
    "MPOL_BIND",
    "0-3,7",
    "2MB",
    "net.ipv4.ip_forward",
    "kernel/shmmax",
    "a\0b",
    "__proto__",
    "constructor",
    "1.0.0",
    "RLIMIT_CPU",
  ],
];

/** Values shaped by the tables; now and then something else. */
function shaped(kind: Kind): fc.Arbitrary<unknown> {
  const right = (): fc.Arbitrary<unknown> => {
    switch (kind.is) {
      case "string":
        return fc.oneof(fc.constantFrom(...WORDS), fc.string());
      case "boolean":
        return fc.boolean();
      case "integer":
        return fc.oneof(fc.bigInt({ min: kind.min, max: kind.max }), fc.constantFrom(0, 1, -1, 7, 1000, 65536));
      case "array":
        return fc.array(shaped(kind.of), { maxLength: 3 });
      case "map":
        return fc.dictionary(fc.oneof(fc.constantFrom(...WORDS), fc.string()), shaped(kind.of), { maxKeys: 3 });
      case "object":
        return fc.record(
          Object.fromEntries(Object.entries(kind.fields).map(([name, field]) => [name, shaped(field)])),
          {
            requiredKeys: [],
          },
        );
      case "ignored":
        return fc.jsonValue();
    }
  };
  return fc.oneof({ weight: 60, arbitrary: right() }, { weight: 1, arbitrary: fc.jsonValue() });
}

test("any configuration is accepted or refused with the fields named, and nothing else happens", () => {
  fc.assert(
    fc.property(shaped(SPEC), FACTS, (value, facts) => {
      refusesOrNot(() => validate(parseSpec(toText(value), "f").spec, facts));
    }),
    { numRuns: 1000 },
  );
});

test("any section put into a good configuration is accepted or refused, and nothing else happens", () => {
  const sections = (["process", "mounts", "hooks", "linux"] as const).map((name) =>
    shaped(SPEC.fields[name]!).map((value) => ({ ...goodConfig(), [name]: value })),
  );
  fc.assert(
    fc.property(fc.oneof(...sections), FACTS, (value, facts) => {
      refusesOrNot(() => {
        const { spec } = parseSpec(toText(value), "f");
        validate(spec, facts);
        if (spec.process) validateProcess(spec.process, spec, facts);
        if (spec.linux?.resources) validateResources(spec.linux.resources, facts);
      });
    }),
    { numRuns: 2000 },
  );
});
