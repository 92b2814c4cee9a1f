/** Bundles for tests: Debian's static busybox with a configuration that a test changes as it likes. */
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultSpec, type Spec, writeJson } from "@gantry/oci";

const APPLETS = [
  "sh",
  "ls",
  "cat",
  "echo",
  "sleep",
  "true",
  "false",
  "id",
  "mount",
  "umount",
  "ps",
  "head",
  "tail",
  "stty",
  "touch",
  "mkdir",
  "rm",
  "test",
  "kill",
  "hostname",
  "dd",
  "grep",
  "env",
  "readlink",
  "stat",
  "chmod",
  "chown",
  "wc",
  "pwd",
  "tty",
  "seq",
  "cut",
  "ln",
  "mknod",
  "dmesg",
  "date",
  "nproc",
  "ip",
  "uname",
];

export interface BundleOptions {
  readonly args?: readonly string[];
  readonly terminal?: boolean;
  /** Changes the configuration before it is written; may return another one. */
  readonly edit?: (spec: Mutable<Spec>) => Mutable<Spec> | void;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends object | undefined ? Mutable<T[K]> : T[K] };

/** Makes a bundle in `directory` and returns the directory. */
export function makeBundle(directory: string, { args = ["true"], terminal = false, edit }: BundleOptions = {}): string {
  makeRootfs(join(directory, "rootfs"));
  let spec = structuredClone(defaultSpec({ rootless: false, euid: 0, egid: 0, cgroupV2: false })) as Mutable<Spec>;
  spec.process!.args = [...args];
  spec.process!.terminal = terminal;
  spec = edit?.(spec) ?? spec;
  writeFileSync(join(directory, "config.json"), writeJson(spec));
  return directory;
}

export function makeRootfs(rootfs: string): void {
  for (const name of ["bin", "dev", "proc", "sys", "tmp", "etc"]) mkdirSync(join(rootfs, name), { recursive: true });
  copyFileSync("/bin/busybox", join(rootfs, "bin/busybox"));
  chmodSync(join(rootfs, "bin/busybox"), 0o755);
  for (const applet of APPLETS) symlinkSync("busybox", join(rootfs, "bin", applet));
  writeFileSync(join(rootfs, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n");
}
