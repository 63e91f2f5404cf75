/**
 * Reading: rows as of one version and moment.
 *
 * A lookup goes from the newest source to the oldest and stops at the first row it finds, because a newer source holds
 * newer versions of a key. On the way it notes the newest range tombstone over the key: a row older than that is gone, and
 * so is everything in sources that hold only older versions.
 *
 * @module
 */
import { cellExpiry, cellHasExpiry, cellOp, OP_DELETE } from "../format/cell.ts";
import { compareBytes, EMPTY_BYTES } from "../base/bytes.ts";
import { KeptBytes } from "../base/kept_bytes.ts";
import { hashKey } from "../format/table/filter.ts";
import { type Cursor, FoundRow, NEWEST } from "../tree/cursor.ts";
import type { Memtable } from "../tree/memtable/memtable.ts";
import type { Overlay } from "../tree/overlay.ts";
import { MergingCursor } from "../tree/merging_cursor.ts";
import type { DeletedRanges } from "../tree/range_tombstones.ts";
import type { Staleness, Unseen, UnseenRange } from "../tree/unseen_ranges.ts";
import { isSameKey, STEPS_BEFORE_SEEK, VisibleCursor, type VisibleOptions } from "../tree/visible_cursor.ts";
import { Run, RunCursor, RunTombstones } from "./version/run.ts";
import type { Store } from "./store.ts";
import type { ReadView, ViewCursor } from "./types.ts";

/** The rows of a store at one version and moment. Good for as long as no turn of the event loop passes; see `cursor`. */
export class StoreView implements ReadView {
  readonly #store: Store;
  readonly version: number;
  #moment: number | undefined;
  #row: FoundRow | undefined;
  #tombstone = 0;

  /** Holds nothing. Without `moment` expiry is judged by the clock. */
  constructor(store: Store, version: number, moment?: number) {
    this.#store = store;
    this.version = version;
    this.#moment = moment;
  }

  /** Asks the clock at the first need: most entries never expire, and the clock costs as much as a lookup. */
  get moment(): number {
    return this.#moment ??= this.#store.now();
  }

  get(key: Uint8Array): FoundRow | undefined {
    this.#find(key);
    const row = this.#row;
    if (row === undefined || row.version < this.#tombstone) return undefined;
    const { flags } = row;
    if (cellOp(flags) === OP_DELETE) return undefined;
    return cellHasExpiry(flags) && cellExpiry(row.cell)! <= this.moment ? undefined : row;
  }

  /** The version of the newest row or range tombstone that touches the key, up to the view's; 0: none is known. */
  newestVersion(key: Uint8Array): number {
    this.#find(key);
    return Math.max(this.#row?.version ?? 0, this.#tombstone);
  }

  /** Leaves the newest row in `#row` and the newest tombstone seen before it in `#tombstone`. */
  #find(key: Uint8Array): void {
    this.#row = undefined;
    this.#tombstone = 0;
    const { memtable, sealed, version: files } = this.#store;
    if (this.#lookIn(memtable, key)) return;
    for (let i = sealed.length - 1; i >= 0; i--) if (this.#lookIn(sealed[i]!.memtable, key)) return;
    const version = this.version;
    const { a, b } = hashKey(key);
    for (const run of files.runs) {
      if (run.maxVersion < this.#tombstone) continue;
      const table = run.tableAt(key);
      if (table === undefined) continue;
      const reader = table.reader();
      if (table.meta.tombstones > 0) {
        const covering = reader.tombstones.coveringVersion(key, version);
        if (covering > this.#tombstone) this.#tombstone = covering;
      }
      const row = reader.getHashed(key, version, a, b);
      if (row !== undefined) {
        this.#row = row;
        return;
      }
    }
  }

  #lookIn(memtable: Memtable, key: Uint8Array): boolean {
    if (!memtable.tombstones.isEmpty) {
      const covering = memtable.tombstones.coveringVersion(key, this.version);
      if (covering > this.#tombstone) this.#tombstone = covering;
    }
    this.#row = memtable.get(key, this.version);
    return this.#row !== undefined;
  }

  cursor(start?: Uint8Array, end?: Uint8Array, overlay?: Overlay, staleness?: Staleness): ViewCursor {
    const store = this.#store;
    const files = store.version.retain();
    try {
      const sources: Cursor[] = [];
      const tombstones: (DeletedRanges | undefined)[] = [];
      let version = this.version;
      if (overlay !== undefined) {
        version += 0.5;
        sources.push(new OverlayCursor(overlay.rows.cursor(), version));
        tombstones.push(new OverlayRanges(overlay.rows.tombstones, version));
      }
      const memtables = store.sealed.map((sealed) => sealed.memtable).reverse();
      for (const memtable of [store.memtable, ...memtables]) {
        if (memtable.isEmpty) continue;
        sources.push(memtable.cursor());
        tombstones.push(memtable.tombstones);
      }
      for (const run of files.runs) {
        const tables = run.between(start, end);
        if (tables.length === 0) continue;
        sources.push(new RunCursor(new Run(tables)));
        const deleting = tables.filter((table) => table.meta.tombstones > 0);
        tombstones.push(deleting.length === 0 ? undefined : new RunTombstones(new Run(deleting)));
      }
      const { moment } = this;
      let unseen: Unseen = new UnseenByView(store, this.version, moment);
      // What is written later is not for this cursor.
      if (overlay?.isEmpty === false) {
        unseen = new UnseenBeneath(unseen, overlay, { version: this.version, moment, staleness });
      }
      const options: VisibleOptions = { version, moment, start, end, unseen, staleness };
      const rows = MergingCursor.of(sources, tombstones);
      const covering = tombstones.filter((list): list is DeletedRanges => list?.isEmpty === false);
      if (overlay !== undefined) overlay.readers++;
      const held = { files };
      store.cursors.add(held);
      return new PinnedCursor(rows, covering, options, () => {
        if (overlay !== undefined) overlay.readers--;
        if (store.cursors.delete(held)) files.release();
      });
    } catch (error) {
      files.release();
      throw error;
    }
  }

  keyChangedSince(key: Uint8Array, version: number): boolean {
    const { memtable, sealed, version: files } = this.#store;
    if (isNewerIn(memtable, key, version)) return true;
    for (const one of sealed) if (isNewerIn(one.memtable, key, version)) return true;
    for (const run of files.runs) {
      const table = run.maxVersion > version ? run.tableAt(key) : undefined;
      if (table === undefined || table.maxVersion <= version) continue;
      const reader = table.reader();
      if (table.meta.tombstones > 0 && reader.tombstones.coveringVersion(key, NEWEST) > version) return true;
      if ((reader.get(key, NEWEST)?.version ?? 0) > version) return true;
    }
    return false;
  }

  changedSince(start: Uint8Array | undefined, end: Uint8Array | undefined, version: number): boolean {
    if (start !== undefined && end !== undefined && compareBytes(start, end) >= 0) return false;
    const { memtable, sealed, version: files } = this.#store;
    for (const table of [memtable, ...sealed.map((one) => one.memtable)]) {
      if (table.maxVersion <= version) continue;
      if (table.tombstones.newestIn(start, end) > version) return true;
      if (hasNewer(table.cursor(), start, end, version)) return true;
    }
    for (const run of files.runs) {
      if (run.maxVersion <= version) continue;
      for (const table of run.between(start, end)) {
        if (table.maxVersion <= version) continue;
        const reader = table.reader();
        if (reader.tombstones.newestIn(start, end) > version) return true;
        if (hasNewer(reader.cursor({ fill: true }), start, end, version)) return true;
      }
    }
    return false;
  }
}

class PinnedCursor extends VisibleCursor implements ViewCursor {
  #release: (() => void) | undefined;

  constructor(rows: Cursor, tombstones: readonly DeletedRanges[], options: VisibleOptions, release: () => void) {
    super(rows, tombstones, options);
    this.#release = release;
  }

  close(): void {
    this.#release?.();
    this.#release = undefined;
  }
}

/**
 * A transaction's own rows, shown half a version after the state it reads: newer than all of that, older than whatever
 * is committed next, and never equal to either.
 */
class OverlayCursor implements Cursor {
  readonly #rows: Cursor;
  readonly version: number;

  constructor(rows: Cursor, version: number) {
    this.#rows = rows;
    this.version = version;
  }
  get valid(): boolean {
    return this.#rows.valid;
  }
  get key(): Uint8Array {
    return this.#rows.key;
  }
  get timestamp(): number {
    return this.#rows.timestamp;
  }
  get cell(): Uint8Array {
    return this.#rows.cell;
  }
  row(): FoundRow {
    const { timestamp, bytes, start, end } = this.#rows.row();
    return new FoundRow(this.version, timestamp, bytes, start, end);
  }
  seek(key: Uint8Array, version: number): void {
    this.#rows.seek(key, NEWEST);
    if (version >= this.version) return;
    while (this.#rows.valid && compareBytes(this.#rows.key, key) === 0) this.#rows.next();
  }
  seekBefore(key: Uint8Array): void {
    this.#rows.seekBefore(key);
  }
  seekFirst(): void {
    this.#rows.seekFirst();
  }
  seekLast(): void {
    this.#rows.seekLast();
  }
  next(): void {
    this.#rows.next();
  }
  previous(): void {
    this.#rows.previous();
  }
}

/** What it has deleted, as of the same version. Whoever writes goes on with a copy, so they stay as they are. */
class OverlayRanges implements DeletedRanges {
  readonly #ranges: DeletedRanges;
  readonly #version: number;

  constructor(ranges: DeletedRanges, version: number) {
    this.#ranges = ranges;
    this.#version = version;
  }
  get isEmpty(): boolean {
    return this.#ranges.isEmpty;
  }
  coveringVersion(key: Uint8Array, atVersion: number): number {
    return atVersion >= this.#version && this.#ranges.coveringVersion(key, NEWEST) > 0 ? this.#version : 0;
  }
  coveringEnd(key: Uint8Array, atVersion: number): Uint8Array | undefined {
    return this.#ranges.coveringEnd(key, atVersion);
  }
  coveringStart(key: Uint8Array, atVersion: number): Uint8Array | undefined {
    return this.#ranges.coveringStart(key, atVersion);
  }
}

/** What one cursor knows of stretches without a row that is seen. */
class UnseenByView implements Unseen {
  readonly #store: Store;
  readonly #version: number;
  readonly #moment: number;
  /** What the cursor was opened over. */
  readonly #memtable: Memtable;
  readonly #isSource: boolean;
  readonly #epoch: number;

  /** Of a cursor that is opened now. */
  constructor(store: Store, version: number, moment: number) {
    this.#store = store;
    this.#version = version;
    this.#moment = moment;
    this.#memtable = store.memtable;
    this.#isSource = !store.memtable.isEmpty;
    this.#epoch = store.unseen.epoch;
  }

  around(key: Uint8Array): UnseenRange | undefined {
    return this.#store.unseen.around(key, this.#version, this.#moment);
  }

  note(start: Uint8Array, end: Uint8Array | undefined): void {
    const { memtable, unseen, visibleVersion } = this.#store;
    // Rows that came since then lie where the cursor has not looked.
    if (memtable !== this.#memtable || !(this.#isSource || memtable.isEmpty) || unseen.epoch !== this.#epoch) return;
    // Not for readers between its version and now: compaction may have removed rows that only they still hold.
    const version = Math.max(this.#version, visibleVersion);
    unseen.note({ start, end, version, moment: this.#moment });
  }
}

/** What one cursor of a transaction knows: what it has learned with what it has written, and what holds without that. */
class UnseenBeneath implements Unseen {
  readonly #beneath: Unseen;
  readonly #overlay: Overlay;
  readonly #options: VisibleOptions;

  /** Of a cursor over `overlay` that sees what is `beneath`. */
  constructor(beneath: Unseen, overlay: Overlay, options: VisibleOptions) {
    this.#beneath = beneath;
    this.#overlay = overlay;
    this.#options = options;
  }

  around(key: Uint8Array): UnseenRange | undefined {
    const { version, moment } = this.#options;
    const known = this.#overlay.unseen.around(key, version, moment);
    if (known !== undefined) return known;
    const beneath = this.#beneath.around(key);
    return beneath && this.#overlay.clip(beneath, key);
  }

  note(start: Uint8Array, end: Uint8Array | undefined): void {
    const { version, moment, staleness } = this.#options;
    const overlay = this.#overlay;
    overlay.unseen.note({ start, end, version, moment });
    const judges = staleness?.judgedBy(start, end);
    const isStaleByItself = judges === undefined || overlay.isClear(judges.start, judges.end);
    if (isStaleByItself && overlay.isClear(start, end)) this.#beneath.note(start, end);
  }
}

/** Whether a memtable has anything newer for a key. */
function isNewerIn(memtable: Memtable, key: Uint8Array, version: number): boolean {
  if (memtable.maxVersion <= version) return false;
  return memtable.tombstones.coveringVersion(key, NEWEST) > version ||
    (memtable.get(key, NEWEST)?.version ?? 0) > version;
}

function hasNewer(
  rows: Cursor,
  start: Uint8Array | undefined,
  end: Uint8Array | undefined,
  version: number,
): boolean {
  const passed = new KeptBytes();
  for (rows.seek(start ?? EMPTY_BYTES, NEWEST); rows.valid;) {
    if (end !== undefined && compareBytes(rows.key, end) >= 0) return false;
    if (rows.version > version) return true;
    // Its older rows tell nothing, and there may be very many.
    passed.set(rows.key);
    rows.next();
    for (let steps = 1; rows.valid && isSameKey(rows.key, passed.view); steps++) {
      if (steps === STEPS_BEFORE_SEEK) rows.seek(passed.view, 0);
      else rows.next();
    }
  }
  return false;
}
