/** The facts that configurations are validated and compiled with. */
import { existsSync, readlinkSync } from "node:fs";
import { hasNamespace, type Spec, type ValidationFacts } from "@gantry/oci";
import { isErrno, trySyscall } from "@gantry/sys";
import { type Cgroup, cgroupMounts } from "./cgroups/index.ts";
import type { Facts } from "./compile/facts.ts";
import { type Host, read } from "./host.ts";
import { homeOf } from "./passwd.ts";
import { archOfMachine } from "./seccomp/index.ts";
import { passwdOf, setsHome } from "./users.ts";

export function validationFacts(
  host: Host,
  options: { systemdCgroup?: boolean; noPivot?: boolean } = {},
): ValidationFacts {
  return {
    rootless: host.rootless,
    cgroupMode: host.cgroups.mode === "v2" ? "unified" : host.cgroups.mode,
    lastCapability: host.lastCapability,
    apparmor: host.apparmor,
    selinux: host.selinux,
    intelRdt: existsSync("/sys/fs/resctrl/info"),
    ...options,
  };
}

/** The facts that one configuration on one host is compiled with. */
export function compileFacts(
  host: Host,
  spec: Spec,
  bundle: string,
  rootfs: string,
  noPivot: boolean,
  cgroup: Cgroup,
): Facts {
  return {
    rootless: host.rootless,
    bundle,
    rootfs,
    capabilities: host.capabilities,
    lastCapability: host.lastCapability,
    bornInCgroup: cgroup.entersAtClone,
    bornInUnified: host.cgroups.mode === "hybrid" && !host.rootless && cgroup.driver === "cgroupfs",
    home: spec.process && setsHome(spec.process) ? "" : homeOf(passwdOf(spec), rootfs, spec.process?.user?.uid ?? 0),
    seccomp: spec.linux?.seccomp ? seccompFacts() : { arch: "SCMP_ARCH_X86_64" },
    setgroupsDenied: host.rootless && read("/proc/self/setgroups").startsWith("deny"),
    links: copiedLinks(spec, bundle),
    kernelMounts: noPivot ? kernelMounts(rootfs) : [],
    kcore: existsSync("/proc/kcore"),
    apparmor: host.apparmor,
    selinux: host.selinux,
    cgroupMounts: (mount) => {
      const steps = cgroupMounts(host.cgroups, cgroup.paths, {
        ...mount,
        confined: host.rootless || hasNamespace(spec.linux, "user"),
      });
      return host.rootless ? rootlessCgroups().withoutMissing(steps, host.cgroups) : steps;
    },
  };
}

const rootlessCgroups = () => require("./rootless-cgroups.ts") as typeof import("./rootless-cgroups.ts");

/** crun's option `copy-symlink`: the link itself is recreated in the container. */
function copiedLinks(spec: Spec, bundle: string): ReadonlyMap<string, string> {
  const links = new Map<string, string>();
  for (const [i, { options, source = "" }] of (spec.mounts ?? []).entries()) {
    if (!options?.includes("copy-symlink")) continue;
    const path = source.startsWith("/") ? source : `${bundle}/${source}`;
    try {
      links.set(`mounts[${i}]`, readlinkSync(path));
    } catch (error) {
      if (!isErrno(error, "EINVAL", "ENOENT")) throw error; // no link: bound like any other source
    }
  }
  return links;
}

/** What the seccomp compiler wants to know of this machine and kernel. */
export function seccompFacts(): Facts["seccomp"] {
  const actions = read("/proc/sys/kernel/seccomp/actions_avail").trim();
  const machine = process.arch === "x64" ? "x86_64" : process.arch === "arm64" ? "aarch64" : process.arch;
  return { arch: archOfMachine(machine)!, ...(actions && { actions: actions.split(" ") }), flags: seccompFlags() };
}

const SECCOMP_SET_MODE_FILTER = 1;
const EFAULT = 14;

/** The bits that seccomp(2) takes: it looks at them before it finds that there is no program. */
function seccompFlags(): number {
  const { KERNEL_FLAGS, NEW_LISTENER } = require("./seccomp/index.ts") as typeof import("./seccomp/index.ts");
  const takes = (flags: number) => trySyscall("seccomp", SECCOMP_SET_MODE_FILTER, flags, null) === -EFAULT;
  return KERNEL_FLAGS.filter((flag) => takes(flag) || takes(flag | NEW_LISTENER)).reduce((all, flag) => all | flag, 0);
}

/** Where the host's whole procfs and sysfs are mounted, deepest first; the container's own lie below its rootfs. */
function kernelMounts(rootfs: string): string[] {
  const paths: string[] = [];
  for (const line of read("/proc/self/mountinfo").split("\n")) {
    const fields = line.split(" ");
    const type = fields[fields.indexOf("-") + 1];
    if ((type === "proc" || type === "sysfs") && fields[3] === "/" && !`${fields[4]}/`.startsWith(`${rootfs}/`))
      paths.push(fields[4]!);
  }
  return paths.sort((a, b) => b.length - a.length);
}
