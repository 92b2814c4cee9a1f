/** The closed set of errors of the whole stack. Each face (gRPC, HTTP, command line) maps `kind` once. */

export type ErrorKind =
  | "NotFound"
  | "AlreadyExists"
  | "InvalidArgument"
  | "FailedPrecondition"
  | "PermissionDenied"
  | "Unauthenticated"
  | "ResourceExhausted"
  | "Aborted"
  | "OutOfRange"
  | "Unimplemented"
  | "Unavailable"
  | "DataLoss"
  | "Canceled"
  | "DeadlineExceeded"
  | "Internal";

/**
 * What every error of ours extends. `message` is lower case and says what was being done, to what, what went wrong and,
 * if we know, what to do. `cause` carries the error underneath, for `--debug` only.
 */
export abstract class GantryError extends Error {
  abstract readonly kind: ErrorKind;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The thing that was named does not exist. */
export class NotFound extends GantryError {
  readonly kind = "NotFound";
}

/** The thing that was to be made exists already. */
export class AlreadyExists extends GantryError {
  readonly kind = "AlreadyExists";
}

/** The input is wrong whatever the state of the system. `failures` holds every failure found, `message` joins them by newlines. */
export class InvalidArgument extends GantryError {
  readonly kind = "InvalidArgument";
  readonly failures: readonly string[];

  constructor(message: string | readonly string[], options?: ErrorOptions) {
    super(typeof message === "string" ? message : message.join("\n"), options);
    this.failures = typeof message === "string" ? [message] : message;
  }
}

/** The input is right, but the system is not in a state that allows the operation. */
export class FailedPrecondition extends GantryError {
  readonly kind = "FailedPrecondition";
}

/** The caller is known and may not do this. */
export class PermissionDenied extends GantryError {
  readonly kind = "PermissionDenied";
}

/** The caller did not prove who it is. */
export class Unauthenticated extends GantryError {
  readonly kind = "Unauthenticated";
}

/** A quota, disk, memory or table is full. */
export class ResourceExhausted extends GantryError {
  readonly kind = "ResourceExhausted";
}

/** The operation lost against a concurrent one; trying again from the start may succeed. */
export class Aborted extends GantryError {
  readonly kind = "Aborted";
}

/** A position or number lies past the valid end. */
export class OutOfRange extends GantryError {
  readonly kind = "OutOfRange";
}

/** Not offered here: by this kernel, this build or at all. */
export class Unimplemented extends GantryError {
  readonly kind = "Unimplemented";
}

/** Cannot be reached now; trying again later may succeed. */
export class Unavailable extends GantryError {
  readonly kind = "Unavailable";
}

/** Stored data is missing or damaged beyond repair. */
export class DataLoss extends GantryError {
  readonly kind = "DataLoss";
}

/** The caller took the request back. */
export class Canceled extends GantryError {
  readonly kind = "Canceled";
}

/** The deadline passed before the end. */
export class DeadlineExceeded extends GantryError {
  readonly kind = "DeadlineExceeded";
}

/** A promise of our own code is broken; a bug. */
export class Internal extends GantryError {
  readonly kind = "Internal";
}
