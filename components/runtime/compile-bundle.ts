/** From a bundle to everything that a create does: validated, compiled, nothing changed. */
import type { Spec } from "@gantry/oci";
import { loadBundle } from "./bundle.ts";
import { compileResources } from "./cgroups/index.ts";
import { unavailableCapabilities } from "./compile/capabilities.ts";
import { compile } from "./compile/index.ts";
import { WITHOUT_DEVICE } from "./compile/mount-attributes.ts";
import { compileFacts, validationFacts } from "./facts.ts";
import { hostId } from "./ids.ts";
import { isReusable, keep } from "./plan/cache.ts";
import { type Context, type CreateOptions, cgroupOf, type Prepared } from "./prepare.ts";
import { rdtGroup } from "./rdt.ts";

/** @throws InvalidArgument or FailedPrecondition naming the field. */
export function compileBundle(context: Context, options: Omit<CreateOptions, "io">): Prepared {
  const { host } = context;
  let warned = false;
  const warn = (message: string) => {
    warned = true;
    context.log.warn(message);
  };
  const noPivot = options.noPivot ?? false;
  const validation = validationFacts(host, { systemdCgroup: context.systemdCgroup, noPivot });
  const bundle = loadBundle(options.bundle, validation, { ...context.log, warn });
  const { path, rootfs } = bundle;
  const spec = options.mounts
    ? { ...bundle.spec, mounts: [...(bundle.spec.mounts ?? []), ...options.mounts] }
    : bundle.spec;
  const cgroup = cgroupOf(context, options.id, spec, host.cgroups.mode === "v2" ? cgroupOwner(spec) : undefined);
  const writes = compileResources(spec.linux?.resources, host.cgroups, {
    driver: cgroup.driver,
    nodes: spec.linux?.devices ?? [],
    skipDevices: host.rootless || host.inUserNamespace,
    warn,
  });
  const facts = compileFacts(host, spec, path, rootfs, noPivot, cgroup);
  const missing = unavailableCapabilities(spec.process?.capabilities, facts, spec);
  if (missing.length > 0) warn(`ignoring unknown or unavailable capabilities: [${missing.join(" ")}]`);
  const plan = compile(spec, facts, {
    id: options.id,
    fifo: options.fifo,
    noPivot,
    noNewKeyring: options.noNewKeyring ?? false,
    preserveFds: options.preserveFds ?? 0,
    extraEnv: options.extraEnv ?? [],
  });
  const rdt = rdtGroup(spec, options.id);
  const prepared = { spec, bundle: path, rootfs, facts, plan, cgroup, writes, rdt, devicesEarly: mountsNoDevice(spec) };
  if (!options.reuse || warned || !isReusable(prepared)) return prepared;
  return { ...prepared, keep: () => keep(context, options, prepared) };
}

/** The host's uid of who may make cgroups inside. */
function cgroupOwner(spec: Spec): number | undefined {
  const { delegatedUser } = require("./cgroups/delegate.ts") as typeof import("./cgroups/delegate.ts");
  const user = delegatedUser(spec);
  return user === undefined ? undefined : hostId(spec.linux?.uidMappings, user);
}

function mountsNoDevice(spec: Spec): boolean {
  return (
    spec.mounts?.every(
      ({ type = "", source = "" }) =>
        WITHOUT_DEVICE.has(type) || type.startsWith("cgroup") || !source.startsWith("/dev/"),
    ) ?? true
  );
}
