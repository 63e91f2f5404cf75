/**
 * Where the content of a file goes among the objects of a repository.
 *
 * (1) Nothing is put twice: a content that a listed backup of the kind allowed refers to is taken as it is.
 * (2) An object that lies there unreferenced (an earlier try was cut off) is used after all of it was read and checked,
 *     and is sure to stay there.
 * (3) An object marked for deletion is never used: the content gets another copy, with a number behind its name.
 * (4) A full backup refers to no object that an earlier one refers to.
 *
 * @module
 */
import { CorruptionError, IntegrityError } from "../../../base/errors.ts";
import type { Pace } from "../../../base/pace.ts";
import type { FileSystem } from "../../../files/file_system.ts";
import type { ObjectCompression, WrittenObject } from "../../../format/repository/object.ts";
import { contentName, objectPath } from "../../../format/repository/object_name.ts";
import { hashPieces, reusedPieces } from "../../hash_file.ts";
import type { Bandwidth } from "../core/bandwidth.ts";
import type { RepositoryContext } from "../core/context.ts";
import { objectKey } from "../core/layout.ts";
import { holdsContent, keepFound, putObject, storedBytesOf } from "../core/objects.ts";

/** A content to be placed. */
export interface PlacedSource {
  /** Its length. */
  size: number;
  /** SHA-256 of it, hex. */
  sha256: string;
  /** Its bytes; may be asked for again. */
  pieces: () => AsyncIterable<Uint8Array>;
  /** For messages. */
  name: string;
}

/** The bytes of a file whose digest is known. */
export function fileSource(fs: FileSystem, path: string, size: number, sha256: string): PlacedSource {
  return { size, sha256, name: path, pieces: () => reusedPieces(fs, path) };
}

/** How contents are placed. */
export interface PlaceOptions {
  /** How new objects are compressed. */
  compression: ObjectCompression;
  /** How hard. */
  level?: number | undefined;
  /** Proves that what was written is there. */
  verify: boolean;
  /** A limit of the call's own. */
  bandwidth?: Bandwidth | undefined;
  /** Hears of content bytes done, put or found. */
  onBytes?: ((count: number) => void) | undefined;
  /** Hears of stored bytes sent; what it throws ends the call. */
  onStored?: ((count: number) => void) | undefined;
  /** Hears of the key of each object that was made. */
  onMade?: ((key: string) => void) | undefined;
  /** Lets writers of the database go first. */
  pace?: Pace | undefined;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}

/** Where a content is. */
export interface Placed {
  /** Its path below `objects/`. */
  object: string;
  /** Its stored bytes. */
  stored: number;
  /** Whether it was there. */
  reused: boolean;
}

/** What is known of the objects there are. */
export interface KnownObjects {
  /** Objects by their path that may be referred to without a look. */
  shareable: ReadonlyMap<string, Placed>;
  /** Paths that some backup refers to. */
  referenced: ReadonlySet<string>;
  /** Keys marked for deletion. */
  marked: ReadonlySet<string>;
  /** Objects there are, by their key, where they were listed; where not, each is asked for. */
  listed?: ReadonlyMap<string, number> | undefined;
}

/** Copies of one content that are tried before something must be wrong. */
const COPIES_MAX = 10_000;

/** Places a content. `shareable` is by content name. */
export async function place(
  context: RepositoryContext,
  source: PlacedSource,
  known: KnownObjects,
  options: PlaceOptions,
): Promise<Placed> {
  const content = contentName(source.sha256, context.ring);
  const shared = known.shareable.get(content);
  if (shared !== undefined && !known.marked.has(objectKey(shared.object))) {
    options.onBytes?.(source.size);
    return { ...shared, reused: true };
  }
  for (let copy = 0; copy < COPIES_MAX; copy++) {
    const object = objectPath(content, copy);
    const key = objectKey(object);
    if (known.marked.has(key) || known.referenced.has(object)) continue;
    const isThere = known.listed?.has(key) ?? await storedBytesOf(context, key, options.signal) !== undefined;
    if (!isThere) {
      const put = await putSource(context, key, source, options);
      if (put !== undefined) {
        options.onMade?.(key);
        return { object, stored: put.storedBytes, reused: false };
      }
    }
    const { bandwidth, signal, onBytes } = options;
    const found = await holdsContent(context, key, content, { bandwidth, signal });
    if (found !== undefined && await keepFound(context, key, signal)) {
      onBytes?.(source.size);
      return { object, stored: found.storedBytes, reused: true };
    }
  }
  throw new RangeError(`${context.name} has ${COPIES_MAX} copies of one content; prune it`);
}

/** As `putObject`. A file that is not what the database wrote is told by name, and leaves no object behind. */
async function putSource(
  context: RepositoryContext,
  key: string,
  source: PlacedSource,
  options: PlaceOptions,
): Promise<WrittenObject | undefined> {
  let put: WrittenObject | undefined;
  try {
    put = await putObject(context, key, source.pieces, { ...options, expected: source.sha256 });
    if (put === undefined || put.sha256 === source.sha256) return put;
  } catch (error) {
    // What does not read back was spoiled on its way, or before.
    const isSpoiled = error instanceof IntegrityError && error.path === key;
    if (!isSpoiled || await hashPieces(source.pieces()) === source.sha256) throw error;
  }
  await context.store.delete(key).catch(() => {});
  throw new CorruptionError(source.name, 0, "it is not what was written there (its SHA-256 differs)");
}
