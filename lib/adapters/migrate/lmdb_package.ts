/**
 * The package `lmdb`.
 *
 * @module
 */
import { notInstalled } from "./errors.ts";

/** What is asked of a database of the package `lmdb`. */
export interface LmdbLike {
  /** Keys in order. */
  getKeys(options?: { start?: unknown }): Iterable<unknown>;
  /** How many keys there are. */
  getKeysCount(options?: { start?: unknown }): number;
  /** The value at a key. */
  get(key: unknown): unknown;
  /** The bytes of the value; undefined when there is none. */
  getBinary?(key: unknown): Uint8Array | undefined;
  /** The key of what the library keeps beside entries, when it was opened with such a one. */
  readonly sharedStructuresKey?: unknown;
  /** How many entries there are: more than keys where a key has several values. */
  getStats(): { entryCount?: number };
  /** Ends it. */
  close(): Promise<void>;
}

/** Opens the database in a directory or file for reading: the one in it that has a name, or the first one. */
export async function openLmdb(path: string, isDirectory: boolean, name: string | undefined): Promise<LmdbLike> {
  const { open } = await loadPackage();
  // Unless told, it takes any path with a dot in its last name for a file, and any other for a directory.
  const root = open({ path, readOnly: true, noSubdir: !isDirectory });
  if (name === undefined) return root as unknown as LmdbLike;
  const database = root.openDB({ name });
  if (database === undefined) {
    await root.close();
    throw new TypeError(`fromLmdb: there is no database named "${name}" in ${path}`);
  }
  return Object.assign(database, { close: () => root.close() }) as unknown as LmdbLike;
}

/** Tried, and not only caught behind: so a bundler may find the package missing. */
async function loadPackage() {
  try {
    return await import("lmdb");
  } catch (cause) {
    throw notInstalled("lmdb", cause);
  }
}
