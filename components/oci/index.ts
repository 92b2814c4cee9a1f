export * from "./errors.ts";
export * from "./mount-options.ts";
export * from "./names.ts";
export type * from "./spec.ts";
