/** Images whose /dev is not a directory, or holds something in the place of a device (CVE-2026-41579). */
import { expect, test } from "bun:test";
import { linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join, relative } from "node:path";
import { scene, secret } from "./fixture.ts";

/** Without a mount on /dev the nodes are made in the image. */
const bare = {
  edit: (spec: { mounts?: { destination: string }[] }) =>
    void (spec.mounts = spec.mounts!.filter(({ destination }) => !destination.startsWith("/dev"))),
};

test.each(["absolute", "climbing"])("a /dev that is an %s link to the host gets no device there", (kind) => {
  using attack = scene(bare);
  rmSync(join(attack.rootfs, "dev"), { recursive: true });
  symlinkSync(kind === "absolute" ? attack.victim : relative(attack.rootfs, attack.victim), join(attack.rootfs, "dev"));
  attack.run();
  expect(readdirSync(attack.victim)).toEqual([]);
});

test.each([
  ["a symbolic link to a secret", (secretPath: string, node: string) => symlinkSync(secretPath, node)],
  ["another name of a secret", (secretPath: string, node: string) => linkSync(secretPath, node)],
])("%s in the place of a device keeps its owner and mode", (_name, plant) => {
  using attack = scene(bare);
  const path = secret(join(attack.victim, "secret"));
  plant(path, join(attack.rootfs, "dev/zero"));
  const result = attack.run();
  expect(result.status).toBe(1);
  expect(result.stderr).toContain("something else is in the place of the device");
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a secret that is exchanged with a device, over and over, keeps its mode", async () => {
  using attack = scene(bare);
  const dev = join(attack.rootfs, "dev");
  mkdirSync(join(dev, "spare"));
  const path = secret(join(attack.folder, "secret"));
  linkSync(path, join(dev, "zero"));
  Bun.spawnSync(["mknod", "-m", "600", join(dev, "spare/zero"), "c", "1", "5"]);
  using _swapping = await attack.swap(join(dev, "zero"), join(dev, "spare/zero"));
  for (let round = 0; round < 12; round++) {
    attack.run();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  }
});

test("a device that is there already is used as it is", () => {
  using attack = scene(bare);
  const node = join(attack.rootfs, "dev/zero");
  Bun.spawnSync(["mknod", "-m", "600", node, "c", "1", "5"]);
  expect(attack.run()).toMatchObject({ status: 0 });
  expect(lstatSync(node).mode & 0o777).toBe(0o666);
});

test("a sysctl is written to the kernel and not to what the image has in the place of /proc", () => {
  using attack = scene({
    args: ["cat", "/proc/sys/net/ipv4/ip_default_ttl"],
    edit: (spec) => {
      spec.mounts = spec.mounts!.filter(({ type }) => type !== "proc");
      spec.linux!.sysctl = { "net.ipv4.ip_default_ttl": "99" };
      spec.linux!.maskedPaths = [];
      spec.linux!.readonlyPaths = [];
      spec.root!.readonly = false;
    },
  });
  const fake = join(attack.rootfs, "proc/sys/net/ipv4");
  mkdirSync(fake, { recursive: true });
  secret(join(fake, "ip_default_ttl"));
  expect(attack.run().stdout).toBe("secret of the host\n");
  expect(readFileSync(join(fake, "ip_default_ttl"), "utf8")).toBe("secret of the host\n");
});
