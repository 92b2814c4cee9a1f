/** features.md and features-linux.md: what the runtime knows, read off the tables that parsing and compiling use. */
import { MOUNT_OPTIONS } from "./mount-options.ts";
import {
  CAPABILITIES,
  HOOKS,
  MEMORY_POLICY_FLAGS,
  MEMORY_POLICY_MODES,
  NAMESPACES,
  SECCOMP_ACTIONS,
  SECCOMP_ARCHES,
  SECCOMP_FLAGS,
  SECCOMP_OPERATORS,
  SPEC_VERSION,
} from "./names.ts";

/** What the tables do not say. */
export interface FeaturesFacts {
  /** The flags of `SECCOMP_FLAGS` that this kernel takes. */
  readonly seccompFlags: readonly string[];
  /** The architectures that the seccomp compiler has tables for; absent: all that the specification names. */
  readonly seccompArches?: readonly string[];
  /** Added to the annotations, such as the version of runc that this runtime stands in for. */
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Enabled {
  readonly enabled: boolean;
}

export interface Features {
  readonly ociVersionMin: string;
  readonly ociVersionMax: string;
  readonly hooks: readonly string[];
  readonly mountOptions: readonly string[];
  readonly linux: {
    readonly namespaces: readonly string[];
    readonly capabilities: readonly string[];
    readonly cgroup: Readonly<Record<"v1" | "v2" | "systemd" | "systemdUser" | "rdma", boolean>>;
    readonly seccomp: Enabled &
      Readonly<Record<"actions" | "operators" | "archs" | "knownFlags" | "supportedFlags", readonly string[]>>;
    readonly apparmor: Enabled;
    readonly selinux: Enabled;
    readonly intelRdt: Enabled & { readonly schemata: boolean; readonly monitoring: boolean };
    readonly memoryPolicy: { readonly modes: readonly string[]; readonly flags: readonly string[] };
    readonly mountExtensions: { readonly idmap: Enabled };
    readonly netDevices: Enabled;
  };
  readonly annotations: Readonly<Record<string, string>>;
  readonly potentiallyUnsafeConfigAnnotations: readonly string[];
}

/** @returns the document of `features`, keys in the order of the specification. */
export function features({ seccompFlags, seccompArches, annotations = {} }: FeaturesFacts): Features {
  return {
    ociVersionMin: "1.0.0",
    ociVersionMax: SPEC_VERSION,
    hooks: HOOKS,
    mountOptions: names(MOUNT_OPTIONS),
    linux: {
      namespaces: names(NAMESPACES),
      capabilities: CAPABILITIES,
      cgroup: { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true },
      seccomp: {
        enabled: true,
        actions: names(SECCOMP_ACTIONS),
        operators: SECCOMP_OPERATORS.toSorted(),
        archs: (seccompArches ?? Object.keys(SECCOMP_ARCHES)).toSorted(),
        knownFlags: Object.keys(SECCOMP_FLAGS),
        supportedFlags: seccompFlags,
      },
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: true, schemata: true, monitoring: true },
      memoryPolicy: { modes: names(MEMORY_POLICY_MODES), flags: names(MEMORY_POLICY_FLAGS) },
      mountExtensions: { idmap: { enabled: true } },
      netDevices: { enabled: true },
    },
    annotations: sorted({ "org.opencontainers.runc.checkpoint.enabled": "true", ...annotations }),
    potentiallyUnsafeConfigAnnotations: ["bundle", "org.systemd.property.", "org.criu.config"],
  };
}

function names(table: object): string[] {
  return Object.keys(table).sort();
}

function sorted(record: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
