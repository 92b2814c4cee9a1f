/** Overwriting the host's runtime through /proc/PID/exe of a process on its way into a container (CVE-2019-5736). */
import { expect, test } from "bun:test";
import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { errnoName } from "@gantry/sys";
import { ID, scene } from "./fixture.ts";

test("the program that enters a container is a sealed copy that not even the host's root can write", () => {
  using attack = scene({ args: ["true"] });
  const pid = attack.create();
  expect(readlinkSync(`/proc/${pid}/exe`)).toStartWith("/memfd:");
  const held = openSync(`/proc/${pid}/exe`, constants.O_RDONLY);
  try {
    const before = readFileSync(`/proc/self/fd/${held}`);
    expect(attack.runc("kill", ID, "KILL").status).toBe(0);
    attack.runc("delete", "--force", ID);
    expect(tryWrite(`/proc/self/fd/${held}`)).toBeOneOf(["EPERM", "ETXTBSY"]);
    expect(readFileSync(`/proc/self/fd/${held}`).equals(before)).toBe(true);
  } finally {
    closeSync(held);
  }
});

/** Name of the error, or what happened instead. As the attack does, waits for the program to end first. */
function tryWrite(path: string): string {
  for (let attempt = 0; ; attempt++) {
    try {
      const fd = openSync(path, constants.O_WRONLY);
      try {
        writeSync(fd, "#!/bin/evil\n");
        return "written";
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      const name = errnoName(-(error as { errno: number }).errno);
      if (name !== "ETXTBSY" || attempt === 200) return name;
      Bun.sleepSync(5);
    }
  }
}

test("an image whose program is /proc/self/exe gets nothing but the copy", () => {
  using attack = scene({ args: ["/bin/evil"] });
  writeFileSync(`${attack.rootfs}/bin/evil`, "#!/proc/self/exe\n", { mode: 0o755 });
  const identity = () => JSON.stringify([statSync(process.execPath).mtimeMs, statSync(process.execPath).size]);
  const before = identity();
  const result = attack.run();
  expect(result.status).not.toBe(0);
  expect(result.stdout).toBe("");
  expect(identity()).toBe(before);
});
