/**
 * Lists: read in batches, each from the newest state, as Deno KV does. So a list holds nothing between its steps, and may be
 * left without a word.
 *
 * @module
 */
import { copyOut } from "../../base/small_copies.ts";
import type { Slicer } from "../../base/yield.ts";
import { type Entry, rowEntryAsync, rowValue } from "../../db/data/entries.ts";
import { Batches } from "../../db/reading/batches.ts";
import type { ListItem } from "../../db/reading/list.ts";
import { readBlobPointer } from "../../format/blob.ts";
import { readCell } from "../../format/cell.ts";
import { checkConsistency, type KvCore } from "./core.ts";
import { decodeKey } from "./keys.ts";
import {
  behindCursor,
  type CheckedSelector,
  checkSelector,
  cursorOf,
  type Selection,
  selectionOf,
} from "./selector.ts";
import type { KvEntry, KvListIterator, KvListOptions, KvListSelector } from "./types.ts";
import { fromStored } from "./values.ts";
import { versionstampOf } from "./versionstamps.ts";

/** A batch when nothing else is said: enough that few lists need a second one. */
const BATCH = 100;
/** A batch is never larger than this because of a limit alone. */
const BATCH_MAX = 500;
/** It ends early once its values take this many bytes, as many as those of a batch of Deno KV can at most. */
const BATCH_BYTES = 64 * 2 ** 20;

/** What of a row is needed. */
type Row = Pick<Entry<Uint8Array>, "key" | "value" | "version">;

/** A row of a batch. */
interface BatchRow extends Row {
  /** About as many bytes its value has. */
  bytes: number;
}

const ROWS: ListItem<BatchRow> = {
  now({ context, prefix }, { key, row }) {
    return {
      key: copyOut(key, prefix.length, key.length),
      value: rowValue(context.engine, row),
      version: row.version,
      bytes: row.end - row.start,
    };
  },
  async later({ context, prefix }, { key, row }) {
    const bytes = readBlobPointer(readCell(row.cell).payload).rawLength;
    const entry = await rowEntryAsync(context.engine, copyOut(key, prefix.length, key.length), row);
    return { ...entry, bytes };
  },
};

/** The entry of a row. */
export function entryOf<T>(core: KvCore, entry: Row): KvEntry<T> {
  return {
    key: decodeKey(entry.key),
    value: fromStored(core.codec, entry.value) as T,
    versionstamp: versionstampOf(entry.version),
  };
}

function positive(name: string, value: unknown): void {
  if (value === undefined || (Number.isInteger(value) && (value as number) > 0)) return;
  throw new Error(`${name} must be a positive integer: received ${String(value)}`);
}

/** A list, of which nothing has been read yet. */
export class KvList<T> implements KvListIterator<T> {
  readonly #core: KvCore;
  readonly #selector: CheckedSelector;
  readonly #limit: number;
  readonly #batchSize: number;
  readonly #reverse: boolean;
  /** Behind which cursor it begins; undefined: at the beginning. */
  readonly #from: string | undefined;
  #selection: Selection | undefined;
  #batch: BatchRow[] = [];
  #at = 0;
  #last: Uint8Array | undefined;
  #isLastBatch = false;
  #done = false;
  #count = 0;
  #pulling: Promise<unknown> | undefined;
  #slicer: Slicer | undefined;

  /** Checks what can be checked without looking at keys: these are looked at when the first entry is asked for. */
  constructor(core: KvCore, selector: KvListSelector, options: KvListOptions = {}) {
    const { limit, batchSize, cursor, reverse } = options;
    positive("Limit", limit);
    // Null is no size, though it is a limit that makes no sense.
    positive("batchSize", batchSize ?? undefined);
    checkConsistency(options);
    if (cursor !== undefined && cursor !== null && typeof cursor !== "string") {
      throw new TypeError(`cursor must be a string, not ${typeof cursor}`);
    }
    this.#core = core;
    this.#selector = checkSelector(selector);
    this.#limit = limit ?? Infinity;
    this.#batchSize = batchSize ?? Math.min(limit ?? BATCH, BATCH_MAX);
    this.#reverse = reverse === true;
    // An empty one is that of a list that has come to its end, and as in Deno begins anew.
    this.#from = cursor === "" ? undefined : cursor ?? undefined;
  }

  /** Where the list stands. */
  get cursor(): string {
    if (this.#done) return "";
    if (this.#last !== undefined) return cursorOf(this.#selection!, this.#last);
    if (this.#from === undefined) throw new Error("Cannot get cursor before first iteration");
    return this.#from;
  }

  /** The next entry. */
  next(): Promise<IteratorResult<KvEntry<T>, undefined>> {
    // In the order asked for: what a batch under way brings belongs to those who wait for it.
    if (this.#pulling !== undefined) return this.#pulling.then(() => this.next());
    if (this.#done || this.#count >= this.#limit) return Promise.resolve({ done: true, value: undefined });
    if (this.#at < this.#batch.length || this.#isLastBatch) {
      try {
        return Promise.resolve(this.#step());
      } catch (error) {
        return Promise.reject(error);
      }
    }
    const pulling = this.#pull();
    this.#pulling = pulling.catch(() => {}).finally(() => this.#pulling = undefined);
    return pulling.then(() => this.#step());
  }

  /** The list itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  #step(): IteratorResult<KvEntry<T>, undefined> {
    const entry = this.#batch[this.#at];
    if (entry === undefined) {
      this.#done = true;
      return { done: true, value: undefined };
    }
    this.#at++;
    this.#count++;
    this.#last = entry.key;
    return { done: false, value: entryOf(this.#core, entry) };
  }

  async #pull(): Promise<void> {
    const selection = this.#selection ??= selectionOf(this.#selector);
    const cursor = this.#last === undefined ? this.#from : cursorOf(selection, this.#last);
    const { start, end } = cursor === undefined ? selection : behindCursor(selection, cursor, this.#reverse);
    const wanted = Math.min(this.#batchSize, this.#limit - this.#count);
    this.#batch = [];
    this.#at = 0;
    const batches = new Batches("list", this.#core.db, { start, end }, { reverse: this.#reverse }, ROWS, this.#slicer);
    this.#slicer = batches.slicer;
    try {
      let bytes = 0;
      do {
        const before = this.#batch.length;
        // One at a time, where values are large.
        await batches.read(this.#batch, wanted, BATCH_BYTES - bytes);
        for (const row of this.#batch.slice(before)) bytes += row.bytes;
      } while (!batches.ended && this.#batch.length < wanted && bytes < BATCH_BYTES);
      this.#isLastBatch = batches.ended;
    } finally {
      batches.close();
    }
  }
}
