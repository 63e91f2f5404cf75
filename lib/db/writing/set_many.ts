/**
 * Writing many entries in bounded memory: a sequence of commits, handed to the log one after the other, with one sync at
 * the end. While one is on its way the next is put together; never two, so that what is in is always a beginning.
 *
 * @module
 */
import { abortable, anyOf, throwIfAborted } from "../../base/abort.ts";
import { HoldfastError } from "../../base/errors.ts";
import { checkOptions, describeValue, functionOption, signalOption } from "../../base/options.ts";
import { type OnProgress, ProgressReporter } from "../../base/progress.ts";
import { Slicer } from "../../base/yield.ts";
import type { Commit, Durability } from "../../engine/types.ts";
import { commitAll } from "./commit.ts";
import type { Context } from "../context.ts";
import type { Definition } from "../catalog/definition.ts";
import type { Key } from "../data/keys.ts";
import type { Storable } from "../data/values.ts";
import { durabilityOption, type EntryOptions, entryOptions, PLAIN, type WriteOptions } from "./write_options.ts";
import { Writes } from "./writes.ts";

/** An entry to write: a pair, or an object when it has tags or expires. */
export type SetManyItem<K extends Key = string> =
  | readonly [key: K, value: Storable]
  | ({ key: K; value: Storable } & EntryOptions);

/** Options of `setMany`. */
export interface SetManyOptions extends WriteOptions {
  /** Told how far it has come: `doneItems` entries, `doneBytes` bytes of keys and values. */
  onProgress?: OnProgress | undefined;
  /** Ends it: it rejects with the signal's reason, and what is in stays in. */
  signal?: AbortSignal | undefined;
}

/** What `setMany` resolves to: its last commit, and how many entries it wrote. */
export interface SetManyResult extends Commit {
  /** Entries written. */
  count: number;
}

/** A commit is made once it has this many bytes: enough to share its costs, and far below the promised 4 MiB. */
const COMMIT_BYTES = 64 * 2 ** 10;

/** Room for a commit and what its last item runs over by, so that its memory needn't grow. */
const COMMIT_ROOM = COMMIT_BYTES + 4 * 2 ** 10;

const ITEM_NAMES = ["key", "value", "tags", "expireIn", "expiresAt"];

/** What is written for an item that was given; a promise where that has to be waited for. @internal */
export type WrittenItem = (item: unknown) => unknown;

/** Whether what is written for an item has to be waited for. An item that is a promise is none, and refused. */
function isLater(written: unknown, item: unknown): written is Promise<unknown> {
  return written !== item && written instanceof Promise;
}

/** One call of `setMany`. @internal */
export class SetMany {
  readonly #context: Context;
  readonly #definition: Definition;
  readonly #durability: Durability;
  readonly #signal: AbortSignal | undefined;
  readonly #progress: ProgressReporter;
  readonly #slicer: Slicer;
  readonly #totalItems: number | undefined;
  readonly #written: WrittenItem;
  #writes: Writes;
  #items = 0;
  #inWrites = 0;
  #committed = 0;
  #last: Commit;
  #onItsWay: Promise<void> | undefined;

  /** Checks the options. `written`: what is written for each item; left out: the item itself. */
  constructor(
    context: Context,
    definition: Definition,
    items: unknown,
    options: unknown,
    written: WrittenItem = (item) => item,
  ) {
    const checked = checkOptions("setMany", options, ["durability", "onProgress", "signal"]);
    const { engine } = context;
    this.#context = context;
    this.#definition = definition;
    this.#durability = durabilityOption("setMany", checked) ?? engine.settings.durability;
    this.#signal = signalOption("setMany", checked);
    this.#progress = new ProgressReporter(functionOption<OnProgress>("setMany", checked, "onProgress"));
    this.#slicer = new Slicer(engine.settings.monotonic);
    this.#totalItems = Array.isArray(items)
      ? items.length
      : items instanceof Map || items instanceof Set
      ? items.size
      : undefined;
    this.#written = written;
    this.#writes = new Writes(context, undefined, COMMIT_ROOM);
    this.#last = { version: engine.visibleVersion, timestamp: engine.visibleTimestamp };
  }

  /** Writes all items. */
  async run(items: unknown): Promise<SetManyResult> {
    try {
      throwIfAborted(this.#signal);
      this.#progress.start("write", { totalItems: this.#totalItems });
      if (isIterable(items)) await this.#each(items);
      else if (isAsyncIterable(items)) await this.#eachAwaited(items);
      else throw new TypeError(`setMany: items must be an iterable or an async iterable, not ${describeValue(items)}`);
      this.#progress.finish();
      return { ...this.#last, count: this.#committed };
    } catch (error) {
      throw await this.#failed(error);
    }
  }

  async #each(items: Iterable<unknown>): Promise<void> {
    for (const item of items) {
      const written = this.#written(item);
      if (this.#add(isLater(written, item) ? await this.#arrival(written) : written)) await this.#handOver();
      // Only once a commit is on its way: until then no other call may come between, or it would be made first.
      else if (this.#inWrites < this.#items && this.#items % 64 === 0 && this.#slicer.due()) await this.#slicer.tick();
      throwIfAborted(this.#signal);
    }
    await this.#finish();
  }

  /** What is waited for, unless that is given up. */
  #arrival<T>(promise: Promise<T>): Promise<T> {
    return this.#context.whileOpen("setMany", (closing) => abortable(promise, anyOf(this.#signal, closing)));
  }

  async #eachAwaited(items: AsyncIterable<unknown>): Promise<void> {
    const iterator = items[Symbol.asyncIterator]();
    let ended = false;
    try {
      await this.#context.whileOpen("setMany", async (closing) => {
        const signal = anyOf(this.#signal, closing)!;
        // One listener for all steps.
        let giveUp: (reason: unknown) => void = () => {};
        signal.addEventListener("abort", () => giveUp(signal.reason));
        for (;;) {
          throwIfAborted(signal);
          const step = await new Promise<IteratorResult<unknown>>((resolve, reject) => {
            giveUp = reject;
            const failed = (error: unknown): void => {
              ended = true;
              reject(error);
            };
            try {
              Promise.resolve(iterator.next()).then(resolve, failed);
            } catch (error) {
              failed(error);
            }
          });
          ended = step.done === true;
          if (ended) return await this.#finish();
          const written = this.#written(step.value);
          const item = isLater(written, step.value) ? await abortable(written, signal) : written;
          if (this.#add(item)) await this.#handOver();
          else if (this.#items % 64 === 0) await this.#slicer.tick();
        }
      });
    } catch (error) {
      // As `for await` would, which leaves a source alone that has failed, but not waiting for one that may be stuck. What
      // its end fails with is not the failure to tell of.
      if (!ended) (async () => await iterator.return?.())().catch(() => {});
      throw error;
    }
  }

  /** Adds one item; returns whether it is time for a commit. */
  #add(item: unknown): boolean {
    const before = this.#writes.batch.bytes;
    const call = `setMany: item ${this.#items}`;
    if (Array.isArray(item)) {
      if (item.length !== 2) throw new TypeError(`${call} is an array of ${item.length}; give [key, value]`);
      this.#writes.set(call, this.#definition, item[0], item[1], PLAIN);
    } else {
      const { key, value, ...options } = itemOf(call, item);
      const { engine } = this.#context;
      this.#writes.set(call, this.#definition, key, value, entryOptions(call, options, () => engine.now()));
    }
    this.#items++;
    this.#inWrites++;
    this.#progress.add(this.#writes.batch.bytes - before, 1);
    return this.#writes.batch.bytes >= COMMIT_BYTES;
  }

  /** Lets the full commit go on its way once the one before is in. */
  async #handOver(): Promise<void> {
    if (this.#onItsWay !== undefined) await this.#settle();
    // The sync comes with the last one; what is written by then is durable with it.
    this.#onItsWay = this.#commit(this.#durability === "commit" ? "interval" : this.#durability);
    this.#onItsWay.catch(() => {});
  }

  /** After the last item: what is left goes on its way, without a wait when it is all there is. */
  async #finish(): Promise<void> {
    if (this.#onItsWay !== undefined) await this.#settle();
    if (this.#inWrites > 0) await this.#commit(this.#durability);
    else if (this.#committed > 0 && this.#durability === "commit") await this.#context.engine.flush();
  }

  async #settle(): Promise<void> {
    const onItsWay = this.#onItsWay;
    this.#onItsWay = undefined;
    await onItsWay;
  }

  async #commit(durability: Durability): Promise<void> {
    const writes = this.#writes;
    const count = this.#inWrites;
    this.#writes = new Writes(this.#context, undefined, COMMIT_ROOM);
    this.#inWrites = 0;
    this.#last = await commitAll(this.#context, writes, durability);
    this.#committed += count;
  }

  /** The error to reject with, once it is known how much is in. */
  async #failed(error: unknown): Promise<unknown> {
    try {
      await this.#settle();
      // What the count says is in must be as safe as if the call had succeeded.
      if (this.#committed > 0 && this.#durability === "commit") await this.#context.engine.flush();
    } catch {
      // The first error is the one to tell of; a failed database says so at the next write.
    }
    return withCommitted(error, this.#committed);
  }
}

function itemOf(call: string, item: unknown): Record<string, unknown> {
  if (typeof item !== "object" || item === null) {
    throw new TypeError(`${call} must be [key, value] or { key, value }, not ${describeValue(item)}`);
  }
  return checkOptions(call, item, ITEM_NAMES);
}

function isIterable(items: unknown): items is Iterable<unknown> {
  return typeof items === "object" && items !== null && Symbol.iterator in items;
}

function isAsyncIterable(items: unknown): items is AsyncIterable<unknown> {
  return typeof items === "object" && items !== null && Symbol.asyncIterator in items;
}

/** The error with the count on it; one that can carry nothing is wrapped. */
function withCommitted(error: unknown, committed: number): unknown {
  if (typeof error === "object" && error !== null && Reflect.set(error, "committed", committed)) return error;
  const wrapped = new HoldfastError("SET_MANY", `Cannot write all items: ${String(error)} (SET_MANY)`, {
    cause: error,
  });
  return Object.assign(wrapped, { committed });
}
