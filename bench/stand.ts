/** Builds what the benches stand on: the C programs, the bundles, the mount namespace that all subjects share. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSpec } from "@gantry/oci";
import type { Stand } from "./case.ts";
import { startTimer } from "./timer.ts";

const BUSYBOX = "/bin/busybox";
const UNIFIED_CONTROLLERS = "/sys/fs/cgroup/unified/cgroup.controllers";

/**
 * crun refuses to start when the v2 half of a hybrid machine owns a controller. Hidden from it, in a mount namespace of
 * our own, it works like the others.
 */
function wrapper(): string[] {
  if (!existsSync(UNIFIED_CONTROLLERS) || readFileSync(UNIFIED_CONTROLLERS, "utf8").trim() === "") return [];
  return ["unshare", "--mount", "sh", "-c", `mount --bind /dev/null ${UNIFIED_CONTROLLERS} && exec "$@"`, "sh"];
}

function compile(source: string, program: string): void {
  const flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-Wno-format-truncation", "-static"];
  const triple = `${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
  const musl = ["-idirafter", "/usr/include", "-idirafter", `/usr/include/${triple}`];
  const compiler = Bun.which("musl-gcc") ? ["musl-gcc", ...musl] : ["cc"];
  execFileSync(compiler[0]!, [...compiler.slice(1), ...flags, "-o", program, source], { stdio: "inherit" });
}

function makeRootfs(rootfs: string): void {
  for (const folder of ["bin", "proc", "sys", "dev", "etc", "tmp"])
    mkdirSync(join(rootfs, folder), { recursive: true });
  execFileSync("cp", [BUSYBOX, join(rootfs, "bin/busybox")]);
  for (const applet of ["true", "sleep", "sh"]) symlinkSync("busybox", join(rootfs, "bin", applet));
}

/** The default bundle of `spec`, with another program and without a terminal. */
function makeBundle(folder: string, rootfs: string, args: readonly string[]): string {
  const cgroupV2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
  const spec = defaultSpec({ rootless: false, euid: 0, egid: 0, cgroupV2 });
  mkdirSync(folder);
  const config = {
    ...spec,
    ociVersion: "1.0.0", // older peers refuse a newer one, and nothing here needs it
    root: { path: rootfs, readonly: true },
    process: { ...spec.process, terminal: false, args },
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  return folder;
}

export function makeStand(root: string): Stand & AsyncDisposable {
  const programs = join(root, "build/bench");
  mkdirSync(programs, { recursive: true });
  for (const name of ["timer", "floor"]) compile(join(root, `bench/native/${name}.c`), join(programs, name));
  const scratch = mkdtempSync(join(tmpdir(), "gantry-bench-"));
  const rootfs = join(scratch, "rootfs");
  makeRootfs(rootfs);
  const timer = startTimer(join(programs, "timer"), join(scratch, "stderr"), wrapper());
  let ids = 0;
  return {
    timer,
    bundle: makeBundle(join(scratch, "true"), rootfs, ["true"]),
    sleeper: makeBundle(join(scratch, "sleep"), rootfs, ["sleep", "3600"]),
    floor: join(programs, "floor"),
    freshId: () => `gantry-bench-${process.pid}-${ids++}`,
    async [Symbol.asyncDispose]() {
      await timer[Symbol.asyncDispose]();
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}
