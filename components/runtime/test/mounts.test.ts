/** Mounts whose making depends on what is there already, and on who makes them. */
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { scene } from "./security/fixture.ts";

test("a user namespace in the host's network namespace, which may make no sysfs, sees the host's", () => {
  const map = [{ containerID: 0, hostID: 100000, size: 65536 }];
  using place = scene({
    args: ["sh", "-c", "ls /sys/kernel >/dev/null && grep -c ' /sys sysfs ro,' /proc/mounts"],
    edit: (spec) => {
      spec.linux!.namespaces = [...spec.linux!.namespaces!.filter(({ type }) => type !== "network"), { type: "user" }];
      spec.linux!.uidMappings = map;
      spec.linux!.gidMappings = map;
    },
  });
  Bun.spawnSync(["chown", "-R", "100000:100000", place.rootfs]);
  for (const directory of [place.folder, place.bundle]) chmodSync(directory, 0o755);
  expect(place.run()).toEqual({ status: 0, stdout: "1\n", stderr: "" });
});

test("a tmpfs starts with the mode, and with tmpcopyup with the content, of the directory that it covers", () => {
  using place = scene({
    args: [
      "sh",
      "-c",
      "stat -c %a /data /plain; cat /data/sub/file; readlink /data/link; stat -c %a:%u /data/sub; touch /data/x",
    ],
    edit: (spec) =>
      void spec.mounts!.push(
        { destination: "/data", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "ro"] },
        { destination: "/plain", type: "tmpfs", source: "tmpfs", options: ["mode=1500"] },
      ),
  });
  const data = join(place.rootfs, "data");
  mkdirSync(join(data, "sub"), { recursive: true });
  writeFileSync(join(data, "sub/file"), "content\n");
  symlinkSync("sub", join(data, "link"));
  chmodSync(data, 0o710);
  chmodSync(join(data, "sub"), 0o2751);
  Bun.spawnSync(["chown", "7", join(data, "sub")]);
  const result = place.run();
  expect(result.stdout).toBe("710\n1500\ncontent\nsub\n2751:7\n");
  expect(result.stderr).toContain("Read-only file system");
});
