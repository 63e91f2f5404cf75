/**
 * Reading and writing a key space: what a database and a namespace have in common.
 *
 * @module
 */
import type { Commit } from "../engine/types.ts";
import { type AtomicOperation, beginAtomic } from "./writing/atomic.ts";
import type { Change } from "./watching/change.ts";
import { commitAll, commitWrites } from "./writing/commit.ts";
import type { Context } from "./context.ts";
import type { Definition } from "./catalog/definition.ts";
import type { Key } from "./data/keys.ts";
import { keyBounds, type KeyRange, refuseOptions } from "./data/ranges.ts";
import { Reader } from "./reading/reader.ts";
import { ReadSource } from "./reading/read_source.ts";
import { SetMany, type SetManyItem, type SetManyOptions, type SetManyResult } from "./writing/set_many.ts";
import { pointOf, type Snapshot, takeSnapshot } from "./reading/snapshot.ts";
import { runTransaction, type Transaction, type TransactionOptions } from "./writing/transaction.ts";
import type { Storable } from "./data/values.ts";
import { Watch, type WatchOptions, type WatchRange } from "./watching/watch.ts";
import { type SetOptions, setOptions, type WriteOptions, writeOptions } from "./writing/write_options.ts";
import { Writes } from "./writing/writes.ts";

/**
 * A database or a namespace: what can be read and written by key. Calls made one after the other without awaiting take
 * effect in that order. Writing calls reject with `TypeError` or `RangeError` for what makes no sense, `ReadOnlyError`
 * when the database takes no writes, `NoSpaceError` when the disk is full, `ClosedError` after `close`; whatever they
 * were given may be changed as soon as they return.
 */
export abstract class KeySpace<K extends Key = string> extends Reader<K> {
  readonly #context: Context;
  readonly #definition: Definition;

  /** Made by the database. @internal */
  constructor(context: Context, definition: Definition) {
    super({
      context,
      definition,
      open(call, at) {
        context.assertOpen(call);
        return new ReadSource(context, definition, at === undefined ? undefined : pointOf(call, context, at));
      },
    });
    this.#context = context;
    this.#definition = definition;
  }

  /**
   * Sets a key to a value: bytes, a string or JSON, which `get` gives back as such. Tags and expiry of before are cleared
   * unless they are given again.
   *
   * @example
   * ```ts
   * import { DB } from "@holdfast/db";
   *
   * await using db = await DB.open(":memory:");
   * await db.set("greeting", "hello");
   * await db.set("point", { x: 1, y: 2 }, { tags: ["shape"] });
   * const { version } = await db.set("session/7", new Uint8Array([1, 2, 3]), { expireIn: 60_000 });
   * console.log(version, await db.get("point")); // 3 { x: 1, y: 2 }
   * ```
   */
  async set(key: K, value: Storable, options?: SetOptions): Promise<Commit> {
    const { engine } = this.#context;
    this.#context.assertOpen("set");
    const checked = setOptions("set", options, () => engine.now());
    const writes = new Writes(this.#context);
    writes.set("set", this.#definition, key, value, checked);
    return await commitAll(this.#context, writes, checked.durability);
  }

  /** Deletes a key. A missing one is fine, and a commit like any other. */
  async delete(key: K, options?: WriteOptions): Promise<Commit> {
    this.#context.assertOpen("delete");
    const durability = writeOptions("delete", options);
    const writes = new Writes(this.#context);
    writes.delete("delete", this.#definition, key);
    return await commitAll(this.#context, writes, durability);
  }

  /** Deletes all keys of a range, in one step whatever their number. Namespaces inside are left alone. */
  async deleteRange(range: KeyRange<K>, options?: WriteOptions): Promise<Commit> {
    this.#context.assertOpen("deleteRange");
    refuseOptions("deleteRange", range, ["durability"]);
    const durability = writeOptions("deleteRange", options);
    const writes = new Writes(this.#context);
    writes.deleteRange("deleteRange", this.#definition, range);
    return await commitAll(this.#context, writes, durability);
  }

  /**
   * Deletes all entries, those of the namespaces inside too: of the database that is everything. The namespaces
   * themselves stay, empty.
   */
  async clear(options?: WriteOptions): Promise<Commit> {
    const context = this.#context;
    context.assertOpen("clear");
    const durability = writeOptions("clear", options);
    const writes = new Writes(context);
    writes.clear(this.#definition);
    // A restore that is made first may bring namespaces.
    const check = context.restoring && (() => {
      writes.batch.reset();
      writes.clear(this.#definition);
      return true;
    });
    return (await commitWrites(context, writes, { durability, check }))!;
  }

  /**
   * Writes many entries, from an array, a `Map`, a generator or a stream, in bounded memory: in commits of at most 4 MiB
   * (unless one value is larger) with one sync at the end. Its first commit keeps to the order of calls, unless it has to
   * wait for its items; what is called meanwhile may come between that one and the others. A failure (a bad item, the
   * source's own error, an abort) rejects with that error, which then has `committed`: how many entries, from the first
   * on, are in.
   *
   * @example
   * ```ts
   * import { DB } from "@holdfast/db";
   *
   * await using db = await DB.open(":memory:");
   * const { count } = await db.setMany([
   *   ["a", 1],
   *   { key: "b", value: 2, tags: ["even"] },
   * ]);
   * console.log(count); // 2
   * ```
   */
  async setMany(
    items: Iterable<SetManyItem<K>> | AsyncIterable<SetManyItem<K>>,
    options?: SetManyOptions,
  ): Promise<SetManyResult> {
    this.#context.assertOpen("setMany");
    return await new SetMany(this.#context, this.#definition, items, options).run(items);
  }

  /** Begins an atomic operation: checks and writes that are made in one commit or not at all. */
  atomic(): AtomicOperation<K> {
    this.#context.assertOpen("atomic");
    return beginAtomic<K>(this.#context, this.#definition);
  }

  /**
   * Runs a function as a serializable transaction: it reads one version and its own writes, and these are committed only
   * if nothing it read was changed meanwhile (keys and ranges where nothing was found included). Otherwise it is run
   * again, `retries` times, then `ConflictError`. What is run again goes one after the other, and after two conflicts
   * before all other transactions: of many that contend for one key each gets its turn. The function may run several
   * times: it should do nothing else that can't be repeated. What it throws ends the transaction without a trace; what it
   * returns is the result.
   *
   * @example
   * ```ts
   * import { DB } from "@holdfast/db";
   *
   * await using db = await DB.open(":memory:");
   * const next = () => db.transaction(async (tx) => {
   *   const id = (await tx.get<number>("last id") ?? 0) + 1;
   *   tx.set("last id", id);
   *   return id;
   * });
   * console.log(await Promise.all([next(), next(), next()])); // 1, 2 and 3, in some order
   * ```
   */
  async transaction<T>(run: (tx: Transaction<K>) => T | Promise<T>, options?: TransactionOptions): Promise<T> {
    this.#context.assertOpen("transaction");
    return await runTransaction(this.#context, this.#definition, run, options);
  }

  /** Keeps what is there now readable, whatever is written later, until it is released. */
  snapshot(): Snapshot<K> {
    return takeSnapshot<K>(this.#context, this.#definition);
  }

  /**
   * Changes as they are committed, from the call on: arrays of what has gathered since the last one, of each key only the
   * newest. With more than 10,000 keys waiting, or after a restore, there is one change of type `"reset"`: read again.
   * Closing the database ends the iteration. Namespaces inside are left out, expiry is no change. Leave a watch that is no
   * longer wanted (`break`, `return()`, a signal): one that is merely forgotten gathers on until the database closes.
   *
   * @example
   * ```ts
   * import { DB } from "@holdfast/db";
   *
   * await using db = await DB.open(":memory:");
   * const changes = db.watch({ prefix: "stock/" });
   * await db.set("stock/apples", 12);
   * for await (const [change] of changes) {
   *   console.log(change?.type, change?.key, change?.entry?.value); // set stock/apples 12
   *   break;
   * }
   * ```
   */
  watch(range?: WatchRange<K>, options?: WatchOptions): AsyncIterableIterator<Change<K>[], undefined> {
    return new Watch<K>(this.#context, this.#definition, range, options);
  }

  /**
   * Approximate bytes that a range takes on disk: in tables and blobs, not in the log or in memory. Without a range, the
   * key space's own entries.
   */
  async sizeOf(range?: KeyRange<K>): Promise<number> {
    this.#context.assertOpen("sizeOf");
    const { encoding, prefix } = this.#definition;
    const { start, end } = keyBounds("sizeOf", encoding, prefix, range);
    return this.#context.engine.sizeOf(start, end);
  }
}
