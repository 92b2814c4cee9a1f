/** Points at which the launcher waits for the runtime; `enum sync_code` of native/launcher/launcher.h. */
export const SYNC = { joined: 1, map: 2, network: 3, hooks: 4, ready: 5, done: 6, listener: 7, time: 8 } as const;

/** Kinds of messages; `enum message_type` there. */
export const MESSAGE = { pid: 1, sync: 2, error: 3, warning: 4, fd: 5, trace: 6, go: 7 } as const;

/** What a forked process is for. */
export const ROLE = { intermediate: 1, init: 2, shim: 3, launcher: 4 } as const;
