/**
 * The entries of a range, as many at a time as are wanted: what a list is to those who know the bytes of keys and make
 * something of rows themselves. Reading that need not wait costs no promise, and no entry is made that nobody wants.
 *
 * (1) It reads at once until it has what is wanted, and goes on later when a slice is used up (the event loop has its turn)
 *     or a value lies in a blob (which is read off the main thread).
 * (2) It holds its walk until it ends, fails or is closed.
 * (3) What has failed fails again, so that nobody takes for the end what is none.
 *
 * @module
 */
import { throwIfAborted } from "../../base/abort.ts";
import { concatBytes } from "../../base/bytes.ts";
import { Slicer } from "../../base/yield.ts";
import { PAUSE } from "../../tree/visible_cursor.ts";
import { isBlob } from "../data/entries.ts";
import { wholeSpace } from "../data/ranges.ts";
import { type ListItem, STEPS_PER_CLOCK } from "./list.ts";
import type { ListOptions } from "./read_options.ts";
import type { ReadSource } from "./read_source.ts";
import { accessOf } from "./reader.ts";
import { openWalk, type Step, type Walk } from "./walk.ts";

/** `start <= key < end`, any bytes; an absent bound bounds nothing. @internal */
export interface ByteRange {
  start?: Uint8Array | undefined;
  end?: Uint8Array | undefined;
}

/** Reads a range, from the present or a snapshot. One read at a time. @internal */
export class Batches<T> {
  readonly #call: string;
  readonly #source: ReadSource;
  readonly #walk: Walk;
  readonly #item: ListItem<T>;
  readonly #signal: AbortSignal | undefined;
  /** Says when the event loop has its turn. */
  readonly slicer: Slicer;
  /** Stands on a value that is to be read off the main thread. */
  #large: Step | undefined;
  #bytes = 0;
  #ended = false;
  #failure: { error: unknown } | undefined;

  /**
   * Begins to read; it holds files from here on. `call` names it in errors. Whoever reads on where another has ended gives
   * that one's `slicer`, or the loop might never have its turn.
   */
  constructor(
    call: string,
    space: object,
    { start, end }: ByteRange,
    { reverse, snapshot, signal }: Omit<ListOptions, "limit">,
    item: ListItem<T>,
    slicer?: Slicer,
  ) {
    const source = accessOf(call, space).open(call, snapshot);
    const { prefix } = source;
    const whole = wholeSpace(prefix);
    const bounds = {
      start: start === undefined ? whole.start : concatBytes(prefix, start),
      end: end === undefined ? whole.end : concatBytes(prefix, end),
      tags: [],
    };
    this.#call = call;
    this.#source = source;
    this.#item = item;
    this.#signal = signal;
    this.slicer = slicer ?? new Slicer(source.context.engine.settings.monotonic);
    this.#walk = openWalk(source, bounds, reverse ?? false);
  }

  /** Whether all has been read. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Reads until there are `count` items, or the end is reached, or those that it adds take `bytesMax` bytes or more.
   * Undefined: it has done so already.
   */
  read(items: T[], count: number, bytesMax: number = Infinity): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#ended) return undefined;
    this.#bytes = 0;
    try {
      throwIfAborted(this.#signal);
      this.#source.context.assertOpen(this.#call);
      if (!this.slicer.due() && this.#readSome(items, count, bytesMax)) return undefined;
    } catch (error) {
      throw this.#fail(error);
    }
    return this.#goOn(items, count, bytesMax);
  }

  /** Lets go of what it holds. Safe to call twice. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#walk.close();
  }

  #fail(error: unknown): unknown {
    this.#failure = { error };
    this.close();
    return error;
  }

  async #goOn(items: T[], count: number, bytesMax: number): Promise<void> {
    try {
      for (;;) {
        const large = this.#large;
        this.#large = undefined;
        if (large !== undefined) {
          items.push(await this.#item.later!(this.#source, large));
          // What lies in blobs is large: whoever bounds the bytes gets one at a time.
          if (items.length >= count || bytesMax !== Infinity) return;
        }
        await this.slicer.tick();
        throwIfAborted(this.#signal);
        if (this.#ended) return;
        this.#source.context.assertOpen(this.#call);
        if (this.#readSome(items, count, bytesMax)) return;
      }
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** Whether there is nothing left to do; otherwise it goes on later. */
  #readSome(items: T[], count: number, bytesMax: number): boolean {
    const walk = this.#walk;
    const { now, later } = this.#item;
    for (let steps = 1; items.length < count && this.#bytes < bytesMax; steps++) {
      const step = walk.step();
      if (step === undefined) {
        this.close();
        return true;
      }
      if (step !== PAUSE) {
        if (later !== undefined && isBlob(step.row)) {
          this.#large = step;
          return false;
        }
        this.#bytes += step.row.end - step.row.start;
        items.push(now(this.#source, step));
      }
      if (steps % STEPS_PER_CLOCK === 0 && this.slicer.due()) return items.length >= count;
    }
    return true;
  }
}
