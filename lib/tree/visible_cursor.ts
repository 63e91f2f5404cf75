/**
 * What a reader sees: of each key the newest row of its version or before, unless that is a delete, was deleted with its
 * range, or has expired. What is hidden hides the older rows of its key too: an expired entry is absent, it never gives
 * way to the value before it.
 *
 * The cursor stands between rows or on one:
 *
 * ```
 * gap      before #place (a key, or one of the ends)
 * forward  on the row that `#rows` stands on
 * back     on the row copied into #kept; `#rows` stands somewhere before it, because walking back meets the oldest row
 *          of a key first and knows the newest one only when it is past it
 * paused   before #place, which is the key to be looked at next; moving back: `#rows` stands on that, #place lies behind
 * ```
 *
 * @module
 */
import { behindKey, compareBytes, copyBytes, EMPTY_BYTES } from "../base/bytes.ts";
import { KeptBytes } from "../base/kept_bytes.ts";
import { cellExpiry, cellHasExpiry, cellOp, OP_DELETE } from "../format/cell.ts";
import { type Cursor, FoundRow, NEWEST } from "./cursor.ts";
import { MergingCursor } from "./merging_cursor.ts";
import type { DeletedRanges } from "./range_tombstones.ts";
import type { Staleness, Unseen } from "./unseen_ranges.ts";

/** How a reader looks at rows. */
export interface VisibleOptions {
  /** Newer rows are not there. */
  version: number;
  /** The time that decides what has expired, ms. */
  moment: number;
  /** First key that may be seen. */
  start?: Uint8Array | undefined;
  /** First key that may not. */
  end?: Uint8Array | undefined;
  /** Where it is known, and to be noted, that none is seen. */
  unseen?: Unseen | undefined;
  /** Which rows mean nothing. */
  staleness?: Staleness | undefined;
}

/** After so many rows of one key, or deleted with one range, a seek is cheaper than another step. */
export const STEPS_BEFORE_SEEK = 8;

/** What a move answers that passed many rows and has found none yet; the next one goes on from there. */
export const PAUSE: unique symbol = Symbol("pause");

/** So many rows that aren't seen are passed in one move. */
const ROWS_PER_MOVE = 64;

/** So many are passed before it matters whether it is known how far that goes on. */
const ROWS_BEFORE_ASKING = 8;

const FIRST = 0;
const LAST = 1;
const BEFORE_KEY = 2;
const PAUSED = 3;
const PAUSED_BACK = 4;
const FORWARD = 5;
const BACK = 6;

/** A cursor over the rows that a reader sees. */
export class VisibleCursor {
  readonly #rows: Cursor;
  readonly #merge: MergingCursor | undefined;
  readonly #tombstones: readonly DeletedRanges[];
  readonly #atVersion: number;
  readonly #moment: number;
  readonly #start: Uint8Array | undefined;
  readonly #end: Uint8Array | undefined;
  readonly #unseen: Unseen | undefined;
  readonly #staleness: Staleness | undefined;
  #at = FIRST;
  /** Moving forward: the row last looked at. */
  #row: FoundRow | undefined;
  /** The key of the row last stood on, copied; in BEFORE_KEY the key of the gap. */
  readonly #place = new KeptBytes();
  readonly #kept = new KeptBytes();
  #keptVersion = 0;
  #keptTimestamp = 0;
  /** Moving back: whether this move met no row too new. */
  #isOlder = true;
  /** At a pause: from or up to where rows are known of which none is seen. */
  #edge: Uint8Array | undefined;

  /** Stands before the first row. Reads nothing yet. */
  constructor(rows: Cursor, tombstones: readonly DeletedRanges[], options: VisibleOptions) {
    this.#rows = rows;
    this.#merge = rows instanceof MergingCursor ? rows : undefined;
    this.#tombstones = tombstones;
    this.#atVersion = options.version;
    this.#moment = options.moment;
    this.#start = options.start && copyBytes(options.start);
    this.#end = options.end && copyBytes(options.end);
    this.#unseen = options.unseen;
    this.#staleness = options.staleness;
  }

  /** Whether it stands on a row: the last move answered true. */
  get valid(): boolean {
    return this.#at >= FORWARD;
  }

  /** The key: a view that the next move may overwrite. */
  get key(): Uint8Array {
    return this.#at === FORWARD ? this.#rows.key : this.#at === BACK ? this.#place.view : EMPTY_BYTES;
  }

  /** The version of the commit that wrote the row. */
  get version(): number {
    return this.#at === FORWARD ? this.#rows.version : this.#at === BACK ? this.#keptVersion : 0;
  }

  /** The time of that commit, ms. */
  get timestamp(): number {
    return this.#at === FORWARD ? this.#rows.timestamp : this.#at === BACK ? this.#keptTimestamp : 0;
  }

  /** The row's cell: a view that the next move may overwrite. */
  get cell(): Uint8Array {
    return this.#at === FORWARD ? this.#row!.cell : this.#at === BACK ? this.#kept.view : EMPTY_BYTES;
  }

  /** The row, whose cell the next move may overwrite; only where it stands on one. */
  row(): FoundRow {
    return this.#at === FORWARD ? this.#row! : this.#keptRow();
  }

  /** Stands before the first row. */
  seekStart(): void {
    this.#at = FIRST;
  }

  /** Stands behind the last row. */
  seekEnd(): void {
    this.#at = LAST;
  }

  /** Stands before `key`: `next` goes to the first row at or after it, `previous` to the last one below it. */
  seek(key: Uint8Array): void {
    if (this.#start !== undefined && compareBytes(key, this.#start) <= 0) this.#at = FIRST;
    else if (this.#end !== undefined && compareBytes(key, this.#end) >= 0) this.#at = LAST;
    else {
      this.#at = BEFORE_KEY;
      this.#place.set(key);
    }
  }

  /** Moves to the next row; false when there is none, and then it stands behind the last. */
  next(): boolean {
    for (;;) {
      const found = this.nextSome();
      if (found !== PAUSE) return found;
    }
  }

  /** Moves to the row before; false when there is none, and then it stands before the first. */
  previous(): boolean {
    for (;;) {
      const found = this.previousSome();
      if (found !== PAUSE) return found;
    }
  }

  /** As `next`, but looks at few rows: for who lets others have their turn. */
  nextSome(): boolean | typeof PAUSE {
    const rows = this.#rows;
    switch (this.#at) {
      case LAST:
        return false;
      case FIRST:
        if (this.#start === undefined) rows.seekFirst();
        else rows.seek(this.#start, this.#atVersion);
        break;
      case BEFORE_KEY:
      case PAUSED_BACK:
        rows.seek(this.#place.view, this.#atVersion);
        break;
      case PAUSED:
        if (this.#edge !== undefined) rows.seek(this.#edge, NEWEST);
        break;
      case FORWARD:
        this.#passKey();
        break;
      case BACK:
        rows.seek(this.#place.view, 0);
        this.#passEqual();
        break;
    }
    const found = this.#findForward(this.#at === PAUSED ? this.#edge : undefined);
    this.#at = found === PAUSE ? PAUSED : found ? FORWARD : LAST;
    return found;
  }

  /** As `previous`, but looks at few rows. */
  previousSome(): boolean | typeof PAUSE {
    const rows = this.#rows;
    switch (this.#at) {
      case FIRST:
        return false;
      case LAST:
        if (this.#end === undefined) rows.seekLast();
        else rows.seekBefore(this.#end);
        break;
      case FORWARD:
        this.#place.set(rows.key);
        rows.seekBefore(this.#place.view);
        break;
      case BEFORE_KEY:
      case PAUSED:
        rows.seekBefore(this.#place.view);
        break;
      case PAUSED_BACK:
        if (this.#edge !== undefined) rows.seekBefore(this.#edge);
        break;
        // BACK: what is left of the key's rows is too new and passed like all that is.
    }
    const found = this.#findBack(this.#at === PAUSED_BACK ? this.#edge : undefined);
    this.#at = found === PAUSE ? PAUSED_BACK : found ? BACK : FIRST;
    return found;
  }

  /**
   * From any row on: stands on the first one that is seen. `from`: where rows begin of which none is seen, as far as that is
   * to be noted. A row too new is no such row, nor are those around it; one may have come since the last move, into a source
   * that stands behind it already, so there is a seek where such a stretch begins and where it goes on.
   */
  #findForward(from: Uint8Array | undefined): boolean | typeof PAUSE {
    const rows = this.#rows;
    const end = this.#end;
    let newer = 0;
    for (let passed = 0; rows.valid; passed++) {
      if (end !== undefined && compareBytes(rows.key, end) >= 0) break;
      if (passed === ROWS_PER_MOVE) {
        this.#place.set(rows.key);
        this.#edge = from && copyBytes(rows.key);
        if (from !== undefined) this.#unseen!.note(from, this.#edge);
        return PAUSE;
      }
      if (passed === ROWS_BEFORE_ASKING && this.#unseen !== undefined) {
        const known = this.#unseen.around(rows.key);
        if (known === undefined) {
          if (from === undefined) rows.seek(from = copyBytes(rows.key), NEWEST);
        } else {
          if (from !== undefined) this.#unseen.note(from, copyBytes(rows.key));
          from = known.end;
          if (from === undefined) return false;
          rows.seek(from, NEWEST);
          continue;
        }
      }
      if (rows.version > this.#atVersion) {
        from = undefined;
        if (++newer < STEPS_BEFORE_SEEK) rows.next();
        else {
          this.#place.set(rows.key);
          rows.seek(this.#place.view, this.#atVersion);
          newer = 0;
        }
        continue;
      }
      if (this.#isCovered(rows.key, rows.version)) {
        if (this.#merge?.skipCovered(this.#atVersion)) continue;
      } else if (this.#isPresent(this.#row = rows.row()) && !this.#isStale(rows.key, rows.version)) {
        if (from !== undefined) this.#unseen!.note(from, copyBytes(rows.key));
        return true;
      }
      this.#passKey();
    }
    if (from !== undefined) this.#unseen!.note(from, end);
    return false;
  }

  /** Moves past all rows of the key it stands on. */
  #passKey(): void {
    this.#place.set(this.#rows.key);
    this.#rows.next();
    this.#passEqual();
  }

  /** Moves past what is left of the rows of #place. */
  #passEqual(): void {
    const rows = this.#rows;
    const key = this.#place.view;
    for (let steps = 1; rows.valid && isSameKey(rows.key, key); steps++) {
      if (steps === STEPS_BEFORE_SEEK) rows.seek(key, 0);
      else rows.next();
    }
  }

  /** From any row back: keeps the first one that is seen. `to`: up to where there are rows of which none is, as above. */
  #findBack(to: Uint8Array | undefined): boolean | typeof PAUSE {
    const rows = this.#rows;
    const start = this.#start;
    this.#isOlder = true;
    for (let passed = 0; rows.valid; passed++) {
      // The oldest row of its key.
      if (start !== undefined && compareBytes(rows.key, start) < 0) break;
      if (passed === ROWS_PER_MOVE) {
        this.#edge = to !== undefined && this.#isOlder ? behindKey(rows.key) : undefined;
        if (this.#edge !== undefined) this.#unseen!.note(this.#edge, to);
        return PAUSE;
      }
      if (passed === ROWS_BEFORE_ASKING && this.#isOlder && this.#unseen !== undefined) {
        const known = this.#unseen.around(rows.key);
        if (known === undefined) {
          if (to === undefined) rows.seekBefore(to = behindKey(rows.key));
        } else {
          if (to !== undefined) this.#unseen.note(behindKey(rows.key), to);
          to = known.start;
          rows.seekBefore(to);
          continue;
        }
      }
      const found = this.#keepNewest();
      const key = this.#place.view;
      const covered = found && this.#isCovered(key, this.#keptVersion);
      const present = found && !covered && this.#isPresent(this.#keptRow());
      if (present && !this.#isStale(key, this.#keptVersion)) {
        if (to !== undefined && this.#isOlder) this.#unseen!.note(behindKey(key), to);
        return true;
      }
      this.#passBack();
      if (covered) this.#merge?.skipCovered(this.#atVersion);
    }
    if (to !== undefined && this.#isOlder) this.#unseen!.note(start ?? EMPTY_BYTES, to);
    return false;
  }

  /** From the oldest row of a key back: keeps the newest one that isn't too new. False: all of them are. */
  #keepNewest(): boolean {
    const rows = this.#rows;
    this.#place.set(rows.key);
    const key = this.#place.view;
    let steps = 0;
    while (rows.valid && rows.version <= this.#atVersion && (steps === 0 || isSameKey(rows.key, key))) {
      if (steps++ === STEPS_BEFORE_SEEK) {
        rows.seek(key, this.#atVersion);
        this.#keep(rows);
        rows.seekBefore(key);
        // It did not look at those too new.
        this.#isOlder = false;
        break;
      }
      this.#keep(rows);
      rows.previous();
    }
    return steps > 0;
  }

  #keep(row: Cursor): void {
    this.#kept.set(row.cell);
    this.#keptVersion = row.version;
    this.#keptTimestamp = row.timestamp;
  }

  #keptRow(): FoundRow {
    const cell = this.#kept.view;
    return new FoundRow(this.#keptVersion, this.#keptTimestamp, cell, 0, cell.length);
  }

  /** Moves back past the rows of #place that are newer than the one kept. */
  #passBack(): void {
    const rows = this.#rows;
    const key = this.#place.view;
    for (let steps = 1; rows.valid && isSameKey(rows.key, key); steps++) {
      this.#isOlder = false;
      if (steps === STEPS_BEFORE_SEEK) rows.seekBefore(key);
      else rows.previous();
    }
  }

  #isCovered(key: Uint8Array, version: number): boolean {
    const tombstones = this.#tombstones;
    for (let i = 0; i < tombstones.length; i++) {
      if (tombstones[i]!.coveringVersion(key, this.#atVersion) > version) return true;
    }
    return false;
  }

  #isStale(key: Uint8Array, version: number): boolean {
    return this.#staleness !== undefined && this.#staleness.isStale(key, version);
  }

  #isPresent(row: FoundRow): boolean {
    const { flags } = row;
    if (cellOp(flags) === OP_DELETE) return false;
    return !cellHasExpiry(flags) || cellExpiry(row.cell)! > this.#moment;
  }
}

/** Compares from the end, where neighbours differ. */
export function isSameKey(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return false;
  return true;
}
