/** The OCI runtime as a library; `commands/` is the same behind runc's command line. */
export { type Context, type CreateOptions, createContainer, type Prepared, prepare } from "./create.ts";
export { type ExecOptions, exec } from "./exec.ts";
export { type Host, inspectHost } from "./host.ts";
export { type ContainerIo, containerIo } from "./io.ts";
export { destroy, find, kill, list, pause, poststart, processes, remove, resume, start, stateOf } from "./lifecycle.ts";
export { type Log, silent } from "./log.ts";
