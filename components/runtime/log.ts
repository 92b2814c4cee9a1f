/** Where the runtime's messages go; the command line and libraries each bring their own. */
export interface Log {
  debug(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export const silent: Log = { debug() {}, warn() {}, error() {} };
