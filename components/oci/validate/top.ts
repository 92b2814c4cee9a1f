/** config.md: the fields that every platform has. */
import { fieldPath } from "../check.ts";
import { HOOKS } from "../names.ts";
import type { Hooks, Spec } from "../spec.ts";
import { type Findings, fail, isLonger, warn } from "./findings.ts";

const SEMVER = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z.-]+)?$/;

/** Linux: `__NEW_UTS_LEN`. */
const MAX_HOST_NAME = 64;

export function validateTop(spec: Spec, to: Findings): void {
  if (spec.process === undefined) fail(to, "process", "process property must not be empty");
  validateVersion(spec.ociVersion, to);
  if (spec.root === undefined) fail(to, "root", "root must be specified");
  else if (spec.root.path === "") fail(to, "root.path", "must not be empty");
  for (const field of ["hostname", "domainname"] as const)
    if (isLonger(spec[field] ?? "", MAX_HOST_NAME)) fail(to, field, `longer than ${MAX_HOST_NAME} bytes`);
  for (const key in spec.annotations) if (key === "") fail(to, 'annotations[""]', "the name must not be empty");
}

/** config.md, "Specification version". */
function validateVersion(version: string, to: Findings): void {
  if (/^1\.\d\.\d$/.test(version)) return;
  const major = SEMVER.exec(version)?.[1];
  if (major === undefined) fail(to, "ociVersion", `"${version}" is not a semantic version such as "1.3.0"`);
  else if (major === "0") warn(to, "ociVersion", `version ${version} is older than 1.0.0; read as 1.x`);
  else if (major !== "1") fail(to, "ociVersion", `version ${version} is not supported; supported: 1.x`);
}

/** config.md, "POSIX-platform Hooks". */
export function validateHooks(hooks: Hooks | undefined, to: Findings): void {
  if (hooks === undefined) return;
  for (const name of HOOKS) {
    for (const [i, hook] of hooks[name]?.entries() ?? []) {
      const at = `hooks.${name}[${i}]`;
      if (!hook.path.startsWith("/")) fail(to, `${at}.path`, `must be an absolute path, not "${hook.path}"`);
      if (hook.timeout !== undefined && hook.timeout <= 0)
        fail(to, `${at}.timeout`, `must be greater than zero, not ${hook.timeout}`);
    }
  }
}

/** Annotations that the systemd driver turns into properties of the unit: at least three letters, nothing else. */
export function validateSystemdProperties(
  annotations: Readonly<Record<string, string>> | undefined,
  to: Findings,
): void {
  const prefix = "org.systemd.property.";
  for (const key in annotations) {
    if (!key.startsWith(prefix)) continue;
    const name = key.slice(prefix.length);
    const at = fieldPath("annotations", key);
    if (name.length < 3) fail(to, at, `annotation ${key} name incorrect: too short`);
    else if (!/^[A-Za-z]+$/.test(name))
      fail(to, at, `annotation ${key} name incorrect: contains non-alphabetic character`);
  }
}
