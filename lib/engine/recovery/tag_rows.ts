/**
 * The tag index, written anew by a repair: each entry says its tags itself, so that nothing is lost with the blocks that
 * held rows of the index.
 *
 * Entries come in the order of their keys, the index is in the order of tags. Rows are sorted in memory, as many at a time
 * as it may take, written to files of their own, and those merged.
 *
 * @module
 */
import { ByteReader, ByteWriter, compareBytes, EMPTY_BYTES, encodeText } from "../../base/bytes.ts";
import type { Slicer } from "../../base/yield.ts";
import { KIND_BYTES, readCell, writeCell } from "../../format/cell.ts";
import { internalKey, isTagSpace, spacePrefix, tagPrefix } from "../../format/space.ts";
import type { TableMeta } from "../../format/table/table_meta.ts";
import { BlockCache } from "../../tree/table/block_cache.ts";
import { TableReader } from "../../tree/table/table_reader.ts";
import { MergingCursor } from "../../tree/merging_cursor.ts";
import { RunOutput } from "../background/run_output.ts";
import type { Store } from "../store.ts";
import type { LostRange } from "./salvage.ts";

/** Sorted at a time. */
const CHUNK_BYTES = 16 * 2 ** 20;

/** What a row takes in memory beside its key. */
const ROW_BYTES = 160;

/** Rows between two looks at the clock. */
const STEP = 64;

interface TagRow {
  key: Uint8Array;
  version: number;
  timestamp: number;
  cell: Uint8Array;
}

/** Whether all that a range may have lost are rows of the index. */
export function isOfTags({ start, end }: LostRange): boolean {
  if (start === undefined || end === undefined || start.length === 0 || end.length === 0) return false;
  const space = new ByteReader(start).varint();
  return isTagSpace(space) && new ByteReader(end).varint() === space;
}

/** Makes the rows of the index from the entries. */
export class TagRows {
  readonly #store: Store;
  readonly #chunkBytes: number;
  readonly #chunks: { output: RunOutput; tables: TableMeta[] }[] = [];
  readonly #cell = new ByteWriter();
  #rows: TagRow[] = [];
  #bytes = 0;
  #merged: RunOutput | undefined;

  /** Files are the store's. */
  constructor(store: Store, chunkBytes: number = CHUNK_BYTES) {
    this.#store = store;
    this.#chunkBytes = chunkBytes;
  }

  /** Notes the tags of an entry. */
  see(key: Uint8Array, version: number, timestamp: number, cell: Uint8Array): void {
    const { tags, expiresAt } = readCell(cell);
    if (tags.length === 0) return;
    const reader = new ByteReader(key);
    const space = reader.varint();
    const prefix = spacePrefix(space + 1);
    this.#cell.reset();
    writeCell(this.#cell, KIND_BYTES, EMPTY_BYTES, [], expiresAt);
    const row = { version, timestamp, cell: this.#cell.take() };
    for (const tag of new Set(tags)) {
      const own = internalKey(tagPrefix(prefix, encodeText(tag)), key.subarray(reader.at));
      this.#rows.push({ key: own, ...row });
      this.#bytes += own.length + ROW_BYTES;
    }
  }

  /** Whether `drain` has something to do. */
  get wantsDrain(): boolean {
    return this.#bytes >= this.#chunkBytes;
  }

  /** Writes what has gathered to files of its own. */
  async drain(): Promise<void> {
    const rows = this.#rows;
    if (rows.length === 0) return;
    this.#rows = [];
    this.#bytes = 0;
    rows.sort((a, b) => compareBytes(a.key, b.key));
    const output = new RunOutput(this.#store);
    const chunk = { output, tables: [] as TableMeta[] };
    this.#chunks.push(chunk);
    for (const { key, version, timestamp, cell } of rows) {
      output.add(key, version, timestamp, cell);
      if (output.wantsDrain) await output.drain();
    }
    chunk.tables = (await output.finish()).tables;
  }

  /** Writes the rest; gives tables whose keys don't overlap. */
  async finish(slicer: Slicer): Promise<TableMeta[]> {
    await this.drain();
    if (this.#chunks.length <= 1) return this.#chunks[0]?.tables ?? [];
    const { fs, settings, database } = this.#store;
    const cache = new BlockCache(0);
    const readers = this.#chunks.flatMap(({ tables }) => tables).map((meta) => {
      const { number } = meta;
      return TableReader.open(fs, this.#store.filePathOf("table", number), { database, number }, meta, cache);
    });
    const output = this.#merged = new RunOutput(this.#store);
    try {
      const rows = MergingCursor.of(readers.map((reader) => reader.cursor()));
      let step = 0;
      for (rows.seekFirst(); rows.valid; rows.next()) {
        if (output.tableBytes >= settings.tableBytes) await output.cut();
        output.add(rows.key, rows.version, rows.timestamp, rows.cell);
        if (++step % STEP !== 0) continue;
        if (output.wantsDrain) await output.drain();
        if (slicer.due()) await slicer.tick();
      }
      return (await output.finish()).tables;
    } finally {
      for (const reader of readers) reader.close();
    }
  }

  /** Removes the files that were only merged. */
  async discardChunks(): Promise<void> {
    if (this.#merged === undefined) return;
    for (const { output } of this.#chunks) await output.abort();
  }

  /** Removes all that was written. */
  async abort(): Promise<void> {
    for (const { output } of this.#chunks) await output.abort();
    await this.#merged?.abort();
  }
}
