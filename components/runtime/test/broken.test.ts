/** Every broken configuration: one clear error that names the field, status 1, and nothing left behind. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Runtime } from "@gantry/runtime";
import { BROKEN_CONFIGS } from "../../oci/test/broken-configs.ts";
import { makeBundle } from "./bundle.ts";
import { runc } from "./command.ts";
import { footprint } from "./footprint.ts";

let folder: string;
let root: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-broken-"));
  root = join(folder, "root");
  makeBundle(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const EVERYWHERE = BROKEN_CONFIGS.filter((broken) => broken.facts === undefined);

test("each of at least 200 broken configurations is refused by the library, naming its field, without a trace", () => {
  expect(EVERYWHERE.length).toBeGreaterThanOrEqual(200);
  const runtime = new Runtime({ root });
  const before = footprint("gantry-broken");
  const wrong: string[] = [];
  for (const { name, config, field } of EVERYWHERE) {
    writeFileSync(join(folder, "config.json"), config);
    try {
      runtime.create({ id: "gantry-broken", bundle: folder });
      wrong.push(`${name}: was accepted`);
      runtime.get("gantry-broken").delete({ force: true });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!message.includes(field)) wrong.push(`${name}: "${message}" does not name ${field}`);
    }
    if (existsSync(join(root, "gantry-broken"))) wrong.push(`${name}: left a state directory`);
  }
  expect(wrong).toEqual([]);
  expect(footprint("gantry-broken")).toEqual(before);
});

/** Without the escapes of the log's quotation marks. */
const plain = (text: string) => text.replaceAll("\\", "");

/** One of each kind through the command line, where the status and the shape of the message are visible. */
const SAMPLE = EVERYWHERE.filter((_, i) => i % 20 === 0);

describe("on the command line", () => {
  test.each(SAMPLE.map((one) => [one.name, one] as const))("%s", (_, { config, field }) => {
    writeFileSync(join(folder, "config.json"), config);
    const result = runc(["--root", root, "run", "--bundle", folder, "gantry-broken"]);
    expect(result.status).toBe(1);
    expect(plain(result.stderr)).toContain(field);
    expect(result.stderr.split("\n").filter((line) => line.includes("level=error"))).toHaveLength(1);
    expect(existsSync(join(root, "gantry-broken"))).toBe(false);
  });
});

/** Configurations that only the kernel can refuse: the launch has begun by then, and is undone. */
const LATE: readonly (readonly [string, string, Parameters<typeof makeBundle>[1]])[] = [
  ["a program that is not there", "process.args[0]", { args: ["/no/such/program"] }],
  ["a working directory that is a file", "process.cwd", { edit: (spec) => void (spec.process!.cwd = "/bin/busybox") }],
  [
    "a mount whose source is missing",
    "mounts[",
    {
      edit: (spec) =>
        void spec.mounts!.push({ destination: "/x", type: "bind", source: "/no/such/source", options: ["bind"] }),
    },
  ],
  [
    "a file system that does not exist",
    "mounts[",
    { edit: (spec) => void spec.mounts!.push({ destination: "/x", type: "nosuchfs", source: "none" }) },
  ],
  [
    "a parameter that the file system does not know",
    "mounts[",
    {
      edit: (spec) =>
        void spec.mounts!.push({ destination: "/x", type: "tmpfs", source: "tmpfs", options: ["nonsense=1"] }),
    },
  ],
  [
    "a hook that fails",
    "createRuntime hook #0",
    { edit: (spec) => void (spec.hooks = { createRuntime: [{ path: "/bin/false" }] }) },
  ],
  [
    "a hook inside that fails",
    "createContainer hook #0",
    { edit: (spec) => void (spec.hooks = { createContainer: [{ path: "/bin/false" }] }) },
  ],
  [
    "a sysctl that the kernel refuses",
    "kernel.msgmax",
    { edit: (spec) => void (spec.linux!.sysctl = { "kernel.msgmax": "many" }) },
  ],
  [
    "a namespace that is none",
    "linux.namespaces[",
    { edit: (spec) => void (spec.linux!.namespaces!.find((one) => one.type === "ipc")!.path = "/dev/null") },
  ],
  [
    "a memory limit that nothing fits into",
    "memory",
    { edit: (spec) => void (spec.linux!.resources = { ...spec.linux!.resources, memory: { limit: 4096 } }) },
  ],
  [
    "a device in the way of another file",
    "linux.devices[0]",
    { edit: (spec) => void (spec.linux!.devices = [{ path: "/bin/busybox", type: "c", major: 1, minor: 3 }]) },
  ],
];

test.each(LATE)("%s fails with its field and is undone", (_name, field, options) => {
  const bundle = makeBundle(mkdtempSync(join(folder, "late-")), options);
  const before = footprint("gantry-broken");
  const result = runc(["--root", root, "run", "--bundle", bundle, "gantry-broken"]);
  expect(result.stderr).toContain(field);
  expect(result.status).toBe(1);
  expect(readdirSync(root)).toEqual([]);
  const { descriptors: _, ...left } = footprint("gantry-broken"); // descriptors of a process that has ended are closed
  expect(before).toMatchObject(left);
});
