export * from "./bpf.ts";
export * from "./constants.ts";
export { errnoName, errnoText, isErrno, SysError } from "./error.ts";
export * from "./fd.ts";
export type { Argument } from "./native.ts";
export * from "./notify.ts";
export * from "./process.ts";
export * from "./socket.ts";
export { type Call, syscall, syscallAsync, trySyscall } from "./syscall.ts";
