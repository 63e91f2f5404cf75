/**
 * Serializable transactions: a function reads a snapshot and its own writes, and its writes are committed only if nothing
 * it read was changed meanwhile; otherwise it is run again.
 *
 * (1) Nobody waits for a transaction: it holds a snapshot, no lock. Only those that are run again go one after the other,
 *     and one that has lost twice goes first: other transactions wait with their commits until its own is made.
 * (2) One that wrote nothing commits nothing; what it read was one version, which is serializable by itself.
 *
 * @module
 */
import { checkOptions, numberOption } from "../../base/options.ts";
import { ConflictError } from "../../base/errors.ts";
import type { ReadView } from "../../engine/types.ts";
import { Batch } from "../../format/log/batch.ts";
import { Overlay } from "../../tree/overlay.ts";
import { commitWrites } from "./commit.ts";
import type { Context } from "../context.ts";
import type { Definition } from "../catalog/definition.ts";
import type { Key } from "../data/keys.ts";
import type { KeyRange } from "../data/ranges.ts";
import { accessOf, type ReadAccess, Reader } from "../reading/reader.ts";
import { type ReadPoint, ReadSource } from "../reading/read_source.ts";
import { ReadSet } from "./read_set.ts";
import type { Storable } from "../data/values.ts";
import type { Place } from "./turns.ts";
import { builderOptions, durabilityOption, type EntryOptions, type WriteOptions } from "./write_options.ts";
import { Writes } from "./writes.ts";

/** Options of a transaction. */
export interface TransactionOptions extends WriteOptions {
  /** How often it is run again after a conflict before it gives up with `ConflictError`. Default: 10. */
  retries?: number | undefined;
}

/** The longest wait between two runs, and to give way, ms: a conflict means that others are writing, and they need no longer. */
const WAIT_MS_MAX = 64;

/** The longest wait for one that met a conflict before, ms. */
const PATIENCE_MS = 1000;

/** After so many conflicts others let it go first. */
const CONFLICTS_BEFORE_PRECEDENCE = 2;

/** One run of a transaction, shared by all key spaces it is seen from. @internal */
export interface TransactionState {
  /** The inside of the database. */
  readonly context: Context;
  /** What it reads. */
  readonly point: ReadPoint;
  /** What it has read. */
  readonly reads: ReadSet;
  /** What it has written. */
  readonly writes: Writes;
  /** The key spaces it is seen from: one that is not there yet keeps its place as long as somebody holds it. */
  readonly seen: Set<Definition>;
  /** Whether it has come to its end. */
  ended: boolean;
}

function assertRunning(state: TransactionState, call: string): void {
  if (state.ended) throw new TypeError(`${call}: the transaction has ended; use tx only inside its function`);
}

/**
 * A running transaction. Reads see the snapshot it began with and its own writes; entries it wrote itself have version 0.
 * Writing methods return nothing: they throw at once for what makes no sense, and take effect when the function returns.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 *
 * await using db = await DB.open(":memory:");
 * await db.setMany([["a", 100], ["b", 0]]);
 * await db.transaction(async (tx) => {
 *   const [a, b] = await tx.getMany<number>(["a", "b"]);
 *   tx.set("a", a! - 30);
 *   tx.set("b", b! + 30);
 * });
 * console.log(await db.getMany(["a", "b"])); // [ 70, 30 ]
 * ```
 */
export class Transaction<K extends Key = string> extends Reader<K> {
  readonly #state: TransactionState;
  readonly #definition: Definition;

  /** Made by `transaction()`. @internal */
  constructor(state: TransactionState, definition: Definition) {
    const { context } = state;
    const access: ReadAccess = {
      context,
      definition,
      open(call, at) {
        assertRunning(state, `tx.${call}`);
        context.assertOpen(`tx.${call}`);
        if (at !== undefined) {
          throw new TypeError(`tx.${call}: a transaction reads its own snapshot; leave the option out`);
        }
        return new ReadSource(context, definition, state.point, {
          overlay: state.writes.overlay!,
          tracker: state.reads,
          assertRunning: (call) => assertRunning(state, `tx.${call}`),
        });
      },
    };
    super(access);
    state.seen.add(definition);
    this.#state = state;
    this.#definition = definition;
  }

  /** Sets a key; see `set` of the database. */
  set(key: K, value: Storable, options?: EntryOptions): void {
    assertRunning(this.#state, "tx.set");
    const checked = builderOptions("tx.set", options, () => this.#state.context.engine.now());
    this.#state.writes.set("tx.set", this.#definition, key, value, checked);
  }

  /** Deletes a key; a missing one is fine. */
  delete(key: K): void {
    assertRunning(this.#state, "tx.delete");
    this.#state.writes.delete("tx.delete", this.#definition, key);
  }

  /** Deletes a range, what the transaction has written there before included. */
  deleteRange(range: KeyRange<K>): void {
    assertRunning(this.#state, "tx.deleteRange");
    this.#state.writes.deleteRange("tx.deleteRange", this.#definition, range);
  }

  /**
   * The same transaction seen from another namespace (or the database).
   *
   * @example
   * ```ts
   * import { DB } from "@holdfast/db";
   *
   * await using db = await DB.open(":memory:");
   * const users = db.namespace("users");
   * await db.transaction(async (tx) => {
   *   const count = await tx.get<number>("users") ?? 0;
   *   tx.in(users).set(`user ${count + 1}`, { name: "Ada" });
   *   tx.set("users", count + 1);
   * });
   * ```
   */
  in<L extends Key>(space: Reader<L>): Transaction<L> {
    assertRunning(this.#state, "tx.in");
    const { context, definition } = accessOf("tx.in", space);
    if (context !== this.#state.context) throw new TypeError("tx.in: the namespace belongs to another database");
    return new Transaction<L>(this.#state, definition);
  }
}

/** Runs a function as a transaction. @internal */
export async function runTransaction<K extends Key, T>(
  context: Context,
  definition: Definition,
  run: (tx: Transaction<K>) => T | Promise<T>,
  options: TransactionOptions | undefined,
): Promise<T> {
  const checked = checkOptions("transaction", options, ["retries", "durability"]);
  const retries = numberOption("transaction", checked, "retries", 10, { min: 0, max: 1e9 });
  const durability = durabilityOption("transaction", checked);
  if (typeof run !== "function") throw new TypeError("transaction: the first argument must be a function");
  let place: Place | undefined;
  try {
    for (let attempt = 0;; attempt++) {
      context.assertOpen("transaction");
      const goesFirst = attempt >= CONFLICTS_BEFORE_PRECEDENCE;
      const once = () => runOnce(context, definition, run, { durability, goesFirst, place });
      const outcome = await (goesFirst ? beforeOthers(context, place!, once) : once());
      if (outcome.committed) return outcome.result;
      if (attempt === retries) {
        throw new ConflictError(
          `Cannot commit the transaction: other commits changed what it read, ${attempt + 1} times in a row; ` +
            `raise retries or make it shorter (CONFLICT)`,
        );
      }
      const turn = context.retries.wait(
        place ??= context.retries.place(),
        (signal) => context.delay(PATIENCE_MS, signal),
      );
      // Full jitter: those that met once should not meet again.
      await (turn ?? context.delay(context.random() * Math.min(WAIT_MS_MAX, 2 ** attempt)));
    }
  } finally {
    if (place !== undefined) context.retries.leave(place);
  }
}

/** A run to which other transactions give way with their commits. */
async function beforeOthers<T>({ retries, engine }: Context, place: Place, run: () => Promise<T>): Promise<T> {
  const end = retries.prefer(place);
  try {
    // Refused at its turn, which is told when all that is written is visible: what it does not see it would lose to.
    await engine.commit(new Batch(), { check: () => false });
    return await run();
  } finally {
    end();
  }
}

async function runOnce<K extends Key, T>(
  context: Context,
  definition: Definition,
  run: (tx: Transaction<K>) => T | Promise<T>,
  { durability, goesFirst, place }: WriteOptions & { goesFirst: boolean; place: Place | undefined },
): Promise<{ committed: true; result: T } | { committed: false }> {
  const { retries, delay } = context;
  const snapshot = context.engine.snapshot();
  const reads = new ReadSet();
  const writes = new Writes(context, new Overlay());
  const state: TransactionState = { context, point: snapshot, reads, writes, seen: new Set(), ended: false };
  try {
    const tx = new Transaction<K>(state, definition);
    const result = await (place === undefined ? run(tx) : retries.run(place, () => run(tx)));
    state.ended = true;
    if (writes.batch.isEmpty) return { committed: true, result };
    // A restore may have brought a namespace that was absent, in a key space that was not looked at.
    const holds = (now: ReadView): boolean =>
      !context.catalog.replacedSince(snapshot.version) && reads.holds(now, snapshot.version);
    const check = reads.isEmpty ? undefined : holds;
    if (!goesFirst) await retries.giveWay((signal) => delay(WAIT_MS_MAX, signal));
    const commit = await commitWrites(context, writes, { durability, check });
    return commit === undefined ? { committed: false } : { committed: true, result };
  } finally {
    state.ended = true;
    snapshot.release();
  }
}
