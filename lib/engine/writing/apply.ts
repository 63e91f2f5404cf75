/**
 * Operations into a memtable.
 *
 * @module
 */
import type { Slicer } from "../../base/yield.ts";
import { forEachOperation, type OperationVisitor } from "../../format/log/batch.ts";
import { DELETE_CELL } from "../../format/cell.ts";
import type { Memtable } from "../../tree/memtable/memtable.ts";

/** Commits above this go into the memtable in slices: 64 KiB are about 600 rows, half a millisecond. */
const SLICED_BYTES = 64 * 1024;

/** Operations between two looks at the clock: about 0.3 ms of inserting. */
const STEP = 256;

class Applier implements OperationVisitor {
  readonly #memtable: Memtable;
  readonly #version: number;
  readonly #timestamp: number;

  constructor(memtable: Memtable, version: number, timestamp: number) {
    this.#memtable = memtable;
    this.#version = version;
    this.#timestamp = timestamp;
  }
  put(key: Uint8Array, cell: Uint8Array): void {
    this.#memtable.add(key, this.#version, this.#timestamp, cell);
  }
  delete(key: Uint8Array): void {
    this.#memtable.add(key, this.#version, this.#timestamp, DELETE_CELL);
  }
  deleteRange(start: Uint8Array, end: Uint8Array | undefined): void {
    this.#memtable.addRange({ start, end, version: this.#version, timestamp: this.#timestamp });
  }
  /** Ingested files join the version, not the memtable. */
  ingest(): void {}
}

/** Applies one commit's operations at once. */
export function applyOperations(memtable: Memtable, ops: Uint8Array, version: number, timestamp: number): void {
  forEachOperation(ops, new Applier(memtable, version, timestamp));
}

/**
 * Applies one commit's operations, large ones in slices: nobody sees them before the commit is visible as a whole. To be
 * awaited when it answers with a promise.
 */
export function applySliced(
  memtable: Memtable,
  ops: Uint8Array,
  version: number,
  timestamp: number,
  slicer: Slicer,
): Promise<void> | undefined {
  if (ops.length < SLICED_BYTES) return void applyOperations(memtable, ops, version, timestamp);
  return applyInSlices(new Applier(memtable, version, timestamp), ops, slicer);
}

async function applyInSlices(applier: Applier, ops: Uint8Array, slicer: Slicer): Promise<void> {
  for (let at = 0; at < ops.length;) {
    at = forEachOperation(ops, applier, at, STEP);
    await slicer.tick();
  }
}
