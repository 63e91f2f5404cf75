/**
 * From the errors of the floors below to those that an object store may throw.
 *
 * @module
 */
import {
  HoldfastError,
  IOError,
  LockedError,
  NoSpaceError,
  NotFoundError,
  PermissionError,
  StorageError,
} from "../base/errors.ts";

/** A store that asks to be left alone for longer is given up for now: whoever waits should hear of it. ms. */
export const RETRY_AFTER_MS_MAX = 60_000;

/** A request, for messages. */
export interface StoreRequest {
  /** The store's name. */
  store: string;
  /** The operation, such as `"put"`. */
  operation: string;
  /** The object's key; empty where there is none. */
  key: string;
}

/** `Cannot put heads/a in directory ./backups: <reason> (STORAGE)` */
export function storageError(
  request: StoreRequest,
  reason: string,
  { retryable = false, status, retryAfterMs, cause }: {
    retryable?: boolean;
    status?: number | undefined;
    retryAfterMs?: number | undefined;
    cause?: unknown;
  } = {},
): StorageError {
  const { store, operation, key } = request;
  const what = key === "" ? store : `${key} in ${store}`;
  const facts = { operation, key, status, retryable, retryAfterMs };
  return new StorageError(`Cannot ${operation} ${what}: ${reason} (STORAGE)`, facts, { cause });
}

/**
 * What a store throws for what it met: `NoSpaceError` and `PermissionError` say all by themselves, other errors of the
 * library become a `StorageError`. What is none of the library's is a bug or the caller's own, and stays as it is.
 */
export function storageFailure(request: StoreRequest, error: unknown): unknown {
  if (!(error instanceof HoldfastError) || error instanceof StorageError) return error;
  if (error instanceof NoSpaceError || error instanceof PermissionError) return error;
  // A file that went away in the middle was removed by another program; the next attempt makes a new one.
  const retryable = error instanceof IOError || error instanceof LockedError || error instanceof NotFoundError;
  const reason = error.message.replace(/^Cannot /, "cannot ");
  return storageError(request, reason, { retryable, cause: error });
}
