/**
 * The errors that Holdfast throws. Each says what was attempted, what stood in the way and what to do, and carries a
 * stable `code`; misuse of an argument is a plain `TypeError` or `RangeError` instead.
 *
 * @module
 */
import { keepNames } from "./class_names.ts";

/** What every Holdfast error may carry beside its message. */
export interface ErrorDetails {
  /** The error that led to this one. */
  cause?: unknown;
  /** The file or directory concerned. */
  path?: string | undefined;
}

/** The base of every error that Holdfast raises: `code` is stable and meant for programs, `message` for people. */
export class HoldfastError extends Error {
  /** A stable name for the kind of failure, such as `"LOCKED"`. */
  readonly code: string;
  /** The file or directory concerned, where there is one. */
  readonly path: string | undefined;

  /** Makes an error with a stable `code`. */
  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.path = details.path;
  }
}

/**
 * The database is open elsewhere for writing, or was opened so meanwhile by a process that no lock kept away (`LOCKED`).
 */
export class LockedError extends HoldfastError {
  /** Always `"LOCKED"`. */
  declare readonly code: "LOCKED";
  /** Who holds the lock, for messages: `process 4711 since 10:31:02 UTC`, `another process`; undefined where nobody can say. */
  readonly holder: string | undefined;

  /** Says who holds the lock where that is known. */
  constructor(message: string, details: ErrorDetails & { holder?: string | undefined } = {}) {
    super("LOCKED", message, details);
    this.holder = details.holder;
  }
}

/** The handle was closed before or during the call (`CLOSED`). */
export class ClosedError extends HoldfastError {
  /** Always `"CLOSED"`. */
  declare readonly code: "CLOSED";
  /** Names the call that came too late. */
  constructor(message: string, details?: ErrorDetails) {
    super("CLOSED", message, details);
  }
}

/** The database takes no writes: opened so, or turned so by a failure that `cause` holds (`READ_ONLY`). */
export class ReadOnlyError extends HoldfastError {
  /** Always `"READ_ONLY"`. */
  declare readonly code: "READ_ONLY";
  /** Names the refused call. */
  constructor(message: string, details?: ErrorDetails) {
    super("READ_ONLY", message, details);
  }
}

/** Bytes on disk are not what was written there (`CORRUPTION`). */
export class CorruptionError extends HoldfastError {
  /** Always `"CORRUPTION"`. */
  declare readonly code: "CORRUPTION";
  /** The damaged file. */
  readonly file: string;
  /** Where in the file, in bytes from its start. */
  readonly offset: number;
  /** What does not hold there. */
  readonly detail: string;

  /** Describes one place of damage. */
  constructor(file: string, offset: number, detail: string, details: ErrorDetails = {}) {
    super("CORRUPTION", `Damaged data in ${file} at byte ${offset}: ${detail}; restore a backup or run DB.repair`, {
      path: file,
      ...details,
    });
    this.file = file;
    this.offset = offset;
    this.detail = detail;
  }
}

/** Other commits kept changing what the transaction read (`CONFLICT`). */
export class ConflictError extends HoldfastError {
  /** Always `"CONFLICT"`. */
  declare readonly code: "CONFLICT";
  /** Says how often it was tried. */
  constructor(message: string, details?: ErrorDetails) {
    super("CONFLICT", message, details);
  }
}

/** Something is already there that must not be overwritten (`EXISTS`). */
export class ExistsError extends HoldfastError {
  /** Always `"EXISTS"`. */
  declare readonly code: "EXISTS";
  /** Names what is there. */
  constructor(message: string, details?: ErrorDetails) {
    super("EXISTS", message, details);
  }
}

/** A file, directory, database, backup or namespace is not there (`NOT_FOUND`). */
export class NotFoundError extends HoldfastError {
  /** Always `"NOT_FOUND"`. */
  declare readonly code: "NOT_FOUND";
  /** Names what is missing. */
  constructor(message: string, details?: ErrorDetails) {
    super("NOT_FOUND", message, details);
  }
}

/** The disk is full; writing goes on by itself once there is space (`NO_SPACE`). */
export class NoSpaceError extends HoldfastError {
  /** Always `"NO_SPACE"`. */
  declare readonly code: "NO_SPACE";
  /** Names the file that could not grow. */
  constructor(message: string, details?: ErrorDetails) {
    super("NO_SPACE", message, details);
  }
}

/** The system or the runtime forbids it (`PERMISSION`). */
export class PermissionError extends HoldfastError {
  /** Always `"PERMISSION"`. */
  declare readonly code: "PERMISSION";
  /** Names the path and the right that is missing. */
  constructor(message: string, details?: ErrorDetails) {
    super("PERMISSION", message, details);
  }
}

/** The system failed to read, write or sync (`IO`). */
export class IOError extends HoldfastError {
  /** Always `"IO"`. */
  declare readonly code: "IO";
  /** Names the call and the path. */
  constructor(message: string, details?: ErrorDetails) {
    super("IO", message, details);
  }
}

/** The log no longer reaches back that far (`HISTORY_GONE`). */
export class HistoryGoneError extends HoldfastError {
  /** Always `"HISTORY_GONE"`. */
  declare readonly code: "HISTORY_GONE";
  /** Names the version asked for and the oldest one kept. */
  constructor(message: string, details?: ErrorDetails) {
    super("HISTORY_GONE", message, details);
  }
}

/** A time was asked for that is not known completely (`GAP`). */
export class GapError extends HoldfastError {
  /** Always `"GAP"`. */
  declare readonly code: "GAP";
  /** What was asked for. */
  readonly requested: number;
  /** The latest that can be had, if anything. */
  readonly available: number | undefined;

  /** States both times. */
  constructor(message: string, requested: number, available: number | undefined, details?: ErrorDetails) {
    super("GAP", message, details);
    this.requested = requested;
    this.available = available;
  }
}

/** A copy or backup does not match its own checksums (`INTEGRITY`). */
export class IntegrityError extends HoldfastError {
  /** Always `"INTEGRITY"`. */
  declare readonly code: "INTEGRITY";
  /** Names the object and what does not match. */
  constructor(message: string, details?: ErrorDetails) {
    super("INTEGRITY", message, details);
  }
}

/** The key or passphrase does not open this repository (`DECRYPTION`). */
export class DecryptionError extends HoldfastError {
  /** Always `"DECRYPTION"`. */
  declare readonly code: "DECRYPTION";
  /** Names the repository. */
  constructor(message: string, details?: ErrorDetails) {
    super("DECRYPTION", message, details);
  }
}

/** Two histories would be mixed (`LINEAGE`). */
export class LineageError extends HoldfastError {
  /** Always `"LINEAGE"`. */
  declare readonly code: "LINEAGE";
  /** Names both histories. */
  constructor(message: string, details?: ErrorDetails) {
    super("LINEAGE", message, details);
  }
}

/** A file is of a format this release does not know (`UNSUPPORTED_FORMAT`). */
export class UnsupportedFormatError extends HoldfastError {
  /** Always `"UNSUPPORTED_FORMAT"`. */
  declare readonly code: "UNSUPPORTED_FORMAT";
  /** The format found. */
  readonly found: string;
  /** The formats this release reads. */
  readonly supported: string;

  /** States what was found and what can be read. */
  constructor(message: string, found: string, supported: string, details?: ErrorDetails) {
    super("UNSUPPORTED_FORMAT", message, details);
    this.found = found;
    this.supported = supported;
  }
}

/** Another program works on the repository (`REPOSITORY_LOCKED`). */
export class RepositoryLockedError extends HoldfastError {
  /** Always `"REPOSITORY_LOCKED"`. */
  declare readonly code: "REPOSITORY_LOCKED";
  /** Says who holds it and until when. */
  constructor(message: string, details?: ErrorDetails) {
    super("REPOSITORY_LOCKED", message, details);
  }
}

/** An object store refused or failed a request (`STORAGE`). */
export class StorageError extends HoldfastError {
  /** Always `"STORAGE"`. */
  declare readonly code: "STORAGE";
  /** The operation, such as `"put"`. */
  readonly operation: string;
  /** The object's key. */
  readonly key: string;
  /** The status the store answered with, where it has one. */
  readonly status: number | undefined;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** How long the store asked to be left alone, ms, where it did. */
  readonly retryAfterMs: number | undefined;

  /** Describes one failed request. */
  constructor(
    message: string,
    request: {
      operation: string;
      key: string;
      status?: number | undefined;
      retryable: boolean;
      retryAfterMs?: number | undefined;
    },
    details?: ErrorDetails,
  ) {
    super("STORAGE", message, details);
    this.operation = request.operation;
    this.key = request.key;
    this.status = request.status;
    this.retryable = request.retryable;
    this.retryAfterMs = request.retryAfterMs;
  }
}

keepNames({
  HoldfastError,
  LockedError,
  ClosedError,
  ReadOnlyError,
  CorruptionError,
  ConflictError,
  ExistsError,
  NotFoundError,
  NoSpaceError,
  PermissionError,
  IOError,
  HistoryGoneError,
  GapError,
  IntegrityError,
  DecryptionError,
  LineageError,
  UnsupportedFormatError,
  RepositoryLockedError,
  StorageError,
});
