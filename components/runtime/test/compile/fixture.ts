/** Plans without a kernel: facts of an imagined host, a configuration that a test changes, and questions about the result. */
import { defaultSpec, type Spec } from "@gantry/oci";
import type { CompileOptions, Facts } from "../../compile/facts.ts";
import { compile } from "../../compile/index.ts";
import type { OpName } from "../../plan/ops.ts";
import type { Op, Plan } from "../../plan/plan.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends object | undefined ? Mutable<T[K]> : T[K] };
export type Edit = (spec: Mutable<Spec>) => void;

export const FACTS: Facts = {
  rootless: false,
  bundle: "/bundle",
  rootfs: "/bundle/rootfs",
  capabilities: (1n << 41n) - 1n,
  lastCapability: 40,
  bornInCgroup: false,
  bornInUnified: false,
  home: "/root",
  seccomp: { arch: "SCMP_ARCH_X86_64" },
  setgroupsDenied: false,
  kernelMounts: [],
  kcore: true,
  apparmor: false,
  selinux: false,
  links: new Map(),
};

const OPTIONS: CompileOptions = {
  id: "one",
  fifo: true,
  noPivot: false,
  noNewKeyring: false,
  preserveFds: 0,
  extraEnv: [],
};

/** The default configuration, changed by `edit`, compiled. */
export function planOf(edit: Edit = () => {}, facts: Partial<Facts> = {}, options: Partial<CompileOptions> = {}): Plan {
  return compile(specOf(edit), { ...FACTS, ...facts }, { ...OPTIONS, ...options });
}

export function specOf(edit: Edit = () => {}): Spec {
  const spec = structuredClone(defaultSpec({ rootless: false, euid: 0, egid: 0, cgroupV2: false })) as Mutable<Spec>;
  edit(spec);
  return spec as Spec;
}

export const names = (plan: Plan): OpName[] => plan.ops.map(({ name }) => name);

export function ops(plan: Plan, name: OpName, from?: string): Op[] {
  return plan.ops.filter((op) => op.name === name && (from === undefined || op.from === from));
}

/** Arguments of the one operation of that name and field. @throws when there is none, or more than one */
export function only(plan: Plan, name: OpName, from?: string): readonly unknown[] {
  const found = ops(plan, name, from);
  if (found.length !== 1) throw new Error(`${found.length} operations ${name}${from ? ` from ${from}` : ""}`);
  return found[0]!.args;
}

/** True when every given operation (or "name from") is there, the first of each before the first of the next. */
export function inOrder(plan: Plan, ...wanted: string[]): boolean {
  const places = wanted.map((one) => {
    const [name, ...from] = one.split(" ");
    return plan.ops.findIndex((op) => op.name === name && (from.length === 0 || op.from === from.join(" ")));
  });
  return places.every((place, i) => place >= 0 && (i === 0 || place > places[i - 1]!));
}

/** Where the last operation of that name stands. */
export function lastIndex(plan: Plan, name: OpName): number {
  return plan.ops.findLastIndex((op) => op.name === name);
}
