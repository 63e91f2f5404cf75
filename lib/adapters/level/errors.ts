/**
 * Errors as users of Level know them: `code` is one of Level's where it has one for what happened.
 *
 * @module
 */
import { HoldfastError } from "../../base/errors.ts";

/** Level's names for what Holdfast reports. What is not here keeps Holdfast's own code: Level has none for it. */
const CODES: Readonly<Record<string, string>> = {
  CLOSED: "LEVEL_DATABASE_NOT_OPEN",
  CORRUPTION: "LEVEL_CORRUPTION",
  IO: "LEVEL_IO_ERROR",
  LOCKED: "LEVEL_LOCKED",
  NO_SPACE: "LEVEL_IO_ERROR",
  PERMISSION: "LEVEL_IO_ERROR",
  READ_ONLY: "LEVEL_READONLY",
};

/**
 * An error of the adapter: its `code` is Level's (`"LEVEL_LOCKED"`, `"LEVEL_CORRUPTION"`, ...) where Level has a name for what
 * happened, else Holdfast's; `cause` is the error of Holdfast.
 */
export class LevelError extends Error {
  /** A stable name for the kind of failure. */
  readonly code: string;

  /** Makes an error with a stable `code`. */
  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = code === "LEVEL_ABORTED" ? "AbortError" : "LevelError";
    this.code = code;
  }
}

/** What is thrown for an error of Holdfast; misuse of an argument stays the `TypeError` or `RangeError` that it is. */
export function levelError(error: unknown): unknown {
  if (!(error instanceof HoldfastError)) return error;
  const code = isOfSnapshot(error) ? "LEVEL_SNAPSHOT_NOT_OPEN" : CODES[error.code];
  return new LevelError(code ?? error.code, error.message, error);
}

/** Whether it is a snapshot that can't be read any more, as one from before a `refresh()`; the database is open then. */
function isOfSnapshot({ code, message }: HoldfastError): boolean {
  return code === "CLOSED" && message.includes(": the snapshot was ");
}

/** As `levelError`, for the handler of a promise. */
export function rethrow(error: unknown): never {
  throw levelError(error);
}

/** The error of a read that its signal ended. */
export function aborted(signal: AbortSignal): LevelError {
  return new LevelError("LEVEL_ABORTED", "Operation has been aborted", signal.reason);
}
