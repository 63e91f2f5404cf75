/**
 * Lists: a walk handed out step by step.
 *
 * (1) Before its first step a list holds nothing; then it holds its walk until it ends, fails or is left.
 * (2) The asynchronous form reads ahead in chunks and lets the event loop go round between them. It reads what large
 *     blobs hold off the main thread.
 * (3) A transaction's list reads nothing ahead: what it has read is what a conflict is judged by.
 *
 * @module
 */
import { throwIfAborted } from "../../base/abort.ts";
import { Slicer, yieldToLoop } from "../../base/yield.ts";
import { PAUSE } from "../../tree/visible_cursor.ts";
import { type Entry, isBlob, rowEntry, rowEntryAsync } from "../data/entries.ts";
import { decodeKey, type Key } from "../data/keys.ts";
import type { ListBounds } from "../data/ranges.ts";
import type { CheckedListOptions } from "./read_options.ts";
import type { ReadSource } from "./read_source.ts";
import { openWalk, type Step, type Walk } from "./walk.ts";

/** The first chunk is small, because many lists are left early; later ones double up to the largest. */
const CHUNK_FIRST = 8;
/** Larger chunks gain nothing more per entry, but hold more memory and the loop for longer. */
const CHUNK_LAST = 256;
/** A chunk ends early once its values take this many bytes. */
const CHUNK_BYTES = 256 * 2 ** 10;
/** The clock is asked once in so many steps. */
export const STEPS_PER_CLOCK = 16;

/** What a list walks over; made at its first step. */
export interface ListPlan {
  /** Names the call in errors. */
  call: string;
  /** Opens what is read from. */
  open: () => ReadSource;
  /** The bounds, for the source's key space. */
  bounds: (source: ReadSource) => ListBounds;
  /** Order, limit and signal. */
  options: CheckedListOptions;
}

/** What a list makes of a step. */
export interface ListItem<T> {
  /** At once. */
  now: (source: ReadSource, step: Step) => T;
  /** Off the main thread, where the value may be large; undefined: never needed. */
  later?: (source: ReadSource, step: Step) => Promise<T>;
}

/** Items that are entries. */
export function entryItems<K extends Key>(): ListItem<Entry<K>> {
  return {
    now(source, { key, row }) {
      const userKey = decodeKey(source.encoding, key, source.prefix.length) as K;
      return rowEntry(source.context.engine, userKey, row);
    },
    later(source, { key, row }) {
      const userKey = decodeKey(source.encoding, key, source.prefix.length) as K;
      return rowEntryAsync(source.context.engine, userKey, row);
    },
  };
}

/** Items that are keys. */
export function keyItems<K extends Key>(): ListItem<K> {
  return { now: (source, { key }) => decodeKey(source.encoding, key, source.prefix.length) as K };
}

/** A list, all steps at once. */
export function* listNow<T>(plan: ListPlan, item: ListItem<T>): Generator<T, undefined, undefined> {
  const { options } = plan;
  throwIfAborted(options.signal);
  if (options.limit === 0) return undefined;
  const source = plan.open();
  const walk = openWalk(source, plan.bounds(source), options.reverse);
  try {
    for (let left = options.limit; left > 0;) {
      throwIfAborted(options.signal);
      source.assertOpen(plan.call);
      const step = walk.step();
      if (step === undefined) return undefined;
      if (step === PAUSE) continue;
      left--;
      yield item.now(source, step);
    }
    return undefined;
  } finally {
    walk.close();
  }
}

/** Counts what a list would yield, in slices. */
export async function countSteps(plan: ListPlan): Promise<number> {
  const { options } = plan;
  throwIfAborted(options.signal);
  if (options.limit === 0) return 0;
  const source = plan.open();
  const walk = openWalk(source, plan.bounds(source), options.reverse);
  const slicer = new Slicer(source.context.engine.settings.monotonic);
  try {
    let count = 0;
    for (let steps = 1; count < options.limit; steps++) {
      if (steps % STEPS_PER_CLOCK === 0 && slicer.due()) {
        await slicer.tick();
        throwIfAborted(options.signal);
        source.assertOpen(plan.call);
      }
      const step = walk.step();
      if (step === undefined) break;
      if (step !== PAUSE) count++;
    }
    return count;
  } finally {
    walk.close();
  }
}

/** A list that is read in chunks. */
export class ChunkedList<T> implements AsyncIterableIterator<T, undefined> {
  readonly #plan: ListPlan;
  readonly #item: ListItem<T>;
  #open: { source: ReadSource; walk: Walk } | undefined;
  #slicer: Slicer | undefined;
  #chunk: T[] = [];
  #at = 0;
  #left: number;
  #size = CHUNK_FIRST;
  /** Whether it may read ahead: not in a transaction. */
  #ahead = true;
  #fills = 0;
  #ended = false;
  #filling: Promise<void> | undefined;

  /** Holds nothing yet. */
  constructor(plan: ListPlan, item: ListItem<T>) {
    this.#plan = plan;
    this.#item = item;
    this.#left = plan.options.limit;
  }

  /** The list itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next item. */
  next(): Promise<IteratorResult<T, undefined>> {
    // In the order asked for: what a fill under way brings belongs to those who wait for it.
    if (this.#filling !== undefined) return this.#filling.then(() => this.next());
    if (this.#at < this.#chunk.length) {
      const { signal } = this.#plan.options;
      if (signal?.aborted) return this.#fail(signal.reason);
      return Promise.resolve({ value: this.#chunk[this.#at++]!, done: false });
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    this.#filling = this.#fill().finally(() => {
      this.#filling = undefined;
    });
    return this.#filling.then(() => this.next(), (error) => this.#fail(error));
  }

  /** Ends the list early. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#end();
    this.#chunk = [];
    return Promise.resolve({ value: undefined, done: true });
  }

  /** Ends the list with an error. */
  throw(error?: unknown): Promise<IteratorResult<T, undefined>> {
    return this.#fail(error);
  }

  /** Ends the list early. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #fail(error: unknown): Promise<never> {
    this.#end();
    this.#chunk = [];
    return Promise.reject(error);
  }

  #end(): void {
    this.#ended = true;
    this.#open?.walk.close();
    this.#open = undefined;
  }

  async #fill(): Promise<void> {
    const { call, options } = this.#plan;
    throwIfAborted(options.signal);
    if (this.#left === 0) return this.#end();
    if (this.#open === undefined) {
      const source = this.#plan.open();
      this.#ahead = source.tracker === undefined;
      this.#open = { source, walk: openWalk(source, this.#plan.bounds(source), options.reverse) };
    } else if (++this.#fills % (this.#ahead ? 1 : CHUNK_FIRST) === 0) {
      await yieldToLoop();
      throwIfAborted(options.signal);
    }
    const size = this.#ahead ? this.#size : 1;
    this.#size = Math.min(CHUNK_LAST, this.#size * 2);
    this.#chunk = [];
    this.#at = 0;
    await this.#read(call, size);
    if (this.#left === 0) this.#end();
  }

  async #read(call: string, size: number): Promise<void> {
    const open = this.#open;
    if (open === undefined) return; // it was left meanwhile
    const { source, walk } = open;
    // One for all chunks: a consumer that only counts would otherwise keep the loop from ever turning.
    const slicer = this.#slicer ??= new Slicer(source.context.engine.settings.monotonic);
    await slicer.tick();
    if (this.#open !== open) return;
    let bytes = 0;
    for (let steps = 1; this.#left > 0 && this.#chunk.length < size && bytes < CHUNK_BYTES; steps++) {
      source.assertOpen(call);
      const step = walk.step();
      if (step === undefined) return this.#end();
      if (step !== PAUSE) {
        this.#left--;
        if (this.#item.later !== undefined && isBlob(step.row)) {
          const item = await this.#item.later(source, step);
          if (this.#open !== open) return;
          this.#chunk.push(item);
          return;
        }
        bytes += step.row.end - step.row.start;
        this.#chunk.push(this.#item.now(source, step));
      }
      if (steps % STEPS_PER_CLOCK === 0 && slicer.due()) {
        if (this.#chunk.length > 0) return;
        await slicer.tick();
        if (this.#open !== open) return;
      }
    }
  }
}
