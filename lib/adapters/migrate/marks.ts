/**
 * How far a migration has come, kept in the target itself: in a namespace of its own, written by the very commit that
 * writes the entries. So after a kill the two agree, and the next run goes on where this one ended.
 *
 * @module
 */
import type { DB } from "../../db/db.ts";
import type { Key } from "../../db/data/keys.ts";
import type { Json } from "../../db/data/values.ts";
import type { Namespace } from "../../db/namespace.ts";

/** The namespace of the target where it is remembered what came in. */
export const MIGRATIONS_NAMESPACE = "holdfast:migrations";

/** Something that could not be kept. */
export interface LeftOut {
  /** Its key, as a message shows it. */
  readonly key: string;
  /** Why. */
  readonly reason: string;
}

/** How far it has come. Counts are those of all runs, up to `position`. */
export interface Mark {
  /** The source's id. */
  source: string;
  /** The names of the namespace that entries go to, outermost first. */
  into: string[];
  /** How the source was read: see `MigrationSource`. */
  plan?: string;
  /** Where to go on; absent before the first one. */
  position?: string;
  /** Entries written. */
  entries: number;
  /** Their bytes, about. */
  bytes: number;
  /** Entries of the source that had expired. */
  expired: number;
  /** Things that could not be kept. */
  unsupported: number;
  /** The first of them. */
  leftOut: LeftOut[];
  /** When the first run began, ms. */
  startedAt: number;
  /** When all of it was in, ms. */
  finishedAt?: number;
  /** What the source was then: see `MigrationSource`. */
  stamp?: string;
}

/** So many things that can't be kept are remembered by name; the others are counted. */
export const LEFT_OUT_MAX = 100;

/** Where the marks are. */
export function marksOf(db: DB<Key>): Namespace<string> {
  return db.namespace<string>(MIGRATIONS_NAMESPACE, { keyEncoding: "utf8" });
}

/** The key of a migration's mark. */
export function markKey(source: string, into: readonly string[]): string {
  return JSON.stringify([source, ...into]);
}

/** A mark as JSON. */
export function markValue(mark: Mark): Json {
  return { ...mark, leftOut: mark.leftOut.map((each) => ({ ...each })) };
}
