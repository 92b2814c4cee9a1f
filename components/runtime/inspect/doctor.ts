/** What this host offers, what of it is missing, and what will not work because of that. */
import { existsSync, readFileSync } from "node:fs";
import { CAPABILITIES, NAMESPACES } from "@gantry/oci";
import { trySyscall } from "@gantry/sys";
import { seccompFacts } from "../facts.ts";
import type { Host } from "../host.ts";

export interface Fact {
  /** `missing` prevents something, which `effect` names. */
  readonly state: "ok" | "missing";
  readonly name: string;
  readonly value: string;
  readonly effect?: string;
}

export function diagnose(host: Host): Fact[] {
  return [...kernel(), ...cgroups(host), ...rights(host), ...namespaces(), ...security(host), ...programs()];
}

const ok = (name: string, value: string): Fact => ({ state: "ok", name, value });
const missing = (name: string, value: string, effect: string): Fact => ({ state: "missing", name, value, effect });
const fact = (present: boolean, name: string, value: string, effect: string) =>
  present ? ok(name, value) : missing(name, "missing", effect);

function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return ""; // what cannot be read is not there for us
  }
}

const ENOSYS = 38;

function kernel(): Fact[] {
  const release = read("/proc/sys/kernel/osrelease");
  const [major = 0, minor = 0] = release.split(".").map((part) => Number.parseInt(part, 10));
  const since = (wantMajor: number, wantMinor: number) =>
    major > wantMajor || (major === wantMajor && minor >= wantMinor);
  return [
    since(5, 12) ? ok("kernel", release) : missing("kernel", release, "containers need mount_setattr: Linux 5.12"),
    fact(
      trySyscall("openat2", -1, "x", new Uint8Array(24), 24) !== -ENOSYS,
      "openat2",
      "yes",
      "paths in containers cannot be resolved safely",
    ),
    fact(since(5, 19), "idmapped overlay", "yes", "id-mapped mounts of an overlay root need Linux 5.19"),
  ];
}

function cgroups({ cgroups: { mode, controllers, hierarchies } }: Host): Fact[] {
  const have = new Set(mode === "v2" ? controllers : hierarchies.flatMap((one) => one.controllers));
  const wanted = [
    "cpu",
    "memory",
    "pids",
    mode === "v2" ? "io" : "blkio",
    "cpuset",
    ...(mode === "v2" ? [] : ["devices", "freezer"]),
  ];
  return [
    ok("cgroups", mode),
    ...wanted.map((name) => fact(have.has(name), `controller ${name}`, "yes", `limits of ${name} cannot be set`)),
    fact(existsSync("/run/systemd/private"), "systemd", "runs", "--systemd-cgroup cannot be used"),
  ];
}

const EFFECTS: Readonly<Record<string, string>> = {
  CAP_SYS_ADMIN: "containers need a user namespace (rootless)",
  CAP_SYS_RESOURCE: "hard limits cannot be raised, oom_score_adj cannot be lowered, checkpoints cannot be restored",
  CAP_NET_ADMIN: "network devices cannot be given to containers",
  CAP_MKNOD: "device nodes are bind mounts of the host's",
  CAP_SYS_PTRACE: "descriptors of other users' containers cannot be taken",
};

function rights({ euid, capabilities, lastCapability, rootless }: Host): Fact[] {
  const lost = CAPABILITIES.filter((_, i) => i <= lastCapability && !(capabilities & (1n << BigInt(i))));
  return [
    ok("user", `${euid}${rootless ? ", rootless" : ""}`),
    ...lost.map((name) => missing(name, "missing", EFFECTS[name] ?? "containers cannot have it either")),
  ];
}

function namespaces(): Fact[] {
  const users = read("/proc/sys/user/max_user_namespaces");
  const unprivileged = read("/proc/sys/kernel/unprivileged_userns_clone");
  return [
    ...Object.entries(NAMESPACES).map(([type, { file }]) =>
      fact(existsSync(`/proc/self/ns/${file}`), `namespace ${type}`, "yes", `linux.namespaces: "${type}" is refused`),
    ),
    fact(users !== "0", "user namespaces", users || "yes", 'linux.namespaces: "user" is refused'),
    fact(unprivileged !== "0", "unprivileged user namespaces", "yes", "containers of ordinary users cannot be made"),
  ];
}

function security({ apparmor, selinux }: Host): Fact[] {
  const { actions = [], flags = 0 } = seccompFacts();
  return [
    fact(actions.length > 0, "seccomp", actions.join(" "), "linux.seccomp is refused"),
    fact((flags & 8) !== 0, "seccomp listeners", "yes", "SCMP_ACT_NOTIFY is refused"),
    fact(apparmor, "AppArmor", "yes", "process.apparmorProfile is ignored"),
    fact(selinux, "SELinux", "yes", "labels are ignored"),
    fact(existsSync("/sys/fs/resctrl/info"), "Intel RDT", "yes", "linux.intelRdt is refused"),
  ];
}

function programs(): Fact[] {
  const found = (name: string) =>
    [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"]
      .map((dir) => `${dir}/${name}`)
      .find((path) => existsSync(path));
  const row = (name: string, effect: string) => fact(found(name) !== undefined, name, found(name) ?? "", effect);
  return [
    row("newuidmap", "ordinary users get one id only in a user namespace"),
    row("criu", "checkpoint and restore do not work"),
    row("ps", "the command ps can print JSON only"),
  ];
}
