/** A container that watches for an exec, to take the privileges or the descriptors with which it enters (CVE-2016-9962). */
import { expect, test } from "bun:test";
import { closeSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Spec } from "@gantry/oci";
import { pidfdGetfd, waitPid } from "@gantry/sys";
import { openCgroup } from "../../cgroups/index.ts";
import { compileExec } from "../../compile/exec.ts";
import { compileFacts } from "../../facts.ts";
import { inspectHost } from "../../host.ts";
import { launch } from "../../launch.ts";
import { silent } from "../../log.ts";
import { ID, scene } from "./fixture.ts";

const [EACCES, EPERM] = [13, 1];
const JOINED = 0x20000 | 0x20000000 | 0x8000000 | 0x4000000 | 0x40000000; // mount, pid, ipc, uts, network

test("what an exec is cannot be seen, nor its descriptors taken, until it has become its program", () => {
  using attack = scene();
  const pid = attack.start();
  const own: Spec = JSON.parse(readFileSync(join(attack.bundle, "config.json"), "utf8"));
  // A listener makes the process wait at the last moment: its user and its capabilities are those of the container.
  const seccomp = {
    listenerPath: "/nobody",
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["acct"], action: "SCMP_ACT_NOTIFY" }],
  };
  const spec = { ...own, process: { ...own.process, args: ["/bin/true"] }, linux: { ...own.linux, seccomp } } as Spec;
  const host = inspectHost();
  using cgroup = openCgroup({
    host: host.cgroups,
    id: ID,
    driver: "cgroupfs",
    rootless: false,
    userNamespace: false,
    cgroupsPath: undefined,
    annotations: undefined,
  });
  const facts = compileFacts(host, spec, attack.bundle, attack.rootfs, false, cgroup);
  const plan = compileExec(spec, { ...facts, bornInCgroup: false }, { pid, id: ID, namespaces: JOINED, extraEnv: [] });
  let peeked = "";
  const launched = launch({
    plan,
    stdio: [0, 1, 2],
    preserveFds: 0,
    log: silent,
    onInit: () => [],
    onReady: () => {},
    onListener(process, pidfd, fd) {
      let listener: number | undefined; // announced before it is there
      for (let attempt = 0; listener === undefined && attempt < 100_000; attempt++) listener = pidfdGetfd(pidfd, fd);
      if (listener === undefined) throw new Error("no listener");
      const inside = /^NSpid:.*\t(\d+)$/m.exec(readFileSync(`/proc/${process}/status`, "utf8"))![1]!;
      peeked = attack.runc("exec", ID, "/bin/attacker", "peek", inside).stdout;
      closeSync(listener);
    },
  });
  waitPid(launched.pid);
  closeSync(launched.pidfd);
  expect(peeked).toBe(`${EACCES} ${EPERM}\n`);
});
