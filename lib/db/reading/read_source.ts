/**
 * Where a handle reads from: the present, a snapshot, or what a transaction sees.
 *
 * @module
 */
import { ClosedError } from "../../base/errors.ts";
import type { KeyEncoding, ReadView, ViewCursor } from "../../engine/types.ts";
import { cellExpiry, cellOp, OP_DELETE } from "../../format/cell.ts";
import { FoundRow, NEWEST } from "../../tree/cursor.ts";
import type { Overlay } from "../../tree/overlay.ts";
import type { Staleness } from "../../tree/unseen_ranges.ts";
import { keysIn } from "../catalog/catalog.ts";
import type { Context } from "../context.ts";
import type { Definition } from "../catalog/definition.ts";
import type { Bounds } from "../data/ranges.ts";

/** Learns what a transaction reads. */
export interface ReadTracker {
  /** A key was looked at, present or not. */
  key(key: Uint8Array): void;
  /** A walk over a range began. */
  range(bounds: Bounds, reverse: boolean): RangeTracker;
}

/** Learns how far a walk came. */
export interface RangeTracker {
  /** It stands on this key. */
  reached(key: Uint8Array): void;
  /** It came to its end. */
  done(): void;
}

/** What a transaction adds to what it reads. */
export interface OwnState {
  /** Its own writes. */
  readonly overlay: Overlay;
  /** Who notes what it reads. */
  readonly tracker: ReadTracker;
  /** Throws once it has ended. */
  readonly assertRunning: (call: string) => void;
}

/** A version of the database, and the moment that decides what has expired. */
export interface ReadPoint {
  /** Rows of later versions are not seen. */
  readonly version: number;
  /** ms since the Unix epoch. */
  readonly moment: number;
  /** Whether it is kept readable no more. */
  readonly released: boolean;
}

/** The rows of one key space as seen by one call. Made for each call, because an engine's view lasts for one turn. */
export class ReadSource {
  /** The inside of the database. */
  readonly context: Context;
  /** The key space. */
  readonly definition: Definition;
  /** What internal keys of entries begin with. */
  readonly prefix: Uint8Array;
  /** What internal keys of tag rows begin with. */
  readonly tagsPrefix: Uint8Array;
  /** How its keys look. */
  readonly encoding: KeyEncoding;
  /** Who notes what is read, in a transaction. */
  readonly tracker: ReadTracker | undefined;
  readonly #point: ReadPoint | undefined;
  readonly #view: ReadView;
  readonly #overlay: Overlay | undefined;
  readonly #own: OwnState | undefined;

  /** Reads the present, or at `point`, and with it what a transaction has written. */
  constructor(context: Context, definition: Definition, point?: ReadPoint, own?: OwnState) {
    this.context = context;
    this.definition = definition;
    this.#point = point;
    this.#view = context.engine.read(point);
    this.prefix = definition.prefix;
    this.tagsPrefix = definition.tagsPrefix;
    this.encoding = definition.encoding;
    this.#own = own;
    this.#overlay = own?.overlay;
    this.tracker = own?.tracker;
    if (point !== undefined && definition.parent !== undefined && context.catalog.replacedSince(point.version)) {
      const then = keysIn(this.#view, definition);
      this.prefix = then.prefix;
      this.tagsPrefix = then.tags;
      this.encoding = then.encoding;
    }
  }

  /** For who reads step by step: throws once the database is closed, or the transaction is over. */
  assertOpen(call: string): void {
    this.context.assertOpen(call);
    this.#own?.assertRunning(call);
  }

  /**
   * For who looks up rows over several turns of the event loop: throws `ClosedError` once nothing keeps them, be it that the
   * snapshot was released or that a refresh moved on. Rows would be missed then.
   */
  assertKept(): void {
    if (this.#point?.released) {
      throw new ClosedError("Cannot read on: the snapshot was released meanwhile; take a new one (CLOSED)");
    }
    const { engine } = this.context;
    if (engine.readOnly) engine.read(this.#point);
  }

  /** The same, to be read over several turns of the event loop, until `release`: as it is now, whatever is written. */
  keep(): { kept: ReadSource; release: () => void } {
    const overlay = this.#overlay;
    if (overlay !== undefined) {
      overlay.readers++;
      return { kept: this, release: () => void overlay.readers-- };
    }
    if (this.#point !== undefined) return { kept: this, release() {} };
    const snapshot = this.context.engine.snapshot();
    return { kept: new ReadSource(this.context, this.definition, snapshot), release: () => snapshot.release() };
  }

  /** The version read at. */
  get version(): number {
    return this.#view.version;
  }

  /** The visible row at an internal key. */
  row(key: Uint8Array): FoundRow | undefined {
    this.tracker?.key(key);
    return this.find(key);
  }

  /** As `row`, for who notes what was read. */
  find(key: Uint8Array): FoundRow | undefined {
    return this.#overlay === undefined ? this.#view.get(key) : this.#ownRow(key, this.#overlay);
  }

  /** A cursor over visible rows. */
  cursor(bounds: Bounds, staleness?: Staleness): ViewCursor {
    return this.#view.cursor(bounds.start, bounds.end, this.#overlay, staleness);
  }

  /** A point lookup that sees the transaction's own writes first. */
  #ownRow(key: Uint8Array, { rows }: Overlay): FoundRow | undefined {
    const own = rows.get(key, NEWEST);
    if (own === undefined) {
      return rows.tombstones.coveringVersion(key, NEWEST) > 0 ? undefined : this.#view.get(key);
    }
    const expiresAt = cellExpiry(own.cell);
    if (cellOp(own.cell[0]!) === OP_DELETE || (expiresAt !== undefined && expiresAt <= this.#view.moment)) {
      return undefined;
    }
    // The version under which a cursor shows the overlay's rows, so that tag rows and entries agree.
    return new FoundRow(this.#view.version + 0.5, own.timestamp, own.bytes, own.start, own.end);
  }
}
