/** Masked paths whose cover, /dev/null, is not what it should be (CVE-2025-31133). */
import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Scene, scene, secret } from "./fixture.ts";

/** A container whose /dev is a directory that its owner fills as he likes; it reads what is masked. */
function foreignDev(): Scene & { dev: string } {
  const attack = scene();
  const dev = join(attack.folder, "dev");
  mkdirSync(dev);
  attack.configure({
    args: ["head", "-c", "64", "/masked"],
    edit: (spec) => {
      spec.mounts = spec.mounts!.filter(({ destination }) => !destination.startsWith("/dev"));
      spec.mounts.push({ destination: "/dev", type: "bind", source: dev, options: ["bind"] });
      spec.linux!.maskedPaths = ["/masked"];
    },
  });
  writeFileSync(join(attack.rootfs, "masked"), "what was to be masked\n");
  secret(join(attack.rootfs, "target"));
  return Object.assign(attack, { dev });
}

const null_ = (path: string) => expect(Bun.spawnSync(["mknod", "-m", "666", path, "c", "1", "3"]).exitCode).toBe(0);

test("a masked file reads as empty", () => {
  using attack = foreignDev();
  null_(join(attack.dev, "null"));
  expect(attack.run()).toEqual({ status: 0, stdout: "", stderr: "" });
});

test.each(["link", "file", "another device"])(
  "a /dev/null that is a %s covers nothing, and no container starts",
  (kind) => {
    using attack = foreignDev();
    const path = join(attack.dev, "null");
    if (kind === "link") symlinkSync("/target", path);
    else if (kind === "file") secret(path);
    else Bun.spawnSync(["mknod", path, "c", "1", "5"]);
    const result = attack.run();
    expect(result.stderr).toContain("/dev/null");
    expect(result.status).toBe(1);
    expect(result.stdout).toBe("");
  },
);

test("a /dev/null that is exchanged with a link, over and over, never shows the target in place of what is masked", async () => {
  using attack = foreignDev();
  null_(join(attack.dev, "null"));
  symlinkSync("/target", join(attack.dev, "link"));
  using _swapping = await attack.swap(join(attack.dev, "null"), join(attack.dev, "link"));
  for (let round = 0; round < 12; round++) expect(attack.run().stdout).toBe("");
});
