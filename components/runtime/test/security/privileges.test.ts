/** What a process must not have, gain, or be given by a mistake. */
import { describe, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { syscall } from "@gantry/sys";
import { ID, scene } from "./fixture.ts";

const EPERM = 1;
const attacker = (...args: string[]) => ["/bin/attacker", ...args];
const zeros = "0".repeat(16);

/** A permitted and effective set in a file's security.capability; capabilities(7), revision 2. */
function giveCapability(path: string, capability: number): void {
  const value = new DataView(new ArrayBuffer(20));
  value.setUint32(0, 0x02000001, true);
  value.setUint32(4, 1 << capability, true);
  syscall("setxattr", path, path, "security.capability", new Uint8Array(value.buffer), 20, 0);
}

const CAP_NET_ADMIN = 12;

test("with no_new_privs a setuid program stays the user's", () => {
  using attack = scene({
    args: attacker("euid"),
    edit: (spec) => void (spec.process!.user = { uid: 1000, gid: 1000 }),
  });
  chmodSync(join(attack.rootfs, "bin/attacker"), 0o4755);
  expect(attack.run().stdout).toBe("1000\n");
});

test("a capability that is not in the bounding set is not given by a file either", () => {
  using attack = scene({
    args: ["sh", "-c", "attacker caps; echo $?"],
    edit: (spec) => {
      spec.process!.noNewPrivileges = false;
      spec.process!.user = { uid: 1000, gid: 1000 };
    },
  });
  giveCapability(join(attack.rootfs, "bin/attacker"), CAP_NET_ADMIN);
  const { stdout } = attack.run();
  expect(stdout).not.toContain((1 << CAP_NET_ADMIN).toString(16).padStart(16, "0"));
  expect(stdout).toBe("126\n"); // the kernel refuses a program whose capabilities it cannot give
});

describe("inheritable capabilities are empty (CVE-2022-24769, CVE-2022-29162)", () => {
  const show = ["grep", "CapInh", "/proc/self/status"];
  test("in a container", () => {
    using attack = scene({ args: show });
    expect(attack.run().stdout).toBe(`CapInh:\t${zeros}\n`);
  });
  test("in an exec, and in one that is given a capability", () => {
    using attack = scene();
    attack.start();
    expect(attack.runc("exec", ID, ...show).stdout).toBe(`CapInh:\t${zeros}\n`);
    expect(attack.runc("exec", "--cap", "CAP_NET_ADMIN", ID, ...show).stdout).toBe(`CapInh:\t${zeros}\n`);
  });
});

test("what an ordinary user runs cannot leave its groups, which may deny it something", () => {
  const one = [{ containerID: 0, hostID: 100000, size: 1 }];
  using attack = scene({
    args: ["sh", "-c", "cat /proc/self/setgroups; attacker setgroups"],
    edit: (spec) => {
      spec.linux!.namespaces!.push({ type: "user" });
      spec.linux!.uidMappings = one;
      spec.linux!.gidMappings = one;
      for (const mount of spec.mounts!)
        mount.options = mount.options?.filter((option) => !/^[gu]id=/.test(option)) ?? [];
      spec.process!.capabilities!.effective!.push("CAP_SETGID");
      spec.process!.capabilities!.permitted!.push("CAP_SETGID");
      spec.process!.capabilities!.bounding!.push("CAP_SETGID");
    },
  });
  Bun.spawnSync(["chown", "-R", "100000:100000", attack.rootfs]);
  for (const directory of [attack.folder, attack.bundle]) chmodSync(directory, 0o755);
  const result = attack.runc("--rootless", "true", "run", "--bundle", attack.bundle, ID);
  expect(result).toMatchObject({ stdout: `deny\n${EPERM}\n` });
});

describe("exec --user takes nothing but decimal numbers (CVE-2026-30892)", () => {
  const wrong = [
    "root",
    "+0",
    "-0",
    "-1",
    " 0",
    "0 ",
    "0x0",
    "00x",
    "0e0",
    "1e3",
    "1.0",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    ":0",
    "0:",
    "0:0:0",
    "1000:root",
    "1000:-1",
    "1000: 0",
    "",
    "٣",
  ];
  test("everything else is refused, not read as 0", () => {
    using attack = scene();
    attack.start();
    for (const user of wrong) {
      const result = attack.runc("exec", "--user", user, ID, "id");
      expect([user, result.status, result.stdout]).toEqual([user, 255, ""]);
    }
    expect(attack.runc("exec", "--user", "1000:1001", ID, "id").stdout).toBe("uid=1000(user) gid=1001\n");
  });
});
