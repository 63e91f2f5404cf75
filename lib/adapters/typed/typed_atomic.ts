/**
 * Typed atomic operations.
 *
 * @module
 */
import type { Key } from "../../db/data/keys.ts";
import type { KeyRange } from "../../db/data/ranges.ts";
import type { AtomicCheck, AtomicOperation, AtomicResult } from "../../db/writing/atomic.ts";
import type { EntryOptions, WriteOptions } from "../../db/writing/write_options.ts";
import { ownValue } from "../stores/text_store.ts";
import { insideOf, type TypedView } from "./inside.ts";
import { isThenable, ownCopy, ownKey, type Shape } from "./shape.ts";

/** What all spaces that an operation is seen from share. @internal */
export interface AtomicQueue {
  /** Settles when all writes are in the operation beneath; undefined: they are, as no schema had to be waited for. */
  waiting: Promise<void> | undefined;
  /** Whether `commit` was called. */
  committed: boolean;
}

/**
 * Collects checks and writes of typed values, then makes them in one commit or not at all. `set` throws
 * `InvalidValueError` at once; what an asynchronous schema refuses, `commit` rejects with, and nothing is written.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 * import { typed } from "@holdfast/db/typed";
 *
 * await using db = await DB.open(":memory:");
 * const users = typed<{ name: string }>(db.namespace("users"));
 * const total = typed<number>(db);
 * const both = users.atomic().check({ key: "ada", version: null }).set("ada", { name: "Ada" });
 * both.in(total).set("users", 1);
 * console.log((await both.commit()).ok); // true
 * ```
 */
export class TypedAtomic<K extends Key, In, Out> {
  readonly #operation: AtomicOperation<K>;
  readonly #shape: Shape<In, Out>;
  readonly #queue: AtomicQueue;

  /** Made by `atomic()`. @internal */
  constructor(operation: AtomicOperation<K>, shape: Shape<In, Out>, queue: AtomicQueue) {
    this.#operation = operation;
    this.#shape = shape;
    this.#queue = queue;
  }

  /** Demands that entries have these versions, or with null that they don't exist. */
  check(...checks: AtomicCheck<K>[]): this {
    this.#assertOpen("check");
    this.#operation.check(...checks);
    return this;
  }

  /** Sets a key. */
  set(key: K, value: In, options?: EntryOptions): this {
    this.#assertOpen("set");
    const stored = this.#shape.encode("set", key, value);
    // What is written later is written as it is now, whatever the caller does with it meanwhile.
    const isLater = isThenable(stored) || this.#queue.waiting !== undefined;
    const own = isLater ? ownKey(key) : key;
    const settings = isLater ? ownCopy(options) : options;
    if (isThenable(stored)) {
      // Both are looked at here: should what came before be refused, nobody else would ask what became of this one.
      const before = this.#queue.waiting ?? Promise.resolve();
      this.#wait(
        Promise.all([stored, before]).then(([kept]) => {
          this.#operation.set(own, kept, settings);
        }),
      );
    } else {
      const kept = this.#queue.waiting === undefined ? stored : ownValue("atomic.set", stored);
      this.#inTurn(() => this.#operation.set(own, kept, settings));
    }
    return this;
  }

  /** Deletes a key; a missing one is fine. */
  delete(key: K): this {
    this.#assertOpen("delete");
    const own = this.#queue.waiting === undefined ? key : ownKey(key);
    this.#inTurn(() => this.#operation.delete(own));
    return this;
  }

  /** Deletes a range; it affects only what was there before and what this operation has written so far. */
  deleteRange(range: KeyRange<K>): this {
    this.#assertOpen("deleteRange");
    const own = this.#queue.waiting === undefined ? range : ownCopy(range);
    this.#inTurn(() => this.#operation.deleteRange(own));
    return this;
  }

  /** The same operation seen from another typed space of the database: all of it is one commit. */
  in<L extends Key, I, O>(space: TypedView<L, I, O>): TypedAtomic<L, I, O> {
    this.#assertOpen("in");
    const { beneath, shape } = insideOf("atomic.in", space);
    return new TypedAtomic<L, I, O>(this.#operation.in(beneath), shape, this.#queue);
  }

  /** Makes the commit if every check holds at its turn; can be called once. */
  async commit(options?: WriteOptions): Promise<AtomicResult> {
    this.#assertOpen("commit");
    this.#queue.committed = true;
    if (this.#queue.waiting !== undefined) await this.#queue.waiting;
    return await this.#operation.commit(options);
  }

  #assertOpen(call: string): void {
    if (!this.#queue.committed) return;
    throw new TypeError(`atomic.${call}: the operation was committed already; begin a new one`);
  }

  /** Does it now, or behind what waits. */
  #inTurn(write: () => unknown): void {
    if (this.#queue.waiting === undefined) write();
    else this.#wait(this.#queue.waiting.then(write));
  }

  #wait(done: Promise<unknown>): void {
    const waiting = done.then(() => {});
    // It is told at the commit.
    waiting.catch(() => {});
    this.#queue.waiting = waiting;
  }
}
