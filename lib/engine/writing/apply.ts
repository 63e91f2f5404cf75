/**
 * Operations into a memtable.
 *
 * @module
 */
import type { Slicer } from "../../base/yield.ts";
import { DELETE, DELETE_RANGE, OperationReader, PUT } from "../../format/log/batch.ts";
import { DELETE_CELL } from "../../format/cell.ts";
import type { Memtable } from "../../tree/memtable/memtable.ts";
import type { UnseenRanges } from "../../tree/unseen_ranges.ts";

/** Commits above this go into the memtable in slices: 64 KiB are about 600 rows, half a millisecond. */
const SLICED_BYTES = 64 * 1024;

/** Operations between two looks at the clock: about 0.3 ms of inserting. */
const STEP = 256;

/** What operations change. */
export interface Target {
  /** Gets the rows. */
  readonly memtable: Memtable;
  /** Where it was known that nobody sees a row. */
  readonly unseen: UnseenRanges;
}

/** Applies one commit's operations at once. */
export function applyOperations(target: Target, ops: Uint8Array, version: number, timestamp: number): void {
  applySome(target, new OperationReader(ops), version, timestamp, false, Infinity);
}

/**
 * Applies one commit's operations, large ones in slices: nobody sees them before the commit is visible as a whole. To be
 * awaited when it answers with a promise. Where `isLasting`, nobody writes to `ops` any more: rows may keep them.
 */
export function applySliced(
  target: Target,
  ops: Uint8Array,
  version: number,
  timestamp: number,
  slicer: Slicer,
  isLasting = false,
): Promise<void> | undefined {
  if (ops.length < SLICED_BYTES) return void applyOperations(target, ops, version, timestamp);
  return applyInSlices(target, new OperationReader(ops), version, timestamp, slicer, isLasting);
}

async function applyInSlices(
  target: Target,
  operations: OperationReader,
  version: number,
  timestamp: number,
  slicer: Slicer,
  isLasting: boolean,
): Promise<void> {
  while (applySome(target, operations, version, timestamp, isLasting, STEP)) await slicer.tick();
}

/** Applies up to `most` operations; answers whether there may be more. Ingested files join the version, not the memtable. */
function applySome(
  { memtable, unseen }: Target,
  operations: OperationReader,
  version: number,
  timestamp: number,
  isLasting: boolean,
  most: number,
): boolean {
  for (let n = 0; n < most; n++) {
    if (!operations.next()) return false;
    const { code, bytes, keyStart, keyEnd } = operations;
    if (code === PUT) {
      if (!unseen.isEmpty) unseen.touch(operations.key);
      const { cellStart, cellEnd } = operations;
      memtable.addRow(bytes, keyStart, keyEnd, version, timestamp, bytes, cellStart, cellEnd, isLasting);
    } else if (code === DELETE) {
      memtable.addRow(bytes, keyStart, keyEnd, version, timestamp, DELETE_CELL, 0, DELETE_CELL.length);
    } else if (code === DELETE_RANGE) {
      memtable.addRange({ start: operations.key, end: operations.end, version, timestamp });
    }
  }
  return true;
}
