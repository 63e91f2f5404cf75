/**
 * A database or namespace with values of one type.
 *
 * @module
 */
import type { Key } from "../../db/data/keys.ts";
import type { KeyRange } from "../../db/data/ranges.ts";
import type { Storable } from "../../db/data/values.ts";
import type { KeySpace } from "../../db/key_space.ts";
import { accessOf } from "../../db/reading/reader.ts";
import type { Change } from "../../db/watching/change.ts";
import type { WatchOptions, WatchRange } from "../../db/watching/watch.ts";
import { SetMany, type SetManyOptions, type SetManyResult } from "../../db/writing/set_many.ts";
import type { TransactionOptions } from "../../db/writing/transaction.ts";
import type { EntryOptions, SetOptions, WriteOptions } from "../../db/writing/write_options.ts";
import type { Commit } from "../../engine/types.ts";
import { keepInside, type TypedView } from "./inside.ts";
import { Mapped } from "./mapped.ts";
import { isThenable, ownCopy, ownKey, type Shape } from "./shape.ts";
import { TypedAtomic } from "./typed_atomic.ts";
import { entryOf, TypedReader } from "./typed_reader.ts";
import { TypedSnapshot } from "./typed_snapshot.ts";
import { TypedTransaction } from "./typed_transaction.ts";

/** An entry to write: a pair, or an object when it has tags or expires. */
export type TypedItem<K extends Key, In> =
  | readonly [key: K, value: In]
  | ({ key: K; value: In } & EntryOptions);

/** One change of a typed space: as `Change`, with the entry's value as the program has it. */
export type TypedChange<K extends Key, Out> = Change<K, Out>;

/**
 * A database or namespace whose values go through a schema and a codec: what `typed` returns. Its methods are those of
 * `KeySpace`; writing ones reject with `InvalidValueError` for a value that the schema refuses, and write nothing.
 *
 * Any number of typed spaces may stand over one namespace. What is written to it by other means is not checked, unless
 * `validateReads` was given.
 */
export class TypedSpace<K extends Key, In, Out> extends TypedReader<K, In, Out> implements TypedView<K, In, Out> {
  /** The database or namespace beneath, with its values as they are kept. */
  readonly space: KeySpace<K>;
  readonly #shape: Shape<In, Out>;

  /** Made by `typed`. @internal */
  constructor(space: KeySpace<K>, shape: Shape<In, Out>) {
    super(space, shape);
    this.space = space;
    this.#shape = shape;
    keepInside(this, { beneath: space, shape });
  }

  /** What the schema makes of a value, without writing it. Rejects with `InvalidValueError`. */
  async parse(value: In): Promise<Out> {
    return await this.#shape.validate("parse", undefined, value);
  }

  /** Sets a key to a value. Tags and expiry of before are cleared unless they are given again. */
  async set(key: K, value: In, options?: SetOptions): Promise<Commit> {
    const stored = this.#shape.encode("set", key, value);
    // Without a schema to wait for, the call beneath is made in this very turn: calls keep their order.
    if (!isThenable(stored)) return await this.space.set(key, stored, options);
    const own = ownKey(key);
    const settings = ownCopy(options);
    return await this.space.set(own, await stored, settings);
  }

  /**
   * Writes many entries in bounded memory; see `setMany` of the database. A value that is refused ends it with that error,
   * whose `committed` says how many entries, from the first on, are in.
   */
  async setMany(
    items: Iterable<TypedItem<K, In>> | AsyncIterable<TypedItem<K, In>>,
    options?: SetManyOptions,
  ): Promise<SetManyResult> {
    const { context, definition } = accessOf("setMany", this.space);
    context.assertOpen("setMany");
    const written = (item: unknown): unknown => this.#written(item as TypedItem<K, In>);
    return await new SetMany(context, definition, items, options, written).run(items);
  }

  /** Deletes a key. A missing one is fine, and a commit like any other. */
  async delete(key: K, options?: WriteOptions): Promise<Commit> {
    return await this.space.delete(key, options);
  }

  /** Deletes all keys of a range, in one step whatever their number. */
  async deleteRange(range: KeyRange<K>, options?: WriteOptions): Promise<Commit> {
    return await this.space.deleteRange(range, options);
  }

  /** Deletes all entries, those of the namespaces inside too. */
  async clear(options?: WriteOptions): Promise<Commit> {
    return await this.space.clear(options);
  }

  /** Begins an atomic operation: checks and writes that are made in one commit or not at all. */
  atomic(): TypedAtomic<K, In, Out> {
    return new TypedAtomic(this.space.atomic(), this.#shape, { waiting: undefined, committed: false });
  }

  /** Runs a function as a serializable transaction; see `transaction` of the database. */
  async transaction<T>(
    run: (tx: TypedTransaction<K, In, Out>) => T | Promise<T>,
    options?: TransactionOptions,
  ): Promise<T> {
    if (typeof run !== "function") throw new TypeError("transaction: the first argument must be a function");
    return await this.space.transaction(async (tx) => {
      const waiting: Promise<void>[] = [];
      const result = await run(new TypedTransaction(tx, this.#shape, waiting));
      await Promise.all(waiting);
      return result;
    }, options);
  }

  /** Keeps what is there now readable, whatever is written later, until it is released. */
  snapshot(): TypedSnapshot<K, In, Out> {
    return new TypedSnapshot(this.space.snapshot(), this.#shape);
  }

  /** Changes as they are committed, from the call on; see `watch` of the database. */
  watch(range?: WatchRange<K>, options?: WatchOptions): AsyncIterableIterator<TypedChange<K, Out>[], undefined> {
    return new Mapped(this.space.watch(range, options), (changes) => {
      return Promise.all(changes.map(async (change): Promise<TypedChange<K, Out>> => {
        if (change.type !== "set") return change;
        return { ...change, entry: await entryOf(this.#shape, "watch", change.entry) };
      }));
    });
  }

  /** An item with its value as it is kept; what is none is for the call beneath to refuse. */
  #written(item: TypedItem<K, In>): unknown {
    if (isPair(item)) {
      const [key, value] = item;
      return item.length === 2 ? this.#encoded(key, value, (kept) => [key, kept]) : item;
    }
    if (typeof item !== "object" || item === null) return item;
    return this.#encoded(item.key, item.value, (kept) => ({ ...item, value: kept }));
  }

  #encoded<T>(key: K, value: In, made: (kept: Storable) => T): T | Promise<T> {
    const kept = this.#shape.encode("setMany", key, value);
    return isThenable(kept) ? kept.then(made) : made(kept);
  }
}

function isPair<K extends Key, In>(item: TypedItem<K, In>): item is readonly [key: K, value: In] {
  return Array.isArray(item);
}
