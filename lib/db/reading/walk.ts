/**
 * Walking over the entries of a key space, one synchronous step at a time: in key order or against it, all of them or
 * those with certain tags. Lists, counts and keys are all made of it.
 *
 * By tag it walks over the index rows of the first tag; a row counts while its entry still has the row's version and the
 * tag (two writes of one commit share a version, so the version alone would not do). Where many entries lack another tag
 * that is asked for, the rows of that one tell how far to leap. Entries are looked up one by one, so such a walk holds a
 * snapshot; a walk over entries holds its cursor alone.
 *
 * @module
 */
import { behindKey, compareBytes, concatBytes, encodeText, prefixEnd, startsWith } from "../../base/bytes.ts";
import { KeptBytes } from "../../base/kept_bytes.ts";
import { cellHasTag } from "../../format/cell.ts";
import { tagPrefix } from "../../format/space.ts";
import type { ViewCursor } from "../../engine/types.ts";
import type { FoundRow } from "../../tree/cursor.ts";
import type { Staleness } from "../../tree/unseen_ranges.ts";
import { PAUSE } from "../../tree/visible_cursor.ts";
import type { Bounds, ListBounds } from "../data/ranges.ts";
import type { RangeTracker, ReadSource } from "./read_source.ts";

/** The entry a walk stands on; its bytes are views that the next step may overwrite. */
export interface Step {
  /** The entry's internal key. */
  key: Uint8Array;
  /** Its row. */
  row: FoundRow;
}

/** So many entries that lack a tag are passed in one step. */
const ROWS_PER_STEP = 64;

/** So many are passed before it is worth to ask another tag's index, which costs as much. */
const LACKING_BEFORE_LEAP = 8;

/** A walk that has begun; it holds files until `close`. */
export interface Walk {
  /** The next entry; undefined at the end. PAUSE: many rows don't count; the caller may let others have their turn. */
  step(): Step | typeof PAUSE | undefined;
  /** Lets go of the files; to be called once. */
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
  readonly #source: ReadSource;
  readonly #bounds: ListBounds;
  readonly #tags: readonly Uint8Array[];
  readonly #reverse: boolean;
  readonly #tracker: RangeTracker | undefined;
  /** The index rows of each tag; of all but the first made at the first need. */
  readonly #index: TagRows[];
  /** Whose next row tells where to go on. */
  #guide: TagRows | undefined;
  /** So many entries in a row have the first tag and lack another. */
  #lacking = 0;
  readonly #place = new KeptBytes();
  readonly #release: () => void;

  constructor(present: ReadSource, bounds: ListBounds, reverse: boolean) {
    const { kept: source, release } = present.keep();
    this.#source = source;
    this.#release = release;
    this.#bounds = bounds;
    this.#tags = bounds.tags.map(encodeText);
    this.#reverse = reverse;
    try {
      const rows = new TagRows(source, this.#tags[0]!, bounds);
      this.#index = [rows];
      this.#tracker = source.tracker?.range(rows.bounds, reverse);
      if (reverse) rows.cursor.seekEnd();
    } catch (error) {
      release();
      throw error;
    }
  }

  step(): Step | typeof PAUSE | undefined {
    this.#source.assertKept();
    const rows = this.#index[0]!;
    for (let passed = 0; passed < ROWS_PER_STEP; passed++) {
      const found = this.#guide === undefined ? this.#move(rows) : this.#follow(this.#guide);
      if (found === PAUSE) return PAUSE;
      if (!found) {
        this.#tracker?.done();
        return undefined;
      }
      this.#tracker?.reached(rows.cursor.key);
      const { key: { view: key }, entry: row } = rows;
      const lacks = this.#tags.findIndex((tag, i) => i > 0 && !hasTag(row, tag));
      if (lacks === -1) {
        this.#lacking = 0;
        this.#source.tracker?.key(key);
        return { key, row };
      }
      if (++this.#lacking === LACKING_BEFORE_LEAP) this.#leap(lacks);
    }
    return PAUSE;
  }

  #move({ cursor }: TagRows): boolean | typeof PAUSE {
    return this.#reverse ? cursor.previousSome() : cursor.nextSome();
  }

  /** No entry counts before the next one that has the tag that so many lack. */
  #leap(tag: number): void {
    this.#lacking = 0;
    const guide = this.#index[tag] ??= new TagRows(this.#source, this.#tags[tag]!, this.#bounds);
    const { cursor, prefix } = this.#index[0]!;
    guide.cursor.seek(this.#place.join(guide.prefix, cursor.key, prefix.length));
    this.#guide = guide;
  }

  #follow(guide: TagRows): boolean | typeof PAUSE {
    const found = this.#move(guide);
    if (found !== true) return found;
    this.#guide = undefined;
    const [rows] = this.#index;
    const place = this.#place.join(rows!.prefix, guide.cursor.key, guide.prefix.length);
    rows!.cursor.seek(this.#reverse ? behindKey(place) : place);
    return this.#move(rows!);
  }

  close(): void {
    this.#index.forEach(({ cursor }) => cursor.close());
    this.#release();
  }
}

/** The index rows of one tag. */
class TagRows implements Staleness {
  /** What their internal keys begin with; behind it stands the user's key. */
  readonly prefix: Uint8Array;
  /** Where they are looked for. */
  readonly bounds: Bounds;
  /** Stands on rows that count. */
  readonly cursor: ViewCursor;
  /** The internal key of the entry of the row that the cursor stands on. */
  readonly key = new KeptBytes();
  /** That entry's row. */
  entry!: FoundRow;
  readonly #source: ReadSource;
  readonly #tag: Uint8Array;

  constructor(source: ReadSource, tag: Uint8Array, { start, end }: Bounds) {
    this.prefix = tagPrefix(source.tagsPrefix, tag);
    this.bounds = { start: moved(start, source.prefix, this.prefix), end: moved(end, source.prefix, this.prefix) };
    this.#source = source;
    this.#tag = tag;
    this.cursor = source.cursor(this.bounds, this);
  }

  /** A row counts while its entry has its version, and the tag: once it does not, it never will. */
  isStale(row: Uint8Array, version: number): boolean {
    const source = this.#source;
    const entry = source.find(this.key.join(source.prefix, row, this.prefix.length));
    if (entry?.version !== version || !hasTag(entry, this.#tag)) return true;
    this.entry = entry;
    return false;
  }

  judgedBy(start: Uint8Array, end: Uint8Array | undefined): Bounds {
    const { prefix } = this.#source;
    return { start: moved(start, this.prefix, prefix), end: moved(end, this.prefix, prefix) };
  }
}

function hasTag({ bytes, start, end }: FoundRow, tag: Uint8Array): boolean {
  return cellHasTag(bytes, start, end, tag);
}

/** The key behind `to` that stands there as `key` does behind `from`; the end of all of these where it is none of them. */
function moved(key: Uint8Array | undefined, from: Uint8Array, to: Uint8Array): Uint8Array {
  if (key !== undefined && startsWith(key, from)) return concatBytes(to, key.subarray(from.length));
  return prefixEnd(to)!;
}
