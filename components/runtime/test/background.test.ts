/** `exec` and `run` as a job in the background of a shell. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBundle } from "./bundle.ts";
import { RUNC } from "./command.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-background-"));
  makeBundle(folder, { args: ["sh", "-c", "echo begun; head -n 1; echo ended"] });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a script of bash with job control on a terminal, where `typed` is typed; returns what the terminal showed. */
function onTerminal(script: string, typed = ""): string {
  const runtime = [...RUNC, "--root", join(folder, "root")].join(" ");
  const argv = ["script", "-qec", `bash -c 'set -m; ${script.replaceAll("RUNC", runtime)}'`, "/dev/null"];
  const { stdout, exitCode, signalCode } = Bun.spawnSync(argv, {
    stdin: Buffer.from(typed),
    env: { ...process.env, SHELL: "/bin/sh" },
    timeout: 20_000,
  });
  expect({ exitCode, signalCode }).toMatchObject({ exitCode: 0 });
  return stdout.toString();
}

test("it runs to its end and leaves the terminal's input alone", () => {
  const shown = onTerminal(
    `mkfifo ${folder}/go; RUNC run --bundle ${folder} gantry-background < ${folder}/go & exec 3> ${folder}/go;
     until RUNC exec gantry-background true; do :; done 2> /dev/null;
     RUNC exec gantry-background echo from behind & wait $!; echo status $?; echo typed >&3; wait`,
  );
  expect(shown).toContain("from behind\r\nstatus 0\r\n");
  expect(shown).toContain("begun\r\n");
  expect(shown).toContain("typed\r\nended\r\n");
});

test("brought to the foreground it reads what is typed", () => {
  const shown = onTerminal(`RUNC run --bundle ${folder} gantry-background & fg`, "hello\n");
  expect(shown).toContain("hello\r\nended\r\n");
});
