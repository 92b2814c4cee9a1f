/** Commands that only tell or write. */
import { existsSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { defaultSpec, FailedPrecondition, features as featuresOf } from "@gantry/oci";
import { print } from "@gantry/sys";
import { prepare } from "../prepare.ts";
import { RUNC_VERSION } from "./help.ts";
import type { Invocation } from "./main.ts";

export function spec({ flags, context }: Invocation): number {
  const directory = flags.string("bundle") ?? ".";
  const path = join(directory, "config.json");
  if (existsSync(path)) throw new FailedPrecondition("File config.json exists. Remove it first");
  const { euid, egid, cgroups } = context.host;
  const text = JSON.stringify(
    defaultSpec({ rootless: flags.bool("rootless"), euid, egid, cgroupV2: cgroups.mode === "v2" }),
    null,
    "\t",
  );
  writeFileSync(path, text, { flag: "wx", mode: 0o666 });
  return 0;
}

export function features(): number {
  const { supportedFlags } = require("../seccomp/index.ts") as typeof import("../seccomp/index.ts");
  const { seccompFacts } = require("../facts.ts") as typeof import("../facts.ts");
  const document = featuresOf({
    seccompFlags: supportedFlags(seccompFacts()),
    annotations: { "org.opencontainers.runc.version": RUNC_VERSION },
  });
  print(`${JSON.stringify(document, null, 4)}\n`);
  return 0;
}

export function plan({ flags, context }: Invocation): number {
  const prepared = prepare(context, {
    id: flags.positional[0] ?? "plan",
    bundle: resolve(flags.string("bundle") ?? "."),
    fifo: true,
    noPivot: flags.bool("no-pivot"),
    noNewKeyring: flags.bool("no-new-keyring"),
    preserveFds: flags.number("preserve-fds") ?? 0,
  });
  const { formatPlan, planJson } = require("../plan/format.ts") as typeof import("../plan/format.ts");
  print(`${flags.bool("json") ? planJson(prepared) : formatPlan(prepared)}\n`);
  return 0;
}
