/**
 * The database of Level.
 *
 * @module
 */
import { DB } from "../../db/db.ts";
import type { Key } from "../../db/data/keys.ts";
import type { Namespace } from "../../db/namespace.ts";
import { fileSystemOf, type OpenOptions } from "../../db/options.ts";
import type { RepairReport } from "../../db/repair.ts";
import { pathOf } from "../../base/options.ts";
import type { Durability } from "../../engine/types.ts";
import { fixedPath } from "../../files/paths.ts";
import {
  type AbstractBatchOperation,
  type AbstractBatchOptions,
  type AbstractDelOptions,
  AbstractLevel,
  type AbstractOpenOptions,
  type AbstractPutOptions,
  type AbstractSnapshot,
  type MixedEncoding,
} from "./abstract_level.ts";
import { LevelChainedBatch } from "./chained_batch.ts";
import { clear, type ClearOptions } from "./clear.ts";
import type { Data, Format } from "./data.ts";
import { LevelEntries, type Space } from "./entries.ts";
import { LevelError, levelError, rethrow } from "./errors.ts";
import { EntryIterator, KeyIterator, type LevelIteratorOptions, ValueIterator } from "./iterators.ts";
import {
  checkedOpenOptions,
  checkedOptionsOver,
  durabilityOf,
  type LevelOpenOptions,
  type LevelOptions,
  namespaceOption,
  type SyncOption,
} from "./options.ts";
import { type Bounds, boundsOf, storableBounds } from "./range.ts";
import { heldBy, LevelSnapshot } from "./snapshot.ts";

/** Options of `put`. */
export interface LevelPutOptions<K, V> extends AbstractPutOptions<K, V>, SyncOption {}
/** Options of `del`. */
export interface LevelDelOptions<K> extends AbstractDelOptions<K>, SyncOption {}
/** Options of `batch`. */
export interface LevelBatchOptions<K, V> extends AbstractBatchOptions<K, V>, SyncOption {}
/** Options of `approximateSize` and `compactRange`. */
export interface LevelKeyOptions<K> extends Pick<AbstractDelOptions<K>, "keyEncoding"> {}

/** What Level's reads hand down. */
interface ReadOptions {
  valueEncoding: Format;
  snapshot?: AbstractSnapshot | null | undefined;
}

/** What there is while it is open. */
interface Opened {
  db: DB<Key>;
  entries: LevelEntries;
  durability: Durability | undefined;
}

/** An operation of a batch, encoded. */
type Operation = { type: "put"; key: Data; value: Data } | { type: "del"; key: Data };

/**
 * A Level database in Holdfast: what `abstract-level` describes, to be used in the place of `classic-level`.
 *
 * @example
 * ```ts
 * import { HoldfastLevel } from "@holdfast/db/level";
 *
 * await using level = new HoldfastLevel<string, { name: string }>(":memory:", { valueEncoding: "json" });
 * await level.put("user:1", { name: "Ada" });
 * console.log(await level.get("user:1")); // { name: "Ada" }
 * ```
 */
export class HoldfastLevel<KDefault = string, VDefault = string> extends AbstractLevel<Data, KDefault, VDefault> {
  /** The database that was given, which is not ours to open and close. */
  readonly #given: DB<Key> | undefined;
  readonly #location: string | URL;
  /** The same, from the root on. */
  readonly #place: string | URL;
  readonly #namespace: readonly string[];
  #open: Opened | undefined;

  /**
   * A database in a directory, which opens by itself as every Level database does; `":memory:"` leaves nothing on disk. Or
   * over a `DB` that is open already: closing it is then left to whoever opened it.
   *
   * @example Beside what else a database holds
   * ```ts
   * import { DB } from "@holdfast/db";
   * import { HoldfastLevel } from "@holdfast/db/level";
   *
   * await using db = await DB.open(":memory:");
   * const cache = new HoldfastLevel(db, { namespace: "cache" });
   * await cache.put("greeting", "hello", { sync: true });
   * console.log(await db.namespace<Uint8Array>("cache").get(new TextEncoder().encode("greeting"))); // hello
   * ```
   */
  constructor(
    location: string | URL | DB<string> | DB<Uint8Array> | DB<Key>,
    options?: LevelOptions<KDefault, VDefault>,
  ) {
    const call = "HoldfastLevel";
    const given = location instanceof DB ? location as DB<Key> : undefined;
    if (given === undefined) {
      if (location === "") throw new TypeError(`${call}: the location is empty; give a directory`);
      pathOf(call, location as string | URL);
      checkedOpenOptions(call, options);
    } else checkedOptionsOver(call, options);
    const namespace = namespaceOption(call, options);
    const manifest = {
      encodings: { utf8: true, view: true },
      explicitSnapshots: true,
      implicitSnapshots: true,
      getSync: true,
      has: true,
      permanence: (given?.path ?? location) !== ":memory:",
      createIfMissing: given === undefined,
      errorIfExists: given === undefined,
      additionalMethods: { approximateSize: true, ...(namespace.length === 0 ? { compactRange: true } : {}) },
      signals: { iterators: true },
    };
    // Level keeps the options for when it opens; the array of names may be another one by then.
    super(manifest, namespace.length === 0 ? options : { ...options, namespace });
    this.#given = given;
    this.#location = given?.path ?? location as string | URL;
    this.#place = fixedPath(fileSystemOf(call, options), this.#location);
    this.#namespace = namespace;
  }

  /** Removes a database: the files that belong to it, and its directory when nothing else is in there. */
  static async destroy(location: string | URL): Promise<void> {
    await DB.destroy(location).catch(rethrow);
  }

  /** Makes a damaged database one that opens again; says what was kept and what is lost. It must not be open. */
  static async repair(location: string | URL): Promise<RepairReport> {
    return await DB.repair(location).catch(rethrow);
  }

  /** Where it is: as it was given, or the path of the database that was. */
  get location(): string {
    return String(this.#location);
  }

  /**
   * The database beneath, for all that Level has no call for: `backup`, `export`, `verify`, `stats` and so on. Throws
   * `LEVEL_DATABASE_NOT_OPEN` before it is open.
   *
   * @example
   * ```ts
   * import { HoldfastLevel } from "@holdfast/db/level";
   *
   * await using level = new HoldfastLevel(":memory:");
   * await level.put("a", "1");
   * await level.holdfast.backup("./level-backups/");
   * ```
   */
  get holdfast(): DB<Key> {
    return this.#opened("holdfast").db;
  }

  /** Opens it, or waits until it is open. */
  override open(): Promise<void>;
  /** As above, with options that come before those of the constructor. */
  override open(options: LevelOpenOptions): Promise<void>;
  override open(options?: LevelOpenOptions): Promise<void> {
    return super.open(options as AbstractOpenOptions);
  }

  /** Sets a key to a value. */
  override put(key: KDefault, value: VDefault): Promise<void>;
  /** As above, encoded and durable as the options say. */
  override put<K = KDefault, V = VDefault>(key: K, value: V, options: LevelPutOptions<K, V>): Promise<void>;
  override put<K, V>(key: K, value: V, options?: LevelPutOptions<K, V>): Promise<void> {
    return super.put(key, value, options as AbstractPutOptions<K, V>);
  }

  /** Deletes a key, there or not. */
  override del(key: KDefault): Promise<void>;
  /** As above, encoded and durable as the options say. */
  override del<K = KDefault>(key: K, options: LevelDelOptions<K>): Promise<void>;
  override del<K>(key: K, options?: LevelDelOptions<K>): Promise<void> {
    return super.del(key, options as AbstractDelOptions<K>);
  }

  /** Makes several operations in one commit. */
  override batch(operations: AbstractBatchOperation<this, KDefault, VDefault>[]): Promise<void>;
  /** As above, encoded and durable as the options say. */
  override batch<K = KDefault, V = VDefault>(
    operations: AbstractBatchOperation<this, K, V>[],
    options: LevelBatchOptions<K, V>,
  ): Promise<void>;
  /** A batch to be put together call by call. */
  override batch(): LevelChainedBatch<this, KDefault, VDefault>;
  override batch<K, V>(
    ...given: [operations?: AbstractBatchOperation<this, K, V>[], options?: LevelBatchOptions<K, V>]
  ): Promise<void> | LevelChainedBatch<this, KDefault, VDefault> {
    // Level tells the two forms apart by the number of arguments.
    const batch = super.batch as (...given: unknown[]) => Promise<void> | LevelChainedBatch<this, KDefault, VDefault>;
    return batch.apply(this, given);
  }

  /** Approximate bytes that keys from `start` to before `end` take on disk: in tables, not in the log or in memory. */
  async approximateSize<K = KDefault>(start: K, end: K, options?: LevelKeyOptions<K>): Promise<number> {
    if (this.status === "opening") return await this.deferAsync(() => this.approximateSize(start, end, options));
    const { entries } = this.#opened("approximateSize");
    return await entries.space.sizeOf(this.#rangeOf(start, end, options)).catch(rethrow);
  }

  /**
   * Rewrites tables so that what was deleted or overwritten from `start` to before `end` gives its space back. Not over a
   * namespace: `LEVEL_NOT_SUPPORTED`.
   */
  async compactRange<K = KDefault>(start: K, end: K, options?: LevelKeyOptions<K>): Promise<void> {
    if (this.status === "opening") return await this.deferAsync(() => this.compactRange(start, end, options));
    const { db } = this.#opened("compactRange");
    if (this.#namespace.length > 0) {
      throw new LevelError("LEVEL_NOT_SUPPORTED", "Cannot compactRange in a namespace; call holdfast.compact()");
    }
    await db.compact(this.#rangeOf(start, end, options)).catch(rethrow);
  }

  /** @internal */
  async _open(options: OpenOptions): Promise<void> {
    const call = "HoldfastLevel.open";
    if (JSON.stringify(namespaceOption(call, options)) !== JSON.stringify(this.#namespace)) {
      throw new TypeError(`${call}: option "namespace" is for the constructor`);
    }
    const opening = this.#given === undefined ? checkedOpenOptions(call, options) : checkedOptionsOver(call, options);
    let db: DB<Key> | undefined;
    try {
      db = this.#given ?? await openDatabase(this.#place, opening);
      this.#open = { db, entries: new LevelEntries(spaceIn(db, this.#namespace)), durability: opening.durability };
    } catch (error) {
      // Nobody else could close it, and it would stay locked.
      if (this.#given === undefined) await db?.close().catch(() => {});
      throw levelError(error);
    }
  }

  /** @internal */
  async _close(): Promise<void> {
    const { db, entries } = this.#opened("close");
    await entries.settled();
    const wasClosed = db.closed;
    try {
      if (this.#given === undefined) await db.close();
    } catch (error) {
      // It is closed all the same: once this has been told, it can be opened again.
      if (!wasClosed) throw levelError(error);
    }
    this.#open = undefined;
  }

  /** @internal */
  _get(key: Data, options: ReadOptions): Promise<Data | undefined> {
    return this.#entries.get(key, options.valueEncoding, heldBy(options.snapshot));
  }

  /** @internal */
  _getSync(key: Data, options: ReadOptions): Data | undefined {
    return this.#entries.getSync(key, options.valueEncoding, heldBy(options.snapshot));
  }

  /** @internal */
  _getMany(keys: Data[], options: ReadOptions): Promise<(Data | undefined)[]> {
    return this.#entries.getMany(keys, options.valueEncoding, heldBy(options.snapshot));
  }

  /** @internal */
  async _has(key: Data, options: ReadOptions): Promise<boolean> {
    return this.#entries.hasSync(key, heldBy(options.snapshot));
  }

  /** @internal */
  async _hasMany(keys: Data[], options: ReadOptions): Promise<boolean[]> {
    return await this.#entries.hasMany(keys, heldBy(options.snapshot));
  }

  /** @internal */
  async _put(key: Data, value: Data, options: SyncOption): Promise<void> {
    await this.#entries.write().put(key, value).commit(this.#durabilityOf(options));
  }

  /** @internal */
  async _del(key: Data, options: SyncOption): Promise<void> {
    await this.#entries.write().del(key).commit(this.#durabilityOf(options));
  }

  /** @internal */
  async _batch(operations: Operation[], options: SyncOption): Promise<void> {
    const write = this.#entries.write();
    for (const operation of operations) {
      if (operation.type === "put") write.put(operation.key, operation.value);
      else write.del(operation.key);
    }
    await write.commit(this.#durabilityOf(options));
  }

  /** @internal */
  _chainedBatch(): LevelChainedBatch<this, KDefault, VDefault> {
    return new LevelChainedBatch(this, () => this.#entries.write(), (options) => this.#durabilityOf(options));
  }

  /** @internal */
  async _clear(options: ClearOptions & SyncOption & ReadOptions): Promise<void> {
    const entries = this.#entries;
    await entries.finishing(clear(entries, options, heldBy(options.snapshot), this.#durabilityOf(options)));
  }

  /** @internal */
  _iterator(options: LevelIteratorOptions): EntryIterator<this, KDefault, VDefault> {
    return new EntryIterator(this, this.#entries, options, heldBy(options.snapshot));
  }

  /** @internal */
  _keys(options: LevelIteratorOptions): KeyIterator<this, KDefault> {
    return new KeyIterator(this, this.#entries, options, heldBy(options.snapshot));
  }

  /** @internal */
  _values(options: LevelIteratorOptions): ValueIterator<this, KDefault, VDefault> {
    return new ValueIterator(this, this.#entries, options, heldBy(options.snapshot));
  }

  /** @internal */
  _snapshot(options: object): LevelSnapshot {
    return new LevelSnapshot(options, this.#entries.snapshot());
  }

  get #entries(): LevelEntries {
    return this.#opened("read or write").entries;
  }

  #opened(call: string): Opened {
    if (this.#open !== undefined) return this.#open;
    throw new LevelError("LEVEL_DATABASE_NOT_OPEN", `Cannot ${call}: the database is not open`);
  }

  #durabilityOf({ sync }: SyncOption): Durability | undefined {
    return durabilityOf(sync, this.#open?.durability);
  }

  #rangeOf<K>(start: K, end: K, options: LevelKeyOptions<K> | undefined): Bounds {
    // What may be left out or a name is more than Level's declaration of this call says.
    const encoding = this.keyEncoding(options?.keyEncoding as MixedEncoding<K, Data, K>);
    return storableBounds(boundsOf({ gte: encoding.encode(start), lt: encoding.encode(end) }));
  }
}

/** Opens the database at a location; a new one takes any bytes for keys. */
async function openDatabase(location: string | URL, options: OpenOptions): Promise<DB<Key>> {
  const { createIfMissing, errorIfExists, fileSystem } = options;
  const isThere = location !== ":memory:" && await DB.exists(location, { fileSystem });
  if (!isThere && createIfMissing === false) {
    throw new LevelError("NOT_FOUND", `Cannot open ${location}: it does not exist, and createIfMissing is false`);
  }
  if (isThere && errorIfExists) {
    throw new LevelError("EXISTS", `Cannot open ${location}: it exists, and errorIfExists is set`);
  }
  return await DB.open(location, isThere ? options : { ...options, keyEncoding: "bytes" }) as DB<Key>;
}

/** The key space of a namespace's names; one that is not there yet takes any bytes for keys. */
function spaceIn(db: DB<Key>, names: readonly string[]): Space {
  let space: DB<Key> | Namespace<Key> = db;
  for (const name of names) {
    const isThere = space.namespaces().includes(name);
    space = space.namespace<Key>(name, isThere ? {} : { keyEncoding: "bytes" });
  }
  return space;
}
