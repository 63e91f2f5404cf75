/**
 * Databases of LMDB as sources, as the package `lmdb` writes them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { open, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { checkOptions, choiceOption, describeValue, pathOf, stringOption } from "../../base/options.ts";
import { encodeText, readU32 } from "../../base/bytes.ts";
import type { Key } from "../../db/data/keys.ts";
import type { KeyEncoding } from "../../engine/types.ts";
import { checkCodec, type Codec } from "../typed/codec.ts";
import { tuple, type TuplePart } from "../typed/tuple.ts";
import { MigrationError, noSource, unreadable } from "./errors.ts";
import { type LmdbLike, openLmdb } from "./lmdb_package.ts";
import { itemOf, type MigrationSource, plainBytes, showKey, Unsupported } from "./source.ts";
import type { KeyForm } from "./sqlite.ts";

/** Options of `fromLmdb`. */
export interface LmdbSourceOptions {
  /** The name of the database within the environment. Default: the one without a name. */
  database?: string | undefined;
  /**
   * `"text"`: keys are texts or bytes, others can't be kept. `"tuple"`: each is a `tuple` of `@holdfast/db/typed`: an array
   * its parts, any other key its only one. Default: `"text"`.
   */
  keys?: KeyForm | undefined;
  /**
   * How values are kept. Default: `json()` of `@holdfast/db/typed`; `await structured()` keeps dates, maps, bigints and the
   * like, too.
   */
  codec?: Codec<unknown> | undefined;
  /** What the target remembers it by. Needed with an instance; a path is remembered as such. */
  id?: string | undefined;
}

/**
 * A database of LMDB, of the package `lmdb` (install it beside Holdfast): a directory or file, or an instance, which stays
 * open. Values are what the package gives: by its default encoding all that MessagePack holds.
 *
 * @example
 * ```ts ignore
 * import { DB } from "@holdfast/db";
 * import { fromLmdb, migrate } from "@holdfast/db/migrate";
 * import { structured } from "@holdfast/db/typed";
 *
 * await using db = await DB.open("./data");
 * await migrate(db, fromLmdb("./lmdb-data", { keys: "tuple", codec: await structured() }));
 * ```
 */
export function fromLmdb(lmdb: string | URL | LmdbLike, options?: LmdbSourceOptions): MigrationSource {
  const checked = checkOptions("fromLmdb", options, ["database", "keys", "codec", "id"]);
  const database = stringOption("fromLmdb", checked, "database", undefined);
  const keys = choiceOption("fromLmdb", checked, "keys", "text", ["text", "tuple"] as const);
  const codec = checkCodec("fromLmdb", checked["codec"]);
  const id = stringOption("fromLmdb", checked, "id", undefined);
  const isPath = typeof lmdb === "string" || lmdb instanceof URL;
  if (!isPath && typeof lmdb?.getKeys !== "function") {
    throw new TypeError(`fromLmdb: expected a path or a database of lmdb, not ${describeValue(lmdb)}`);
  }
  if (!isPath && id === undefined) {
    throw new TypeError('fromLmdb: a database that is handed in needs option "id", which the target remembers it by');
  }
  if (!isPath && database !== undefined) throw new TypeError('fromLmdb: option "database" is for a path');
  const path = isPath ? resolve(pathOf("fromLmdb", lmdb)) : "";
  const name = id ?? `lmdb ${path}${database === undefined ? "" : ` ${database}`}`;
  return {
    id: name,
    plan: JSON.stringify({ keys }),
    async open() {
      const opened = isPath ? await openPath(path, database, name) : lmdb;
      const close = async (): Promise<void> => isPath ? await opened.close() : undefined;
      const { entryCount = 0 } = opened.getStats();
      const total = opened.getKeysCount();
      const hidden = entryCount > total ? hiddenKeys(opened) : [];
      const refusal = entryCount > total + hidden.length
        ? `${entryCount} values have ${total + hidden.length} keys: a key has one value here (dupSort)`
        : isPath && hidden.length > 0
        ? `it has the key ${
          showKey(hidden[0])
        }, as a database with shared structures has, whose values can't be read ` +
          "without them; open it with the options that it was written with, and hand it in"
        : undefined;
      if (refusal !== undefined) {
        await close();
        throw new MigrationError(`Cannot read ${name}: ${refusal} (MIGRATION)`, { source: name });
      }
      return {
        total,
        async *entries(encoding, after) {
          // They come before all others. What the library itself keeps there is none of the entries.
          for (const key of after === undefined ? hidden : []) {
            if (key === opened.sharedStructuresKey) continue;
            const unsupported = "its key is a symbol, or bytes that begin with 0, of which lmdb gives no list";
            yield { shown: showKey(key), unsupported };
          }
          const from = after === undefined ? undefined : keyAt(after);
          let before: string | undefined;
          for (const key of opened.getKeys(from === undefined ? {} : { start: from })) {
            const position = positionOf(key);
            // It keeps 1 and [1] apart, and gives for both the one key and the value of the first.
            if (position !== undefined && position === before) {
              const unsupported = "lmdb gives the same key for another entry, as for 1 and [1], and not its value";
              yield { shown: showKey(key), unsupported };
              continue;
            }
            before = position;
            // The position itself is done with.
            if (position !== undefined && position === after) continue;
            yield itemOf(position, key, () => ({
              key: keyOf(key, keys, encoding),
              value: codec.encode(valueAt(opened, key)),
            }));
          }
        },
        close,
      };
    },
  };
}

/** The keys before those that are listed: symbols, in the key encoding that has them. */
function hiddenKeys(opened: LmdbLike): unknown[] {
  const found: unknown[] = [];
  try {
    const count = opened.getKeysCount({ start: null }) - opened.getKeysCount();
    for (const key of opened.getKeys({ start: null })) {
      if (found.length >= count) break;
      found.push(key);
    }
  } catch {
    // Other key encodings have no null: nothing comes before their first key.
  }
  return found;
}

async function openPath(path: string, database: string | undefined, name: string): Promise<LmdbLike> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) throw noSource(path);
  try {
    await assertLmdb(info.isDirectory() ? join(path, "data.mdb") : path);
    return await openLmdb(path, info.isDirectory(), database);
  } catch (cause) {
    if (cause instanceof TypeError || (cause as { code?: unknown }).code === "NOT_INSTALLED") throw cause;
    throw unreadable(name, cause);
  }
}

/** Behind the header of its first page a file of LMDB has this number. */
const MAGIC = 0xbeef_c0de;
const MAGIC_AT = 24;

/** Throws when a file is none of LMDB: the library would end the process by a fault of memory. */
async function assertLmdb(path: string): Promise<void> {
  const file = await open(path);
  try {
    const start = new Uint8Array(MAGIC_AT + 4);
    await file.read(start, 0, start.length, 0);
    if (readU32(start, MAGIC_AT) === MAGIC) return;
  } finally {
    await file.close();
  }
  throw new Error(
    "it is no file as the package lmdb writes it; what another library wrote is opened by that, and handed in",
  );
}

/** A key as a position: whether it is an array, and its parts. */
function positionOf(key: unknown): string | undefined {
  try {
    return tuple.encode([Array.isArray(key), ...partsOf(key)]);
  } catch {
    // No key that can be kept; the one before it is where to go on.
    return undefined;
  }
}

function keyAt(position: string): unknown {
  const [isArray, ...parts] = tuple.decode(position).map((part) =>
    part instanceof Uint8Array ? Buffer.from(part) : part
  );
  return isArray === true ? parts : parts[0];
}

function partsOf(key: unknown): TuplePart[] {
  // What is no part is refused where the tuple is made.
  const parts = (Array.isArray(key) ? key : [key]) as TuplePart[];
  return parts.map((part) => part instanceof Uint8Array ? plainBytes(part) : part);
}

function keyOf(key: unknown, form: KeyForm, encoding: KeyEncoding): Key {
  if (form === "tuple") {
    const parts = partsOf(key);
    return encoding === "bytes" ? tuple.bytes.encode(parts) : tuple.encode(parts);
  }
  if (key instanceof Uint8Array) return plainBytes(key);
  if (typeof key === "string") return encoding === "bytes" ? encodeText(key) : key;
  throw new Unsupported(`its key is ${describeValue(key)}, not text; use keys: "tuple"`);
}

function valueAt(database: LmdbLike, key: unknown): unknown {
  let value: unknown;
  try {
    value = database.get(key);
  } catch (error) {
    throw new Unsupported(`lmdb can't read its value: ${(error as Error).message}`);
  }
  if (value === undefined && database.getBinary?.(key) === undefined) {
    throw new Unsupported(
      "lmdb gives no value for it: it is the name of a database within, or was written with another encoding of keys, or has " +
        "gone meanwhile",
    );
  }
  return value instanceof Uint8Array ? plainBytes(value) : value;
}
