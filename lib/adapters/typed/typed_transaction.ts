/**
 * Typed transactions.
 *
 * @module
 */
import type { Key } from "../../db/data/keys.ts";
import type { KeyRange } from "../../db/data/ranges.ts";
import type { Transaction } from "../../db/writing/transaction.ts";
import type { EntryOptions } from "../../db/writing/write_options.ts";
import { insideOf, type TypedView } from "./inside.ts";
import { isThenable, ownCopy, ownKey, type Shape } from "./shape.ts";
import { TypedReader } from "./typed_reader.ts";

/**
 * A running transaction over typed values. What it refuses ends it, and nothing is written.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 * import { typed } from "@holdfast/db/typed";
 *
 * await using db = await DB.open(":memory:");
 * const stock = typed<number>(db.namespace("stock"));
 * await stock.set("apples", 12);
 * await stock.transaction(async (tx) => {
 *   const apples = await tx.get("apples");
 *   tx.set("apples", apples! - 5);
 * });
 * console.log(await stock.get("apples")); // 7
 * ```
 */
export class TypedTransaction<K extends Key, In, Out> extends TypedReader<K, In, Out> {
  readonly #transaction: Transaction<K>;
  readonly #shape: Shape<In, Out>;
  readonly #waiting: Promise<void>[];

  /** Made by `transaction()`. @internal */
  constructor(transaction: Transaction<K>, shape: Shape<In, Out>, waiting: Promise<void>[]) {
    super(transaction, shape);
    this.#transaction = transaction;
    this.#shape = shape;
    this.#waiting = waiting;
  }

  /**
   * Sets a key: at once, and throws at once. Only of an asynchronous schema there is something to wait for: the write is
   * made when the promise resolves. The transaction waits for it in any case, and ends with what it rejects with.
   */
  set(key: K, value: In, options?: EntryOptions): Promise<void> | void {
    const stored = this.#shape.encode("set", key, value);
    if (!isThenable(stored)) return this.#transaction.set(key, stored, options);
    const own = ownKey(key);
    const settings = ownCopy(options);
    const written = stored.then((kept) => this.#transaction.set(own, kept, settings));
    written.catch(() => {});
    this.#waiting.push(written);
    return written;
  }

  /** Deletes a key; a missing one is fine. */
  delete(key: K): void {
    this.#transaction.delete(key);
  }

  /** Deletes a range, what the transaction has written there before included. */
  deleteRange(range: KeyRange<K>): void {
    this.#transaction.deleteRange(range);
  }

  /** The same transaction seen from another typed space of the database. */
  in<L extends Key, I, O>(space: TypedView<L, I, O>): TypedTransaction<L, I, O> {
    const { beneath, shape } = insideOf("tx.in", space);
    return new TypedTransaction<L, I, O>(this.#transaction.in(beneath), shape, this.#waiting);
  }
}
