/**
 * Walking over the entries of a key space, one synchronous step at a time: in key order or against it, all of them or
 * those with certain tags. Lists, counts and keys are all made of it.
 *
 * By tag it walks over the index rows of the first tag; a row counts while its entry still has the row's version and
 * all tags asked for (two writes of one commit share a version, so the version alone would not do). Entries are looked
 * up one by one, so such a walk holds a snapshot; a walk over entries holds its cursor alone.
 *
 * @module
 */
import { compareBytes, concatBytes, encodeText, prefixEnd, startsWith } from "../../base/bytes.ts";
import { KeptBytes } from "../../base/kept_bytes.ts";
import { cellHasTag } from "../../format/cell.ts";
import { tagPrefix } from "../../format/space.ts";
import type { EngineSnapshot, ViewCursor } from "../../engine/types.ts";
import type { FoundRow } from "../../tree/cursor.ts";
import { PAUSE } from "../../tree/visible_cursor.ts";
import type { ListBounds } from "../data/ranges.ts";
import type { RangeTracker, ReadSource } from "./read_source.ts";

/** The entry a walk stands on; its bytes are views that the next step may overwrite. */
export interface Step {
  /** The entry's internal key. */
  key: Uint8Array;
  /** Its row. */
  row: FoundRow;
}

/** So many rows of the index that don't count are passed in one step. */
const ROWS_PER_STEP = 64;

/** A walk that has begun; it holds files until `close`. */
export interface Walk {
  /** The next entry; undefined at the end. PAUSE: many rows don't count; the caller may let others have their turn. */
  step(): Step | typeof PAUSE | undefined;
  /** Lets go of the files. Safe to call twice. */
  close(): void;
}

/** Begins a walk. */
export function openWalk(source: ReadSource, bounds: ListBounds, reverse: boolean): Walk {
  if (compareBytes(bounds.start, bounds.end) >= 0) return { step: () => undefined, close() {} };
  return bounds.tags.length === 0 ? new EntryWalk(source, bounds, reverse) : new TagWalk(source, bounds, reverse);
}

class EntryWalk implements Walk {
  readonly #cursor: ViewCursor;
  readonly #reverse: boolean;
  readonly #tracker: RangeTracker | undefined;

  constructor(source: ReadSource, bounds: ListBounds, reverse: boolean) {
    this.#tracker = source.tracker?.range(bounds, reverse);
    this.#reverse = reverse;
    this.#cursor = source.cursor(bounds);
    if (reverse) this.#cursor.seekEnd();
  }

  step(): Step | typeof PAUSE | undefined {
    const cursor = this.#cursor;
    const found = this.#reverse ? cursor.previousSome() : cursor.nextSome();
    if (found === PAUSE) return PAUSE;
    if (!found) {
      this.#tracker?.done();
      return undefined;
    }
    this.#tracker?.reached(cursor.key);
    return { key: cursor.key, row: cursor.row() };
  }

  close(): void {
    this.#cursor.close();
  }
}

class TagWalk implements Walk {
  readonly #snapshot: EngineSnapshot | undefined;
  readonly #source: ReadSource;
  readonly #tags: readonly Uint8Array[];
  readonly #cursor: ViewCursor;
  readonly #reverse: boolean;
  readonly #tracker: RangeTracker | undefined;
  /** Where the user's key begins in the internal key of each row. */
  readonly #keyStart: number;
  /** The entry's internal key. */
  readonly #key = new KeptBytes();

  constructor(present: ReadSource, bounds: ListBounds, reverse: boolean) {
    const { engine } = present.context;
    this.#snapshot = present.held ? undefined : engine.snapshot();
    const source = this.#snapshot === undefined ? present : present.at(this.#snapshot);
    this.#source = source;
    this.#tags = bounds.tags.map(encodeText);
    this.#reverse = reverse;
    const rows = tagPrefix(source.tagsPrefix, this.#tags[0]!);
    this.#keyStart = rows.length;
    const within = { start: rowKey(rows, source, bounds.start), end: rowKey(rows, source, bounds.end) };
    this.#tracker = source.tracker?.range(within, reverse);
    try {
      this.#cursor = source.cursor(within);
    } catch (error) {
      this.#snapshot?.release();
      throw error;
    }
    if (reverse) this.#cursor.seekEnd();
  }

  step(): Step | typeof PAUSE | undefined {
    const cursor = this.#cursor;
    this.#source.assertKept();
    for (let passed = 0; passed < ROWS_PER_STEP; passed++) {
      const found = this.#reverse ? cursor.previousSome() : cursor.nextSome();
      if (found === PAUSE) return PAUSE;
      if (!found) {
        this.#tracker?.done();
        return undefined;
      }
      this.#tracker?.reached(cursor.key);
      const key = this.#key.join(this.#source.prefix, cursor.key, this.#keyStart);
      const row = this.#source.row(key);
      if (row !== undefined && row.version === cursor.version && this.#isTagged(row)) return { key, row };
    }
    return PAUSE;
  }

  #isTagged({ bytes, start, end }: FoundRow): boolean {
    return this.#tags.every((tag) => cellHasTag(bytes, start, end, tag));
  }

  close(): void {
    this.#cursor.close();
    this.#snapshot?.release();
  }
}

/** The key among the rows of a tag that stands where `bound` stands among the entries. */
function rowKey(rows: Uint8Array, source: ReadSource, bound: Uint8Array): Uint8Array {
  if (startsWith(bound, source.prefix)) return concatBytes(rows, bound.subarray(source.prefix.length));
  return prefixEnd(rows)!; // the end of the whole key space
}
