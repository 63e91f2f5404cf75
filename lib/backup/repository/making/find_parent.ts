/**
 * Which backup a new one goes on from.
 *
 * @module
 */
import { LineageError, NotFoundError } from "../../../base/errors.ts";
import type { Engine } from "../../../engine/types.ts";
import type { BackupDocument } from "../../../format/repository/backup_document.ts";
import type { RepositoryContext } from "../core/context.ts";
import { backupKey } from "../core/layout.ts";
import { isOnPath, lineagePath } from "../log/lineage_path.ts";
import { isBase } from "../restoring/coverage.ts";

/** An older base is to have another behind it, ms: a week, but for the minutes by which nightly backups come sooner or later. */
const BASE_MS = 7 * 86_400_000 - 3_600_000;

/**
 * Whether a backup builds on one before it. Were each that may choose to build on the one before for ever, none could be
 * pruned, and a restore would take longer with each; but what was named is gone on from, and where little may be stored the
 * log is least. A base that a wrong clock dated far ahead is not young for years.
 */
export function goesOn(
  { clock }: RepositoryContext,
  engine: Engine,
  mine: readonly BackupDocument[],
  options: { type: string; parent?: string | undefined; maxBytes?: number | undefined },
): boolean {
  if (options.type !== "auto") return options.type === "incremental";
  if (options.parent !== undefined || options.maxBytes !== undefined) return true;
  const path = lineagePath(engine.lineage, engine.meta.parents);
  return mine.some((each) =>
    isBase(each) && isOnPath(path, each.lineage, each.version) && Math.abs(clock() - each.createdAt) < BASE_MS
  );
}

/** The backup to go on from: the one asked for, else the newest of this history; none whose key is `going`. */
export function findParent(
  { name }: RepositoryContext,
  engine: Engine,
  mine: readonly BackupDocument[],
  going: ReadonlySet<string>,
  wanted: string | undefined,
): BackupDocument | undefined {
  const path = lineagePath(engine.lineage, engine.meta.parents);
  if (wanted === undefined) {
    return mine.findLast((each) =>
      !each.selective && isOnPath(path, each.lineage, each.version) && !going.has(backupKey(each.id))
    );
  }
  const found = mine.find(({ id }) => id === wanted && !going.has(backupKey(id)));
  if (found === undefined) {
    throw new NotFoundError(
      `Cannot build on backup ${wanted}: ${name} has none of that id of this database; see list() (NOT_FOUND)`,
    );
  }
  if (found.selective) {
    throw new TypeError(`backup: option "parent" is ${wanted}, which holds only a part of the database`);
  }
  if (isOnPath(path, found.lineage, found.version) && found.version <= engine.visibleVersion) return found;
  throw new LineageError(
    `Cannot build on backup ${wanted} of ${name}: it shows version ${found.version} of lineage ${found.lineage}, which ` +
      `this database (lineage ${engine.lineage}) has not come from; leave option "parent" out (LINEAGE)`,
  );
}
