/**
 * Failures after which nobody knows what the log holds. `NoSpaceError` promises that what it refuses never appears; a sync
 * or a cut that finds the disk full can't promise that, so it is told as another error.
 *
 * @module
 */
import { IOError, NoSpaceError } from "../../base/errors.ts";

/** The error to tell, of a sync or a cut of the file at `path`. */
export function unsettled(error: unknown, path: string): unknown {
  if (!(error instanceof NoSpaceError)) return error;
  return new IOError(`${error.message}; what was being written may be there or not, reopen the database (IO)`, {
    cause: error,
    path,
  });
}
