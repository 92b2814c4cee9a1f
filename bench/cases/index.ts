export { exec, features, kill, list, state } from "./commands.ts";
export { create, lifecycle, remove, start } from "./lifecycle.ts";
export { charged, memory } from "./memory.ts";
export { run } from "./run.ts";
export { shim } from "./shim.ts";
