/** Options of mounts that runc does not have. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBundle } from "./bundle.ts";
import { runc } from "./command.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-options-"));
  mkdirSync(join(folder, "source"));
  writeFileSync(join(folder, "source/file"), "content");
  symlinkSync("file", join(folder, "source/link"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(
  args: readonly string[],
  destination: string,
  source: string,
  options: readonly string[],
  prepare?: (rootfs: string) => void,
) {
  const bundle = makeBundle(mkdtempSync(join(folder, "bundle-")), {
    args,
    edit: (spec) =>
      void spec.mounts!.push({
        destination,
        type: "bind",
        source: join(folder, "source", source),
        options: ["bind", ...options],
      }),
  });
  prepare?.(join(bundle, "rootfs"));
  return runc(["--root", join(folder, "root"), "run", "--bundle", bundle, "gantry-options"]);
}

test("copy-symlink recreates a link instead of binding what it points to", () => {
  expect(run(["readlink", "/here"], "/here", "link", ["copy-symlink"]).stdout).toBe("file\n");
});

test("copy-symlink binds a source that is no link", () => {
  expect(run(["cat", "/here"], "/here", "file", ["copy-symlink"]).stdout).toBe("content");
});

test("dest-nofollow refuses a destination that is a link", () => {
  const result = run(["true"], "/link", "file", ["dest-nofollow"], (rootfs) =>
    symlinkSync("/etc/passwd", join(rootfs, "link")),
  );
  expect(result.status).toBe(1);
  expect(result.stderr).toContain("symbolic link");
  const followed = run(["cat", "/etc/passwd"], "/link", "file", [], (rootfs) =>
    symlinkSync("/etc/passwd", join(rootfs, "link")),
  );
  expect(followed.stdout).toBe("content");
});
