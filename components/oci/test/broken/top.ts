/** What every platform has, and hooks. */
import { NUL, type Row, top, without } from "./change.ts";

// biome-ignore format: a table
const FIELDS: readonly Row[] = [
  ["no version", (c) => top(c, { ociVersion: undefined }), "ociVersion"],
  ["version 2", (c) => top(c, { ociVersion: "2.0.0" }), "ociVersion", "not supported"],
  ["version 1", (c) => top(c, { ociVersion: "1" }), "ociVersion", "semantic version"],
  ["version with v", (c) => top(c, { ociVersion: "v1.0.0" }), "ociVersion"],
  ["version with leading zero", (c) => top(c, { ociVersion: "1.02.0" }), "ociVersion"],
  ["empty version", (c) => top(c, { ociVersion: "" }), "ociVersion"],
  ["no process", (c) => top(c, { process: undefined }), "process", "process property must not be empty"],
  ["process is null", (c) => top(c, { process: null }), "process", "process property must not be empty"],
  ["no root", (c) => top(c, { root: undefined }), "root", "root must be specified"],
  ["empty root", (c) => top(c, { root: { path: "" } }), "root.path"],
  ["NUL in root", (c) => top(c, { root: { path: NUL } }), "root.path", "NUL"],
  ["hostname of 65 bytes", (c) => top(c, { hostname: "h".repeat(65) }), "hostname"],
  ["hostname of 33 wide letters", (c) => top(c, { hostname: "é".repeat(33) }), "hostname"],
  ["domainname of 65 bytes", (c) => top(c, { domainname: "h".repeat(65) }), "domainname"],
  ["hostname without uts", (c) => without(c, "uts"), "hostname", "unable to set hostname without a private UTS namespace"],
  ["domainname without uts", (c) => top(without(c, "uts"), { domainname: "d" }), "domainname", "unable to set domainname without"],
  ["annotation without a name", (c) => top(c, { annotations: { "": "x" } }), "annotations"],
  ["NUL in an annotation", (c) => top(c, { annotations: { k: NUL } }), "annotations.k", "NUL"],
  ["NUL in the name of an annotation", (c) => top(c, { annotations: { [NUL]: "v" } }), "annotations", "NUL"],
];

const HOOKS: readonly Row[] = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
].flatMap((name): Row[] => {
  const at = `hooks.${name}[0]`;
  const hook =
    (value: object): Row[1] =>
    (c) =>
      top(c, { hooks: { [name]: [value] } });
  return [
    [`${name} hook with a relative path`, hook({ path: "bin/x" }), `${at}.path`, "absolute"],
    [`${name} hook without a path`, hook({}), `${at}.path`],
    [`${name} hook with an empty path`, hook({ path: "" }), `${at}.path`],
    [`${name} hook with timeout 0`, hook({ path: "/x", timeout: 0 }), `${at}.timeout`, "greater than zero"],
    [`${name} hook with timeout -1`, hook({ path: "/x", timeout: -1 }), `${at}.timeout`],
    [`${name} hook with NUL`, hook({ path: "/x", args: ["x", NUL] }), `${at}.args[1]`, "NUL"],
  ];
});

export const TOP: readonly Row[] = [...FIELDS, ...HOOKS];
