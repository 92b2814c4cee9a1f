export {
  type Attachment,
  type AttachOptions,
  connectShim,
  exitWithoutShim,
  frames,
  recordedExit,
  type Shim,
} from "./client.ts";
export type { ExitStatus, ShimStatus } from "./message.ts";
export { type ContainerStart, type Launching, type ShimStart, type ShimStdio, startExec, startShim } from "./start.ts";
