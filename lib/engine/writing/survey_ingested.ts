/**
 * Files that were once taken in, put back: are they the ones, and what the manifest has to know of them.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { IntegrityError, NotFoundError } from "../../base/errors.ts";
import { Slicer } from "../../base/yield.ts";
import type { IngestedFile, IngestInfo } from "../../format/log/batch.ts";
import type { BlobMeta, TableMeta } from "../../format/table/table_meta.ts";
import { BlobReader } from "../../tree/blob/blob_reader.ts";
import { TableReader } from "../../tree/table/table_reader.ts";
import type { RunFiles } from "../background/run_output.ts";
import type { Store } from "../store.ts";

/** Read at a time: hashing it takes about as long as one slice of work may. */
const PIECE_BYTES = 1024 * 1024;

/** Checks the files against what the log says of them, and reads what they say of themselves. */
export async function surveyIngested(store: Store, info: IngestInfo): Promise<RunFiles> {
  const slicer = new Slicer(store.settings.monotonic);
  const files: RunFiles = { tables: [], blobs: [] };
  for (const file of info.tables) {
    await checkHash(store, "table", file, slicer);
    files.tables.push(tableMeta(store, file));
  }
  for (const file of info.blobs) {
    await checkHash(store, "blob", file, slicer);
    files.blobs.push(blobMeta(store, file));
  }
  return files;
}

async function checkHash(store: Store, kind: "table" | "blob", file: IngestedFile, slicer: Slicer): Promise<void> {
  const path = store.filePathOf(kind, file.number);
  const hash = createHash("sha256");
  const handle = await opened(store, path);
  try {
    const size = handle.sizeSync();
    if (size !== file.size) throw wrong(path, `it is ${size} bytes long where the log says ${file.size}`);
    const piece = new Uint8Array(Math.min(PIECE_BYTES, size));
    for (let at = 0; at < size;) {
      const got = await handle.readAt(piece.subarray(0, Math.min(piece.length, size - at)), at);
      if (got === 0) throw wrong(path, "it ends early");
      hash.update(piece.subarray(0, got));
      at += got;
      await slicer.tick();
    }
  } finally {
    await handle.close();
  }
  if (hash.digest("hex") !== file.sha256) throw wrong(path, "its SHA-256 is not the one in the log");
}

async function opened(store: Store, path: string): Promise<Awaited<ReturnType<Store["fs"]["open"]>>> {
  try {
    return await store.fs.open(path, "read");
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    throw wrong(path, "it is not there", error);
  }
}

function wrong(path: string, detail: string, cause?: unknown): IntegrityError {
  return new IntegrityError(`Cannot take in ${path} again: ${detail} (INTEGRITY)`, { path, cause });
}

function tableMeta(store: Store, { number, size, sha256 }: IngestedFile): TableMeta {
  const path = store.filePathOf("table", number);
  const reader = TableReader.open(store.fs, path, { database: store.database, number }, undefined, store.cache);
  try {
    return { ...reader.properties, number, size, sha256 };
  } finally {
    reader.close();
  }
}

function blobMeta(store: Store, { number, size, sha256 }: IngestedFile): BlobMeta {
  const path = store.filePathOf("blob", number);
  const reader = BlobReader.open(store.fs, path, { database: store.database, number });
  try {
    const { bytes, count } = reader.footer;
    return { number, size, bytes, count, sha256 };
  } finally {
    reader.close();
  }
}
