/** What is allowed in a configuration and yet is probably a mistake, or opens the host to the container. Pure. */
import { cleanPath, hasNamespace, MS_BIND, MS_RDONLY, parseMountOptions, type Spec } from "@gantry/oci";

export interface Finding {
  /** `error`: refused at create. `warning`: ignored, or surely not meant. `unsafe`: works, and weakens the isolation. */
  readonly level: "error" | "warning" | "unsafe";
  readonly text: string;
}

type Rule = (spec: Spec) => Iterable<string>;

/** @returns contradictions and slips that validation lets pass, then what is unsafe. */
export function lintSpec(spec: Spec): Finding[] {
  const run = (rules: readonly Rule[], level: Finding["level"]) =>
    rules.flatMap((rule) => [...rule(spec)]).map((text): Finding => ({ level, text }));
  return [...run(CONTRADICTIONS, "warning"), ...run(UNSAFE, "unsafe")];
}

const CONTRADICTIONS: readonly Rule[] = [hiddenMounts, repeatedEnvironment, impossibleMemory, writableReadonly];

/** A later mount on the same place or above it covers an earlier one. */
function* hiddenMounts({ mounts = [] }: Spec): Iterable<string> {
  for (const [i, { destination }] of mounts.entries()) {
    const path = cleanPath(destination);
    const by = mounts.findIndex((later, j) => j > i && isAtOrAbove(cleanPath(later.destination), path));
    if (by > 0) yield `mounts[${i}]: ${destination} is hidden by mounts[${by}] on ${mounts[by]!.destination}`;
  }
}

function isAtOrAbove(above: string, path: string): boolean {
  return above === path || above === "/" || path.startsWith(`${above}/`);
}

function* repeatedEnvironment({ process }: Spec): Iterable<string> {
  const names = (process?.env ?? []).map((entry) => entry.split("=")[0]!);
  for (const [i, name] of names.entries())
    if (names.indexOf(name, i + 1) > 0) yield `process.env[${i}]: ${name} is set again later, which wins`;
}

function* impossibleMemory({ linux }: Spec): Iterable<string> {
  const { limit = 0, reservation = 0 } = linux?.resources?.memory ?? {};
  if (limit > 0 && reservation > limit)
    yield `linux.resources.memory.reservation: ${reservation} is more than the limit ${limit}, so it never has an effect`;
}

/** Masked or read-only paths have an effect only where nothing is mounted over them afterwards, and in a mount namespace. */
function* writableReadonly({ linux, mounts = [] }: Spec): Iterable<string> {
  const masked = (linux?.maskedPaths ?? []).map(cleanPath);
  for (const [i, path] of (linux?.readonlyPaths ?? []).entries()) {
    const cover = masked.find((one) => isAtOrAbove(one, cleanPath(path)));
    if (cover) yield `linux.readonlyPaths[${i}]: ${path} is masked by linux.maskedPaths anyway (${cover})`;
  }
  for (const [i, { destination, type, source }] of mounts.entries())
    if (type === "tmpfs" && source?.startsWith("/"))
      yield `mounts[${i}]: ${destination} is a tmpfs, its source ${source} has no effect; was a bind mount meant?`;
}

const UNSAFE: readonly Rule[] = [
  sharedNamespaces,
  powerfulCapabilities,
  sensitiveBinds,
  allDevices,
  noFilter,
  openProc,
  rootOfHost,
  writableCgroups,
  noLimits,
];

const SHARED = {
  pid: "sees and signals the processes of the host",
  network: "uses the host's network, its abstract sockets included",
  ipc: "shares the host's shared memory and queues",
  mount: "changes the mounts of the host",
  uts: "may rename the host",
} as const;

function* sharedNamespaces({ linux }: Spec): Iterable<string> {
  for (const [type, effect] of Object.entries(SHARED))
    if (!hasNamespace(linux, type as keyof typeof SHARED))
      yield `linux.namespaces: without "${type}" the container ${effect}`;
}

const POWERFUL: Readonly<Record<string, string>> = {
  CAP_SYS_ADMIN: "changes mounts and much else",
  CAP_SYS_MODULE: "loads modules into kernels",
  CAP_SYS_RAWIO: "reads and writes memory and devices directly",
  CAP_SYS_PTRACE: "takes over other processes",
  CAP_DAC_READ_SEARCH: "opens any file by its handle",
  CAP_SYS_BOOT: "reboots machines",
  CAP_MAC_ADMIN: "changes the policy of the security module",
  CAP_BPF: "loads programs into kernels",
};

/** In a user namespace of its own a capability reaches only what belongs to that. */
function* powerfulCapabilities({ process, linux }: Spec): Iterable<string> {
  const { effective = [], inheritable = [], ambient = [] } = process?.capabilities ?? {};
  if (inheritable.length > 0 && ambient.length === 0)
    yield "process.capabilities.inheritable: not empty, so that programs with file capabilities gain them (CVE-2022-24769)";
  if (hasNamespace(linux, "user")) return;
  for (const name of effective)
    if (POWERFUL[name])
      yield `process.capabilities.effective: ${name} ${POWERFUL[name]}, and without a user namespace that means those of the host`;
}

/** Paths of the host whose writers, or whose listeners, are its masters. */
const SENSITIVE = [
  "/",
  "/boot",
  "/dev",
  "/etc",
  "/proc",
  "/root",
  "/sys",
  "/usr",
  "/var/lib/docker",
  "/var/lib/containerd",
];
const SOCKETS = /\/(docker|containerd|crio|podman|gantry)\.sock$/;

function* sensitiveBinds({ mounts = [] }: Spec): Iterable<string> {
  for (const [i, { source = "", destination, options }] of mounts.entries()) {
    const { flags } = parseMountOptions(options);
    if (!(flags & MS_BIND) || !source.startsWith("/")) continue;
    const path = cleanPath(source);
    if (SOCKETS.test(path)) yield `mounts[${i}]: ${source} lets the container command the engine of the host, as root`;
    else if (SENSITIVE.includes(path) && !(flags & MS_RDONLY))
      yield `mounts[${i}]: ${source} of the host is writable on ${destination}`;
  }
}

function* allDevices({ linux }: Spec): Iterable<string> {
  const rules = linux?.resources?.devices ?? [];
  const last = rules.findLastIndex(
    ({ type = "a", major = -1, minor = -1 }) => (type === "a" || type === "") && major === -1 && minor === -1,
  );
  if (rules[last]?.allow) yield `linux.resources.devices[${last}]: allows every device of the host, its disks included`;
  for (const [i, { type, path }] of (linux?.devices ?? []).entries())
    if (type === "b")
      yield `linux.devices[${i}]: ${path} is a block device: its file systems can be read and changed without their permissions`;
}

function* noFilter({ linux, process }: Spec): Iterable<string> {
  const seccomp = linux?.seccomp;
  if (seccomp === undefined) yield "linux.seccomp: absent, so every system call is open";
  else if (seccomp.defaultAction === "SCMP_ACT_ALLOW")
    yield "linux.seccomp.defaultAction: allows what no rule names; deny by default instead";
  if (!process?.noNewPrivileges) yield "process.noNewPrivileges: not set, so set-user-id programs gain privileges";
}

function* openProc({ linux, mounts = [] }: Spec): Iterable<string> {
  if (!mounts.some(({ type }) => type === "proc")) return;
  const masked = (linux?.maskedPaths ?? []).map(cleanPath);
  const readonly = (linux?.readonlyPaths ?? []).map(cleanPath);
  for (const path of ["/proc/kcore", "/proc/keys"])
    if (!masked.includes(path)) yield `linux.maskedPaths: ${path} is not masked`;
  for (const path of ["/proc/sys", "/proc/sysrq-trigger"])
    if (![...masked, ...readonly].includes(path))
      yield `linux.readonlyPaths: ${path} is writable for who has the capability`;
}

function* rootOfHost({ linux, process }: Spec): Iterable<string> {
  if ((process?.user?.uid ?? 0) === 0 && !hasNamespace(linux, "user"))
    yield "process.user.uid: root of the container is root of the host if it gets out; use a user namespace or another user";
  if (linux?.rootfsPropagation?.endsWith("shared"))
    yield `linux.rootfsPropagation: "${linux.rootfsPropagation}" carries mounts of the container out to the host`;
}

function* writableCgroups({ linux, mounts = [] }: Spec): Iterable<string> {
  if (hasNamespace(linux, "cgroup")) return;
  for (const [i, { type, options }] of mounts.entries())
    if (type?.startsWith("cgroup") && !(parseMountOptions(options).flags & MS_RDONLY))
      yield `mounts[${i}]: control groups are writable and the container has no cgroup namespace of its own`;
}

function* noLimits({ linux }: Spec): Iterable<string> {
  const { memory, pids } = linux?.resources ?? {};
  if (!memory?.limit || memory.limit < 0)
    yield "linux.resources.memory.limit: absent, so the container can use up the memory of the host";
  if (!pids?.limit || pids.limit < 0)
    yield "linux.resources.pids.limit: absent, so the container can use up the processes of the host";
}
