/**
 * The errors of a migration.
 *
 * @module
 */
import { keepNames } from "../../base/class_names.ts";
import { HoldfastError, NotFoundError } from "../../base/errors.ts";

/** What can't be kept was met and was not to be left out, or a source can't be read (`MIGRATION`). */
export class MigrationError extends HoldfastError {
  /** Always `"MIGRATION"`. */
  declare readonly code: "MIGRATION";
  /** The source. */
  readonly source: string;
  /** The entry's key as a message shows it, where one entry is the reason. */
  readonly key: string | undefined;

  /** Names the source and, where there is one, the entry. */
  constructor(message: string, about: { source: string; key?: string | undefined; cause?: unknown }) {
    super("MIGRATION", message, { cause: about.cause });
    this.source = about.source;
    this.key = about.key;
  }
}

keepNames({ MigrationError });

/** A package that a source is read with is missing. */
export function notInstalled(name: string, cause: unknown): HoldfastError {
  return new HoldfastError(
    "NOT_INSTALLED",
    `Cannot read the source: the package "${name}" could not be loaded; install it beside Holdfast (NOT_INSTALLED)`,
    { cause },
  );
}

/** There is nothing where a source is said to be. */
export function noSource(path: string): NotFoundError {
  return new NotFoundError(`Cannot migrate from ${path}: there is nothing (NOT_FOUND)`, { path });
}

/** A source is there and can't be read. */
export function unreadable(source: string, cause: unknown): MigrationError {
  // Level says it in the cause of its error.
  const inner = (cause as { cause?: unknown }).cause;
  const message = inner instanceof Error ? inner.message : cause instanceof Error ? cause.message : String(cause);
  return new MigrationError(`Cannot read ${source}: ${message} (MIGRATION)`, { source, cause });
}
