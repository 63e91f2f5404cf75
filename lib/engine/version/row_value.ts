/**
 * The bytes of a row's value, from the row itself or from its blob file.
 *
 * @module
 */
import { ClosedError, NotFoundError } from "../../base/errors.ts";
import { type BlobPointer, readBlobPointer } from "../../format/blob.ts";
import { cellOp, OP_BLOB, readCell } from "../../format/cell.ts";
import type { Row } from "../../tree/cursor.ts";
import type { Store } from "../store.ts";
import type { LiveBlob } from "./live_file.ts";

/** Blobs up to this size are read at once even by the awaiting form: the hop off the thread would cost more. */
const SYNC_BLOB_BYTES = 64 * 1024;

/** A row's value. */
export function valueOf(store: Store, row: Row): Uint8Array {
  const { payload } = readCell(row.cell);
  if (cellOp(row.cell[0]!) !== OP_BLOB) return payload;
  const pointer = readBlobPointer(payload);
  return blobOf(store, pointer).reader().readSync(pointer);
}

/** As `valueOf`, reading large blobs off the main thread. */
export async function readValue(store: Store, row: Row): Promise<Uint8Array> {
  const { payload } = readCell(row.cell);
  if (cellOp(row.cell[0]!) !== OP_BLOB) return payload;
  const pointer = readBlobPointer(payload);
  const blob = blobOf(store, pointer);
  if (pointer.rawLength <= SYNC_BLOB_BYTES) return blob.reader().readSync(pointer);
  const version = store.version.retain();
  try {
    return await blob.reader().read(pointer);
  } finally {
    version.release();
  }
}

function blobOf(store: Store, pointer: BlobPointer): LiveBlob {
  const blob = store.blobAt(pointer.number);
  if (blob !== undefined) return blob;
  if (store.closed) throw new ClosedError(`Cannot read a value in ${store.path}: it was closed meanwhile (CLOSED)`);
  throw new NotFoundError(
    `Cannot read a value in ${store.path}: its blob file ${pointer.number} is gone; the row is older than the cursor ` +
      `that kept it (NOT_FOUND)`,
  );
}
