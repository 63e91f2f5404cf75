/**
 * Finds the rows of a table whose index is lost, for repair: blocks lie one behind the other, and where one ends can be
 * told by its checksum.
 *
 * @module
 */
import { compareBytes, copyBytes, EMPTY_BYTES } from "../../base/bytes.ts";
import type { FileHandle } from "../../files/file_system.ts";
import { BLOCK_RAW_BYTES_MAX, findBlock, openBlock } from "../../format/table/block.ts";
import { BlockCursor } from "../../format/table/block_cursor.ts";
import { cellOp, OP_DELETE } from "../../format/cell.ts";
import { DataBlock } from "../../format/table/data_block.ts";
import { IndexBuilder, TableIndex } from "../../format/table/index_block.ts";
import { type BlockPlace, TABLE_BLOCKS_AT } from "../../format/table/table.ts";
import type { TableProperties } from "../../format/table/table_properties.ts";
import { damageOf } from "./damage.ts";

/** What can be told from the data blocks alone. */
export interface FoundRows {
  /** The data blocks, up to the first that is damaged. */
  index: TableIndex;
  /** Counts and bounds of their rows; the use of blob files and deleted ranges are not in there. */
  properties: TableProperties;
}

/** A block of the usual size is found in the first piece read. */
const READ_BYTES = 64 * 1024;

/** The stored blocks from `from` on, one behind the other, up to `to` or to the first that is damaged. */
export function findPlaces(handle: FileHandle, seed: number, from: number, to: number): BlockPlace[] {
  const places: BlockPlace[] = [];
  for (let offset = from; offset < to;) {
    const length = lengthAt(handle, seed, offset, to);
    if (length === 0) break;
    places.push({ offset, length });
    offset += length;
  }
  return places;
}

/** The rows in the data blocks before `end`. */
export function surveyRows(handle: FileHandle, seed: number, end: number): FoundRows {
  const index = new IndexBuilder();
  const properties: TableProperties = {
    rows: 0,
    deletes: 0,
    smallest: EMPTY_BYTES,
    largest: EMPTY_BYTES,
    largestExclusive: false,
    minVersion: Number.MAX_SAFE_INTEGER,
    maxVersion: 0,
    minTimestamp: Number.MAX_SAFE_INTEGER,
    maxTimestamp: 0,
    tombstones: 0,
    rawBytes: 0,
    blobs: [],
  };
  const cursor = new BlockCursor();
  for (const { offset, length } of findPlaces(handle, seed, TABLE_BLOCKS_AT, end)) {
    const stored = new Uint8Array(length);
    handle.readAtSync(stored, offset);
    const before = properties.rows;
    try {
      cursor.attach(new DataBlock(openBlock(stored, seed, handle.path, offset), handle.path, offset));
      cursor.last();
      const last = copyBytes(cursor.key);
      // What follows the data blocks may pass for rows, but not for the next ones.
      if (index.count > 0 && compareBytes(last, properties.largest ?? last) < 0) break;
      cursor.first();
      while (true) {
        countRow(properties, cursor);
        if (!cursor.next()) break;
      }
      properties.largest = last;
    } catch (error) {
      // What follows the data blocks has good checksums, too, but holds no rows.
      damageOf(error);
      break;
    }
    index.add(properties.largest, length, properties.rows - before);
  }
  if (properties.rows === 0) properties.minVersion = properties.minTimestamp = 0;
  return { index: new TableIndex(index.finish(), TABLE_BLOCKS_AT), properties };
}

function countRow(properties: TableProperties, cursor: BlockCursor): void {
  const { key, cell, version, timestamp } = cursor;
  if (properties.rows++ === 0) properties.smallest = copyBytes(key);
  if (cellOp(cell[0]!) === OP_DELETE) properties.deletes++;
  properties.rawBytes += key.length + cell.length;
  properties.minVersion = Math.min(properties.minVersion, version);
  properties.maxVersion = Math.max(properties.maxVersion, version);
  properties.minTimestamp = Math.min(properties.minTimestamp, timestamp);
  properties.maxTimestamp = Math.max(properties.maxTimestamp, timestamp);
}

/** The length of the block at `offset`; 0 when there is none. Reads twice as much each time, so it stays linear. */
function lengthAt(handle: FileHandle, seed: number, offset: number, to: number): number {
  const most = Math.min(to - offset, BLOCK_RAW_BYTES_MAX);
  for (let want = READ_BYTES;; want *= 2) {
    const bytes = new Uint8Array(Math.min(want, most));
    const got = handle.readAtSync(bytes, offset);
    const length = findBlock(bytes.subarray(0, got), seed, offset);
    if (length > 0 || want >= most) return length;
  }
}
