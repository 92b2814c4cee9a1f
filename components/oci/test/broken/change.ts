/** A good configuration, and words for breaking one thing in it. Each word changes `c` and returns it. */
import { defaultSpec, type ValidationFacts } from "../../index.ts";

export interface BrokenConfig {
  readonly name: string;
  /** The text of config.json. */
  readonly config: string;
  /** What the message must name. */
  readonly field: string;
  /** A piece of text that clients or runc's tests look for. */
  readonly says?: string;
  /** Only broken where these hold; absent: broken on every host. */
  readonly facts?: Partial<ValidationFacts>;
}

/** One way to get it wrong: name, change, the field to be named, the text that others look for. */
export type Row = readonly [name: string, change: (c: Config) => unknown, field: string, says?: string];

type Loose = Record<string, unknown>;
export interface Config extends Loose {
  process: Loose;
  root: Loose;
  mounts: Loose[];
  linux: Loose & { namespaces: Loose[]; resources: Loose };
}

/** What `spec` writes, on a host with cgroup v1: seven mounts, namespaces pid, network, ipc, uts, mount. */
export function goodConfig(): Config {
  const spec: unknown = structuredClone(defaultSpec({ rootless: false, euid: 0, egid: 0, cgroupV2: false }));
  return spec as Config;
}

/** As `JSON.stringify`, with bigints as plain digits. */
export function toText(value: unknown): string {
  const text = JSON.stringify(value, (_, v) => (typeof v === "bigint" ? `bigint:${v}` : v));
  return text.replace(/"bigint:(-?\d+)"/g, "$1");
}

export function broken([name, change, field, says]: Row, facts?: Partial<ValidationFacts>): BrokenConfig {
  const config = goodConfig();
  change(config);
  return { name, config: toText(config), field, ...(says !== undefined && { says }), ...(facts && { facts }) };
}

const inside =
  (part: (c: Config) => object) =>
  (c: Config, extra: object): Config => {
    Object.assign(part(c), extra);
    return c;
  };

export const top = inside((c) => c);
export const process = inside((c) => c.process);
export const linux = inside((c) => c.linux);
export const resources = inside((c) => c.linux.resources);

/** The eighth mount: a bind, unless `extra` says otherwise. */
export function mount(c: Config, extra: object): Config {
  c.mounts.push({ destination: "/x", source: "/s", options: ["bind"], ...extra });
  return c;
}

export function without(c: Config, type: string): Config {
  return linux(c, { namespaces: c.linux.namespaces.filter((namespace) => namespace.type !== type) });
}

/** With a namespace of `type` as the last one, new or joined. */
export function namespace(c: Config, type: string, path?: string): Config {
  const others = without(c, type).linux.namespaces;
  return linux(c, { namespaces: [...others, { type, ...(path !== undefined && { path }) }] });
}

export function map(containerID: number, hostID: number, size: number): object {
  return { containerID, hostID, size };
}

/** With a new user namespace. */
export function user(c: Config, extra: object = {}): Config {
  const ids = [map(0, 100000, 65536)];
  return linux(namespace(c, "user"), { uidMappings: ids, gidMappings: ids, ...extra });
}

export const NUL = "a\0b";
