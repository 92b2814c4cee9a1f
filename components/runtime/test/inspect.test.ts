/** `lint`, `verify`, `doctor`. */
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultSpec, type Spec } from "@gantry/oci";
import { lintSpec } from "../inspect/lint.ts";
import { runc } from "./command.ts";
import { detached } from "./detached.ts";

const SPEC = defaultSpec({ rootless: false, euid: 0, egid: 0, cgroupV2: false });

/** What lint says of the default configuration with changes, beyond what it says of it without. */
function said(change: (spec: Spec) => Spec): string[] {
  const before = new Set(lintSpec(SPEC).map(({ text }) => text));
  return lintSpec(change(structuredClone(SPEC)))
    .filter(({ text }) => !before.has(text))
    .map(({ level, text }) => `${level} ${text}`);
}

test("a mount that a later one covers is a warning", () => {
  const cover = { destination: "/dev", type: "tmpfs", source: "tmpfs" };
  const texts = said((spec) => ({ ...spec, mounts: [...spec.mounts!, cover] }));
  expect(texts).toContain("warning mounts[2]: /dev/pts is hidden by mounts[7] on /dev");
});

test("what gives the host away is unsafe: its namespaces, its engine's socket, all devices, strong capabilities", () => {
  const socket = { destination: "/s", source: "/run/docker.sock", options: ["bind"] };
  expect(said((spec) => ({ ...spec, mounts: [...spec.mounts!, socket] }))[0]).toContain("command the engine");
  const namespaces = SPEC.linux!.namespaces!.filter(({ type }) => type !== "pid");
  expect(said((spec) => ({ ...spec, linux: { ...spec.linux, namespaces } }))[0]).toContain('without "pid"');
  const resources = { devices: [{ allow: true, access: "rwm" }] };
  expect(said((spec) => ({ ...spec, linux: { ...spec.linux, resources } }))[0]).toContain("every device of the host");
  const capabilities = { effective: ["CAP_SYS_ADMIN"] };
  const powerful = (spec: Spec): Spec => ({ ...spec, process: { ...spec.process!, capabilities } });
  expect(said(powerful)[0]).toContain("CAP_SYS_ADMIN");
  // In a user namespace it reaches only what belongs to that.
  expect(
    said((spec) => powerful({ ...spec, linux: { namespaces: [...namespaces, { type: "user" }] } })).join(),
  ).not.toContain("SYS_ADMIN");
});

test("lint fails for a bundle that would be refused, and names unknown keys", () => {
  using c = detached();
  const file = join(c.bundle, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(
    file,
    JSON.stringify({ ...config, hostnam: "x", mounts: [{ destination: "/x", type: "tmpfs", options: ["size=1", 3] }] }),
  );
  const { status, stdout } = c.runc("lint", "--bundle", c.bundle);
  expect(status).toBe(1);
  expect(stdout).toContain("error    mounts[0].options[1]: must be a string");
  writeFileSync(file, JSON.stringify({ ...config, hostnam: "x" }));
  const found = JSON.parse(c.runc("lint", "--bundle", c.bundle, "--json").stdout);
  expect(found).toContainEqual({ level: "warning", text: 'hostnam: unknown key, ignored; did you mean "hostname"?' });
});

test("verify finds nothing in a fresh container, and what was changed behind its back", () => {
  using c = detached({
    edit: (spec) => {
      spec.linux!.resources!.pids = { limit: 20 };
    },
  });
  expect(c.runc("verify", c.id)).toEqual({ status: 0, stdout: "", stderr: "" });
  Bun.spawnSync(["nsenter", "-t", String(c.pid), "-m", "-p", "/bin/mount", "-o", "remount,rw", "/proc/sys"]);
  const { cgroup_paths } = JSON.parse(readFileSync(join(c.root, c.id, "state.json"), "utf8"));
  writeFileSync(`${cgroup_paths.pids ?? cgroup_paths[""]}/pids.max`, "50");
  const { status, stdout } = c.runc("verify", c.id);
  expect(status).toBe(1);
  expect(stdout).toContain("linux.readonlyPaths[3]: /proc/sys is writable\n");
  expect(stdout).toContain("linux.resources.pids.limit: pids.max is 50, not 20\n");
});

test("doctor says of what is missing what will not work", () => {
  const facts = JSON.parse(runc(["doctor", "--json"]).stdout);
  expect(facts.find(({ name }: { name: string }) => name === "kernel").value).toBe(
    readFileSync("/proc/sys/kernel/osrelease", "utf8").trim(),
  );
  for (const { state, effect } of facts) expect(state === "missing").toBe(effect !== undefined);
});
