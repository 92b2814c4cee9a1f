export * from "./errors.ts";
export type * from "./spec.ts";
