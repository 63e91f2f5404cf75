/**
 * Several writes in one commit, made only if certain entries are still as they were.
 *
 * @module
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { checkOptions, numberOption } from "../../base/options.ts";
import type { Commit, ReadView } from "../../engine/types.ts";
import { internalKey } from "../../format/space.ts";
import { commitWrites } from "./commit.ts";
import type { Context } from "../context.ts";
import type { Definition } from "../catalog/definition.ts";
import { encodeKey, type Key } from "../data/keys.ts";
import type { KeyRange } from "../data/ranges.ts";
import { accessOf, type Reader } from "../reading/reader.ts";
import type { Storable } from "../data/values.ts";
import { builderOptions, type EntryOptions, type WriteOptions, writeOptions } from "./write_options.ts";
import { Writes } from "./writes.ts";

/** What must hold for an atomic operation to be made. */
export interface AtomicCheck<K extends Key = string> {
  /** The entry's key. */
  key: K;
  /** The version it must have; null: it must not exist. */
  version: number | null;
}

/**
 * What came of an atomic operation: its commit, or that a check did not hold and nothing was written. By then it is visible
 * what the check did not hold for.
 */
export type AtomicResult = ({ ok: true } & Commit) | { ok: false };

/** One check. @internal */
export interface Expectation {
  definition: Definition;
  /** The user's key. */
  key: Uint8Array;
  version: number | null;
}

/** What an operation has collected, shared by all the key spaces it is seen from. @internal */
export interface AtomicState {
  /** The inside of the database. */
  readonly context: Context;
  /** The writes so far. */
  readonly writes: Writes;
  /** What must hold. */
  readonly checks: Expectation[];
  /** Whether `commit` was called. */
  committed: boolean;
}

/** Begins an operation. @internal */
export function beginAtomic<K extends Key>(context: Context, definition: Definition): AtomicOperation<K> {
  return new AtomicOperation<K>({ context, writes: new Writes(context), checks: [], committed: false }, definition);
}

/**
 * Collects checks and writes, then makes them in one commit or not at all. Its methods throw `TypeError` or `RangeError`
 * at once for what makes no sense; nothing is written before `commit`.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 *
 * await using db = await DB.open(":memory:");
 * await db.set("stock", 3);
 * const stock = await db.getEntry<number>("stock");
 * const result = await db.atomic()
 *   .check({ key: "stock", version: stock?.version ?? null })
 *   .set("stock", stock!.value - 1)
 *   .set("sold/1", { at: Date.now() })
 *   .commit();
 * console.log(result.ok); // true
 * ```
 */
export class AtomicOperation<K extends Key = string> {
  readonly #state: AtomicState;
  readonly #definition: Definition;

  /** Made by `atomic()`. @internal */
  constructor(state: AtomicState, definition: Definition) {
    this.#state = state;
    this.#definition = definition;
  }

  /** Demands that entries have these versions, or with null that they don't exist. */
  check(...checks: AtomicCheck<K>[]): this {
    this.#assertOpen("atomic.check");
    for (const check of checks) this.#state.checks.push(this.#expectation("atomic.check", check));
    return this;
  }

  /** Sets a key; see `set` of the database. */
  set(key: K, value: Storable, options?: EntryOptions): this {
    const { context, writes } = this.#assertOpen("atomic.set");
    const checked = builderOptions("atomic.set", options, () => context.engine.now());
    writes.set("atomic.set", this.#definition, key, value, checked);
    return this;
  }

  /** Deletes a key; a missing one is fine. */
  delete(key: K): this {
    this.#assertOpen("atomic.delete").writes.delete("atomic.delete", this.#definition, key);
    return this;
  }

  /** Deletes a range; it affects only what was there before and what this operation has written so far. */
  deleteRange(range: KeyRange<K>): this {
    this.#assertOpen("atomic.deleteRange").writes.deleteRange("atomic.deleteRange", this.#definition, range);
    return this;
  }

  /**
   * The same operation seen from another namespace (or the database): what is added through it goes there, all in the
   * one commit of either.
   *
   * @example
   * ```ts
   * import { DB } from "@holdfast/db";
   *
   * await using db = await DB.open(":memory:");
   * const users = db.namespace("users");
   * const both = db.atomic().set("users/count", 1);
   * both.in(users).check({ key: "ada", version: null }).set("ada", { name: "Ada" });
   * console.log((await both.commit()).ok); // true
   * ```
   */
  in<L extends Key>(space: Reader<L>): AtomicOperation<L> {
    const { context, definition } = accessOf("atomic.in", space);
    if (context !== this.#state.context) throw new TypeError("atomic.in: the namespace belongs to another database");
    return new AtomicOperation<L>(this.#state, definition);
  }

  /** Makes the commit if every check holds at its turn; can be called once. */
  async commit(options?: WriteOptions): Promise<AtomicResult> {
    const durability = writeOptions("atomic.commit", options);
    const state = this.#assertOpen("atomic.commit");
    const { context, writes, checks } = state;
    context.assertOpen("atomic.commit");
    state.committed = true;
    const holds = (now: ReadView): boolean =>
      checks.every(({ definition, key, version }) => {
        return (now.get(internalKey(definition.prefix, key))?.version ?? null) === version;
      });
    const commit = await commitWrites(context, writes, { durability, check: checks.length === 0 ? undefined : holds });
    return commit === undefined ? { ok: false } : { ok: true, ...commit };
  }

  #expectation(call: string, check: unknown): Expectation {
    if (check === undefined) throw new TypeError(`${call}: no check; give { key, version }`);
    const definition = this.#definition;
    // An entry is one for TypeScript; what it holds besides would not be looked at.
    if (typeof check === "object" && check !== null && "value" in check) {
      throw new TypeError(`${call}: the check has a value, as an entry has; give { key, version } alone`);
    }
    const checked = checkOptions(call, check, ["key", "version"], "the check");
    const key = encodeKey(call, definition.encoding, EMPTY_BYTES, checked["key"]);
    if (checked["version"] === null) return { definition, key, version: null };
    const version = numberOption(call, checked, "version", undefined, { min: 0, max: Number.MAX_SAFE_INTEGER });
    if (version === undefined) throw new TypeError(`${call}: version is missing; null means "must not exist"`);
    return { definition, key, version };
  }

  #assertOpen(call: string): AtomicState {
    if (this.#state.committed) throw new TypeError(`${call}: the operation was committed already; begin a new one`);
    return this.#state;
  }
}
