import { describe, expect, test } from "bun:test";
import { InvalidArgument, parseProcess, parseResources, parseSpec } from "../index.ts";

const parse = (body: string) => parseSpec(`{"ociVersion": "1.3.0", ${body}}`, "config.json");
const seccompValue = (digits: string) => {
  const args = `[{"index": 0, "value": ${digits}, "op": "SCMP_CMP_EQ"}]`;
  const rule = `{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": ${args}}`;
  const { spec } = parse(`"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [${rule}]}}`);
  return spec.linux?.seccomp?.syscalls?.[0]?.args?.[0]?.value;
};

describe("integers of 64 bits", () => {
  test("keep every digit", () => {
    expect(seccompValue("18446744073709551615")).toBe(18446744073709551615n);
    expect(seccompValue("9007199254740993")).toBe(9007199254740993n);
  });

  test("are numbers where a number is exact", () => {
    expect(seccompValue("9007199254740991")).toBe(9007199254740991);
    expect(seccompValue("2114060288")).toBe(2114060288);
  });

  test("may be negative", () => {
    const { resources } = parseResources('{"memory": {"limit": -9223372036854775808}}', "-");
    expect(resources.memory?.limit).toBe(-9223372036854775808n);
  });

  test("in strings stay strings", () => {
    const { spec } = parse('"annotations": {"id": ": 12345678901234567890", "n": "9007199254740993"}');
    expect(spec.annotations).toEqual({ id: ": 12345678901234567890", n: "9007199254740993" });
  });

  test("written with an exponent are refused where digits would be lost", () => {
    expect(seccompValue("1e3")).toBe(1000);
    expect(() => seccompValue("1e19")).toThrow("linux.seccomp.syscalls[0].args[0].value: must be an integer");
  });
});

describe("unknown keys", () => {
  const warnings = (body: string) => parse(body).warnings;

  test("are accepted, with a warning that names the nearest known one", () => {
    expect(warnings('"linux": {"resource": {}}')).toEqual([
      'linux.resource: unknown key, ignored; did you mean "resources"?',
    ]);
  });

  test("are accepted without a guess when none is near", () => {
    expect(warnings('"somethingElse": [1]')).toEqual(["somethingElse: unknown key, ignored"]);
  });

  test("of other platforms are not worth a word", () => {
    expect(warnings('"windows": {"x": 1}, "vm": null, "zos": {}, "solaris": {}, "freebsd": {}')).toEqual([]);
  });

  test("that differ in case alone are taken for the known one, as Go does", () => {
    const { spec, warnings } = parse(
      '"Hostname": "h", "linux": {"uidMappings": [{"containerId":0,"hostId":5,"size":1}]}',
    );
    expect(spec.hostname).toBe("h");
    expect(spec.linux?.uidMappings).toEqual([{ containerID: 0, hostID: 5, size: 1 }]);
    expect(warnings).toContain('Hostname: unknown key; taken for "hostname"');
  });

  test("named like methods of objects are unknown too", () => {
    expect(warnings('"constructor": 1, "toString": 2, "__proto__": {"hostname": "x"}').length).toBe(3);
  });
});

test("null stands for absent, as in Go", () => {
  const { spec, warnings } = parse(
    '"linux": null, "hostname": null, "mounts": [{"destination": "/a", "options": null}]',
  );
  expect(spec).toEqual({ ociVersion: "1.3.0", mounts: [{ destination: "/a" }] });
  expect(warnings).toEqual([]);
});

test("every wrong field is reported at once, in the order of the document", () => {
  const wrong = '"hostname": 1, "mounts": [{}, {"destination": "/", "options": [1]}], "linux": {"sysctl": []}';
  const failures = failuresOf(() => parse(wrong));
  expect(failures).toEqual([
    "hostname: must be a string, not 1",
    "mounts[0].destination: must be set",
    "mounts[1].options[0]: must be a string, not 1",
    "linux.sysctl: must be an object, not an array",
  ]);
});

test("a number in quotes is told apart", () => {
  expect(failuresOf(() => parse('"process": {"user": {"uid": "0"}}'))).toEqual([
    'process.user.uid: must be an integer from 0 to 4294967295, not "0"; remove the quotes',
  ]);
});

test("a filter without default action and rules is no filter, as for runc", () => {
  const { spec, warnings } = parse('"linux": {"seccomp": {"syscalls": []}}');
  expect(spec.linux).toEqual({});
  expect(warnings[0]).toStartWith("linux.seccomp: ");
});

test("a process alone is named as part of the configuration", () => {
  expect(parseProcess('{"cwd": "/", "args": ["sh"]}', "p.json").process).toEqual({ cwd: "/", args: ["sh"] });
  expect(failuresOf(() => parseProcess('{"cwd": 1}', "p.json"))).toEqual(["process.cwd: must be a string, not 1"]);
  expect(() => parseProcess("{", "p.json")).toThrow("p.json:1:2: invalid JSON");
});

test("resources alone are named as part of the configuration", () => {
  expect(failuresOf(() => parseResources('{"memory": {"limit": "1"}}', "-"))[0]).toStartWith(
    "linux.resources.memory.limit",
  );
});

function failuresOf(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof InvalidArgument) return error.failures;
    throw error;
  }
  return [];
}
