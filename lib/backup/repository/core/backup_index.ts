/**
 * The index of a repository's backups: one object with the manifests of most of them (see `backup_pack.ts`).
 *
 * (1) It only spares requests. Which backups there are, listings tell; what is in no index is read by itself; an index that is
 *     lost, damaged or of a newer format is as good as none, and the next that is written takes its place.
 * (2) Only ids that never come again are in it, and a manifest counts only while it is as long as the one that is listed: so
 *     an old index shows no backup as it no longer is.
 * (3) Whoever checks or deletes reads the manifests themselves.
 * (4) It is written by backups and copies, once a sixteenth of the manifests is in none: what it costs over the years grows
 *     with the number of backups, not with its square.
 *
 * @module
 */
import { concatBytes, copyBytes, DecodeError } from "../../../base/bytes.ts";
import { readPack, writePack } from "../../../format/repository/backup_pack.ts";
import { readObject, writeObject } from "../../../format/repository/object.ts";
import type { ObjectInfo } from "../../../storage/object_store.ts";
import { MADE_ID } from "./backup_id.ts";
import type { RepositoryContext } from "./context.ts";
import { isDamage, readBytes } from "./documents.ts";
import { BACKUP_INDEX_KEY, backupIdOf } from "./layout.ts";
import { runPool, SMALL_REQUESTS } from "./pool.ts";

/** Fewer manifests are read one by one as fast. */
const INDEXED_MIN = 16;

/** The part of the manifests that may be in no index before it is written anew. */
const UNINDEXED_PART = 1 / 16;

/** Longer manifests are left out: they would fill the index, and there are few. */
const DOCUMENT_BYTES_MAX = 16 * 2 ** 10;

/** No index is longer, packed or not. */
const INDEX_BYTES_MAX = 32 * 2 ** 20;

/** Of the manifests that are listed those that belong into an index: the newest, as far as there is room. (2) */
export function indexable(listed: readonly ObjectInfo[]): ObjectInfo[] {
  const found: ObjectInfo[] = [];
  let bytes = 0;
  for (const object of listed.toReversed()) {
    if (object.size > DOCUMENT_BYTES_MAX || !MADE_ID.test(backupIdOf(object.key) ?? "")) continue;
    bytes += object.size + object.key.length;
    if (bytes > INDEX_BYTES_MAX / 2) break;
    found.push(object);
  }
  return found;
}

/** Whether reading so many manifests is worth a look into the index. */
export function isIndexWorth(count: number): boolean {
  return count >= INDEXED_MIN;
}

/** Whether so many of `all` in no index are worth a new one. (4) */
export function isIndexDue(unindexed: number, all: number): boolean {
  return isIndexWorth(unindexed) && unindexed >= all * UNINDEXED_PART;
}

/** The documents of the index by the keys of what is listed; empty when there is no index of use. */
export async function readIndex(
  context: RepositoryContext,
  listed: readonly ObjectInfo[],
): Promise<Map<string, Uint8Array>> {
  const documents = await readWhole(context);
  const found = new Map<string, Uint8Array>();
  for (const { key, size } of listed) {
    const document = documents.get(backupIdOf(key)!);
    if (document?.length === size) found.set(key, document); // (2)
  }
  return found;
}

async function readWhole(context: RepositoryContext): Promise<Map<string, Uint8Array>> {
  if (context.keyless) return new Map();
  try {
    const stored = await readBytes(context.store, BACKUP_INDEX_KEY, INDEX_BYTES_MAX);
    if (stored === undefined) return new Map();
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    const source = readObject(once(stored.bytes), {
      name: `${BACKUP_INDEX_KEY} in ${context.name}`,
      ...(context.ring === undefined ? {} : { ring: context.ring }),
    });
    for await (const piece of source) {
      bytes += piece.length;
      if (bytes > INDEX_BYTES_MAX) return new Map();
      pieces.push(piece);
    }
    return readPack(concatBytes(...pieces));
  } catch (error) {
    if (isDamage(error) || error instanceof DecodeError) return new Map(); // (1)
    throw error;
  }
}

/** Writes an index of what is listed, all of it `indexable`. */
export async function writeIndex(context: RepositoryContext, listed: readonly ObjectInfo[]): Promise<void> {
  const documents = await readIndex(context, listed);
  const lacking = listed.filter(({ key }) => !documents.has(key));
  await runPool(lacking, SMALL_REQUESTS, async ({ key }) => {
    const found = await readBytes(context.store, key, DOCUMENT_BYTES_MAX);
    if (found !== undefined) documents.set(key, found.bytes);
  });
  const byId = new Map([...documents].map(([key, bytes]) => [backupIdOf(key)!, bytes]));
  const sealed = writeObject(once(writePack(byId)), {
    compression: context.compression ?? "zstd",
    ...(context.ring === undefined ? {} : { ring: context.ring }),
    randomBytes: context.randomBytes,
  });
  const stored: Uint8Array[] = [];
  for await (const piece of sealed) stored.push(copyBytes(piece));
  await context.store.put(BACKUP_INDEX_KEY, concatBytes(...stored), { tag: false });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
