/** A program that cannot be executed: the message says why, where the kernel says only "no such file or directory". */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBundle } from "./bundle.ts";
import { runc } from "./command.ts";

let folder: string;
let bundle: string;
const rootfs = (path: string) => join(bundle, "rootfs", path);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-diagnosis-"));
  bundle = makeBundle(join(folder, "bundle"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function program(path: string, content: string | Uint8Array): void {
  writeFileSync(rootfs(path), content);
  chmodSync(rootfs(path), 0o755);
}

function failureOf(args: readonly string[], edit?: Parameters<typeof makeBundle>[1]): string {
  const changed = makeConfig(args, edit);
  const log = join(changed, "log");
  const result = runc(["--log", log, "--root", join(folder, "root"), "run", "--bundle", changed, "gantry-diagnosis"]);
  expect([1, 255]).toContain(result.status); // 255: runc's status when execve itself fails
  return readFileSync(log, "utf8").replaceAll("\\", "");
}

/** The same root file system with another configuration. */
function makeConfig(args: readonly string[], options: Parameters<typeof makeBundle>[1] = {}): string {
  const directory = mkdtempSync(join(folder, "config-"));
  makeBundle(directory, { ...options, args });
  const spec = JSON.parse(readFileSync(join(directory, "config.json"), "utf8"));
  spec.root.path = join(bundle, "rootfs");
  writeFileSync(join(directory, "config.json"), JSON.stringify(spec));
  return directory;
}

test("a missing interpreter is named", () => {
  program("bin/script", "#!/usr/bin/python9 -u\nprint()\n");
  expect(failureOf(["/bin/script"])).toContain(
    'the interpreter "/usr/bin/python9" named in the first line of the script: No such file or directory',
  );
});

test("Windows line ends in a script's first line are recognised", () => {
  program("bin/windows", "#!/bin/sh\r\necho hi\r\n");
  expect(failureOf(["/bin/windows"])).toContain("CRLF");
});

test("a missing ELF loader is named", () => {
  const image = new Uint8Array(readFileSync("/bin/ls")); // dynamically linked on every Debian
  program("bin/dynamic", image);
  expect(failureOf(["/bin/dynamic"])).toMatch(
    /its dynamic loader "\/lib64?\/ld-linux[^"]*" is missing in the container/,
  );
});

test("a program for another architecture is recognised", () => {
  const image = new Uint8Array(readFileSync("/bin/busybox"));
  image[18] = 0xf3; // e_machine: RISC-V
  image[19] = 0;
  program("bin/foreign", image);
  expect(failureOf(["/bin/foreign"])).toContain("built for another architecture (ELF machine 243)");
});

test("a file that is no program at all is recognised", () => {
  program("bin/text", "just text\n");
  expect(failureOf(["/bin/text"])).toContain("neither an ELF program nor a script with a #! line");
});

test("a program on a noexec mount says so", () => {
  mkdirSync(join(folder, "volume"));
  writeFileSync(join(folder, "volume/tool"), "#!/bin/sh\n");
  chmodSync(join(folder, "volume/tool"), 0o755);
  const stderr = failureOf(["/volume/tool"], {
    edit: (spec) =>
      void spec.mounts!.push({
        destination: "/volume",
        type: "bind",
        source: join(folder, "volume"),
        options: ["bind", "noexec"],
      }),
  });
  expect(stderr).toContain("process.args");
  expect(stderr).toContain("mounted noexec");
});

test("the first element of a path that is missing is named", () => {
  mkdirSync(rootfs("opt"), { recursive: true });
  expect(failureOf(["/opt/tool/bin/run"])).toContain('"/opt/tool": No such file or directory');
});

test("a symbolic link to something missing is named", () => {
  symlinkSync("/nowhere/tool", rootfs("bin/link"));
  expect(failureOf(["/bin/link"])).toContain('"/bin/link" is a symbolic link to something missing');
});

test("a file in the place of a directory is named", () => {
  expect(failureOf(["/etc/passwd/tool"])).toContain('"/etc/passwd" is not a directory');
});

test("after create, the reason is one line on the container's stderr", () => {
  program("bin/late", "#!/no/interpreter\n");
  const changed = makeConfig(["/bin/late"]);
  const root = join(folder, "root");
  const output = join(folder, "stderr");
  const { openSync, closeSync } = require("node:fs") as typeof import("node:fs");
  const fd = openSync(output, "w");
  const { RUNC } = require("./command.ts") as typeof import("./command.ts");
  const created = Bun.spawnSync([...RUNC, "--root", root, "create", "--bundle", changed, "gantry-late"], {
    stdio: ["ignore", "ignore", fd],
  });
  closeSync(fd);
  expect(created.exitCode).toBe(0);
  expect(runc(["--root", root, "start", "gantry-late"]).status).toBe(0);
  const deadline = Date.now() + 5000;
  while (readFileSync(output, "utf8") === "" && Date.now() < deadline) Bun.sleepSync(5);
  expect(readFileSync(output, "utf8")).toMatch(
    /^exec \/bin\/late: no such file or directory: the interpreter "\/no\/interpreter"[^\n]*\n$/,
  );
  expect(runc(["--root", root, "delete", "--force", "gantry-late"]).status).toBe(0);
});
