/** The OCI runtime as a library. `@gantry/runtime/commands` is the same behind runc's command line. */
export type { CgroupStats } from "./cgroups/index.ts";
export type { Host } from "./host.ts";
export { inspectHost } from "./host.ts";
export { type Log, silent } from "./log.ts";
export {
  Container,
  type ContainerOptions,
  type ExecProcess,
  type Exit,
  Runtime,
  type RuntimeOptions,
} from "./runtime.ts";
