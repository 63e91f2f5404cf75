/**
 * The backups of a repository, and what is known of its objects through them.
 *
 * @module
 */
import { IntegrityError } from "../../../base/errors.ts";
import { Slicer } from "../../../base/yield.ts";
import { type BackupDocument, backupDocument } from "../../../format/repository/backup_document.ts";
import { type GcMark, gcMark } from "../../../format/repository/house_documents.ts";
import { parseObjectPath } from "../../../format/repository/object_name.ts";
import type { ObjectInfo } from "../../../storage/object_store.ts";
import { MADE_ID } from "./backup_id.ts";
import { indexable, isIndexDue, isIndexWorth, readIndex, writeIndex } from "./backup_index.ts";
import type { RepositoryContext } from "./context.ts";
import { allKeys, isDamage, openContextDocument, readAllDocuments, readDocument } from "./documents.ts";
import { countedIngests, readHeads } from "../log/heads.ts";
import { backupIdOf, backupKey, objectKey, PART } from "./layout.ts";
import type { KnownObjects, Placed } from "../making/place.ts";
import { runPool, SMALL_REQUESTS } from "./pool.ts";
import { assertStillThere } from "./still_there.ts";

/**
 * Manifests never change, so what was read once is kept as long as the repository is open. But an id that someone chose may
 * come again, for another backup, once the first was deleted: what is known of those is asked for each time. Any other comes
 * again by a copy, which says where its objects are now: so each counts only while it is as long as the one that is listed.
 */
const cache = new WeakMap<RepositoryContext, Map<string, Kept>>();

interface Kept {
  readonly body: BackupDocument;
  /** Read from its own object: those who check or delete want no other. */
  readonly isDirect: boolean;
  /** Known to be in the index. */
  readonly isIndexed: boolean;
  /** Its bytes. */
  readonly size: number;
}

/** Reads all manifests anew at the next call. */
export function forgetBackups(context: RepositoryContext): void {
  cache.delete(context);
}

/** How manifests are read. */
export interface ReadBackupsOptions {
  /** Hears of manifests that can't be read, which otherwise throw. */
  onDamage?: ((key: string, error: unknown) => void) | undefined;
  /** Each from its own object, none from the index. */
  direct?: boolean | undefined;
}

/** All backups, in the order of their versions. */
export async function readBackups(
  context: RepositoryContext,
  { onDamage, direct = false }: ReadBackupsOptions = {},
): Promise<BackupDocument[]> {
  const kept = cache.get(context) ?? new Map<string, Kept>();
  cache.set(context, kept);
  const listed = await listManifests(context);
  const present = new Map(listed.map(({ key, size }) => [key, size]));
  for (const [key, { size }] of kept) if (present.get(key) !== size) kept.delete(key);
  const unknown = listed.filter(({ key }) => !kept.has(key));
  if (!direct && isIndexWorth(unknown.length)) await takeIndexed(context, unknown, kept);
  // Of this call alone: others read at the same time, by listings of their own, and keep and drop what they find.
  const found = new Map<string, BackupDocument>();
  await runPool(listed, SMALL_REQUESTS, async ({ key, size }) => {
    try {
      const known = kept.get(key);
      if (known !== undefined && (known.isDirect || !direct)) return void found.set(key, known.body);
      const body = (await readDocument(context, "backup", key, backupDocument))?.body;
      if (body === undefined) return;
      if (backupKey(body.id) !== key) throw misplaced(context, key, body.id);
      found.set(key, body);
      if (MADE_ID.test(body.id)) kept.set(key, { body, isDirect: true, isIndexed: known?.isIndexed === true, size });
    } catch (error) {
      if (onDamage === undefined || !isDamage(error)) throw error;
      onDamage(key, error);
    }
  });
  return [...found.values()].sort(byVersion);
}

async function listManifests(context: RepositoryContext): Promise<ObjectInfo[]> {
  return (await allKeys(context.store, PART.backups)).filter(({ key }) => backupIdOf(key) !== undefined);
}

/** Takes in what the index has of these. */
async function takeIndexed(
  context: RepositoryContext,
  listed: readonly ObjectInfo[],
  kept: Map<string, Kept>,
): Promise<void> {
  const slicer = new Slicer(context.monotonic);
  for (const [key, bytes] of await readIndex(context, indexable(listed))) {
    await slicer.tick();
    try {
      const body = openContextDocument(context, "backup", bytes, key, backupDocument);
      if (backupKey(body.id) === key) kept.set(key, { body, isDirect: false, isIndexed: true, size: bytes.length });
    } catch (error) {
      if (!isDamage(error)) throw error; // The manifest itself is asked.
    }
  }
}

/**
 * Writes a new index where many of the manifests that were read last, and of about so many that were put since, are in none.
 */
export async function indexBackups(context: RepositoryContext, put = 0): Promise<void> {
  const kept = cache.get(context);
  if (kept === undefined || context.readOnly || context.keyless) return;
  const lacking = (keys: Iterable<string>): number => {
    let count = 0;
    for (const key of keys) if (kept.get(key)?.isIndexed !== true) count++;
    return count;
  };
  // Without a request where there is nothing to do.
  if (!isIndexDue(lacking(kept.keys()) + put, kept.size + put)) return;
  const listed = indexable(await listManifests(context));
  if (!isIndexDue(lacking(listed.map(({ key }) => key)), listed.length)) return;
  await writeIndex(context, listed);
  for (const { key } of listed) {
    const known = kept.get(key);
    if (known !== undefined) kept.set(key, { ...known, isIndexed: true });
  }
}

/** A manifest that was put in another's place is whole, and says of itself whose it is. */
function misplaced(context: RepositoryContext, key: string, id: string): IntegrityError {
  return new IntegrityError(`${key} in ${context.name} is the manifest of ${id}; run verify, then repair`, {
    path: key,
  });
}

/** The order of backups: by version, then by when they were made. */
export function byVersion(a: BackupDocument, b: BackupDocument): number {
  return a.version - b.version || a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1);
}

/** One backup; undefined when there is none of that id. */
export async function readBackup(context: RepositoryContext, id: string): Promise<BackupDocument | undefined> {
  const body = (await readDocument(context, "backup", backupKey(id), backupDocument))?.body;
  if (body !== undefined && body.id !== id) throw misplaced(context, backupKey(id), body.id);
  return body;
}

/** The ids of the backups that are pinned. */
export async function readPins(context: RepositoryContext): Promise<Set<string>> {
  return new Set((await allKeys(context.store, PART.pins)).map(({ key }) => key.slice(PART.pins.length)));
}

/** The keys marked for deletion. */
export async function readMarks(context: RepositoryContext): Promise<GcMark[]> {
  return (await readAllDocuments(context, "gc", PART.marks, gcMark)).map(({ body }) => body);
}

async function sizesOfObjects({ store }: RepositoryContext): Promise<Map<string, number>> {
  return new Map((await allKeys(store, PART.objects)).map(({ key, size }) => [key, size]));
}

/**
 * What new backups may refer to. To be read under a lease, or what it tells may be gone before it is used. Where there are none
 * a repository that was emptied is refused, as `IntegrityError`. With `looking` objects that are gone or cut count for nothing:
 * they are put anew, under their own name, which heals who refers to them, or beside what is left.
 */
export async function knownObjects(
  context: RepositoryContext,
  backups: readonly BackupDocument[],
  own: boolean,
  looking = false,
): Promise<KnownObjects> {
  if (backups.length === 0) await assertStillThere(context);
  const marked = new Set((await readMarks(context)).flatMap((mark) => mark.keys));
  const shareable = new Map<string, Placed>();
  const referenced = new Set<string>();
  // A full backup beside others takes nothing of theirs: it asks for what it needs, and not for all there is.
  const sizes = looking && (!own || backups.length === 0) ? await sizesOfObjects(context) : undefined;
  const note = (object: string, stored: number, share: boolean): void => {
    const size = sizes === undefined ? stored : sizes.get(objectKey(object));
    if (size !== undefined) referenced.add(object);
    if (size !== stored) return;
    const name = parseObjectPath(object);
    if (share && name !== undefined) shareable.set(name.name, { object, stored, reused: true });
  };
  // A full backup keeps its objects to itself where there are others: what is shared fails together.
  for (const { base, type } of backups) {
    for (const { object, stored } of base?.files ?? []) note(object, stored, type !== "full");
  }
  for (const { base, type } of backups) {
    if (type !== "full") continue;
    for (const { object, stored } of base?.files ?? []) {
      const content = parseObjectPath(object)?.name;
      if (content !== undefined && !shareable.has(content)) note(object, stored, true);
    }
  }
  for (const head of await readHeads(context)) {
    for (const { files } of countedIngests(head)) for (const { object, stored } of files) note(object, stored, true);
  }
  return { shareable: own ? new Map() : shareable, referenced, marked, listed: sizes };
}
