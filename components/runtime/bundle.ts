/** Reads a bundle: config.json checked, and the rootfs where it really is. Runtime-spec, bundle.md. */
import { readFileSync } from "node:fs";
import { NotFound, parseSpec, type Spec, type ValidationFacts, validate } from "@gantry/oci";
import { absolutePath, isErrno } from "@gantry/sys";
import type { Log } from "./log.ts";
import { findRootfs } from "./rootfs.ts";

export interface Bundle {
  readonly path: string;
  readonly spec: Spec;
  /** Absolute, without symbolic links. */
  readonly rootfs: string;
}

/** @throws NotFound without config.json, InvalidArgument with every wrong field. */
export function loadBundle(bundle: string, facts: ValidationFacts, log: Log): Bundle {
  const path = absolutePath(bundle);
  const spec = loadSpec(path, log);
  for (const warning of validate(spec, facts)) log.warn(warning);
  return { path, spec, rootfs: findRootfs(path, spec.root!.path) };
}

/** config.json as it parses, not yet validated. */
export function loadSpec(bundle: string, log: Log): Spec {
  const file = `${bundle}/config.json`;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) throw new NotFound(`JSON specification file config.json not found in ${bundle}`);
    throw error;
  }
  const { spec, warnings } = parseSpec(text, "config.json");
  for (const warning of warnings) log.warn(warning);
  return spec;
}
