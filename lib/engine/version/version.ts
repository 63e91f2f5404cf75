/**
 * A version: which tables and blob files hold the database at one moment. It never changes; each flush, compaction or
 * ingest makes the next one. Whoever reads across turns of the event loop retains it.
 *
 * @module
 */
import type { LiveBlob, LiveTable } from "./live_file.ts";
import { Run } from "./run.ts";

/** Levels there are. With a base of 64 MiB and a factor of ten the last holds 6 TiB and more. */
export const LEVELS = 7;

/** An unchanging set of files. */
export class Version {
  /** Level 0, newest run first. */
  readonly level0: readonly Run[];
  /** Levels 1 to 6; index 0 is level 1. */
  readonly deeper: readonly Run[];
  /** Blob files by number. */
  readonly blobs: ReadonlyMap<number, LiveBlob>;
  /** Level 0's runs, then those of the deeper levels that have any table: the order in which lookups go. */
  readonly runs: readonly Run[];
  #references = 1;

  /** Starts with one reference, the maker's. */
  constructor(level0: readonly Run[], deeper: readonly Run[], blobs: ReadonlyMap<number, LiveBlob>) {
    this.level0 = level0;
    this.deeper = deeper;
    this.blobs = blobs;
    this.runs = [...level0, ...deeper.filter((run) => run.tables.length > 0)];
    for (const table of this.tables()) table.retain();
    for (const blob of blobs.values()) blob.retain();
  }

  /** Every table, newest run first. */
  *tables(): Iterable<LiveTable> {
    for (const run of this.level0) yield* run.tables;
    for (const run of this.deeper) yield* run.tables;
  }

  /** The runs of one level. */
  level(level: number): readonly Run[] {
    return level === 0 ? this.level0 : [this.deeper[level - 1] ?? new Run([])];
  }

  /** One more needs it. */
  retain(): this {
    this.#references++;
    return this;
  }

  /** One fewer needs it; the last lets its files go. */
  release(): void {
    if (--this.#references > 0) return;
    for (const table of this.tables()) table.release();
    for (const blob of this.blobs.values()) blob.release();
  }

  /** Bytes of each blob file that entries still point to. */
  liveBlobBytes(): Map<number, number> {
    const live = new Map<number, number>();
    for (const table of this.tables()) {
      for (const { number, bytes } of table.meta.blobs) live.set(number, (live.get(number) ?? 0) + bytes);
    }
    return live;
  }
}
