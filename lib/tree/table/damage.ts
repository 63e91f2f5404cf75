/**
 * What a check of a file finds: reported, not thrown, so that the check goes on to the end.
 *
 * @module
 */
import { CorruptionError } from "../../base/errors.ts";

/** One place that is not as it should be. */
export interface Damage {
  /** The file's path. */
  file: string;
  /** Where in the file, bytes from its start. */
  offset: number;
  /** What does not hold there. */
  detail: string;
}

/** What a `CorruptionError` says; any other error is thrown on: a disk that fails to read is no finding about the file. */
export function damageOf(error: unknown): Damage {
  if (!(error instanceof CorruptionError)) throw error;
  return { file: error.file, offset: error.offset, detail: error.detail };
}
