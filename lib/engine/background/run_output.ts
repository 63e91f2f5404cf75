/**
 * Writes one run: as many tables as it takes, and a blob file for the values that are large. What flush, compaction and
 * ingest have in common.
 *
 * Nothing of it counts before `finish` has synced everything and the caller has named it in the manifest.
 *
 * @module
 */
import { ClosedError } from "../../base/errors.ts";
import type { FileHandle } from "../../files/file_system.ts";
import { cellKind, cellOp, OP_BLOB, OP_SET, readCell, replacePayload } from "../../format/cell.ts";
import type { BlobMeta, TableMeta } from "../../format/table/table_meta.ts";
import { BlobWriter } from "../../tree/blob/blob_writer.ts";
import type { Fragment } from "../../tree/range_tombstones.ts";
import { TableWriter } from "../../tree/table/table_writer.ts";
import type { Store } from "../store.ts";

/** A blob file is complete at this size: larger ones hold more live values when they are collected. */
const BLOB_FILE_BYTES = 256 * 1024 * 1024;

/** The files of a run. */
export interface RunFiles {
  /** In key order. */
  tables: TableMeta[];
  /** The blob files they point into, as far as they are new. */
  blobs: BlobMeta[];
}

interface Open<W> {
  number: number;
  handle: FileHandle;
  writer: W;
}

/** Reading or compressing more takes longer than the way to another thread and back. */
export const LONG_BYTES: number = 2 ** 16;

/** One run being written. */
export class RunOutput {
  readonly #store: Store;
  readonly #made: { kind: "table" | "blob"; number: number }[] = [];
  readonly #tables: TableMeta[] = [];
  readonly #blobs: BlobMeta[] = [];
  #table: Open<TableWriter> | undefined;
  #blob: Open<BlobWriter> | undefined;
  /** Bytes of finished files. */
  bytes = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Bytes of the table being written. */
  get tableBytes(): number {
    return this.#table?.writer.estimatedBytes ?? 0;
  }

  /** Whether no table is being written. */
  get isBetweenTables(): boolean {
    return this.#table === undefined;
  }

  /** Adds a row, in key order, newest version first. Large values go to the blob file. */
  add(key: Uint8Array, version: number, timestamp: number, cell: Uint8Array): void {
    if (cell.length >= this.#store.settings.blobBytes && cellOp(cell[0]!) === OP_SET) {
      const { payload, kind } = readCell(cell);
      if (payload.length >= this.#store.settings.blobBytes) cell = this.#toBlob(key, version, cell, payload, kind);
    }
    this.#openTable().add(key, version, timestamp, cell);
  }

  /** Whether the row has a value that is to be added by `addLong`: compressing it would hold the thread for too long. */
  isLong(cell: Uint8Array): boolean {
    return cell.length >= Math.max(LONG_BYTES, this.#store.settings.blobBytes) && cellOp(cell[0]!) === OP_SET;
  }

  /** As `add`, compressing the value beside the main thread. */
  async addLong(key: Uint8Array, version: number, timestamp: number, cell: Uint8Array): Promise<void> {
    const { payload } = readCell(cell);
    if (payload.length < this.#store.settings.blobBytes) return this.add(key, version, timestamp, cell);
    await this.addMoved(key, version, timestamp, cell, payload);
  }

  /** Adds a row whose value goes into a new blob file: it may have been read from an old one. */
  async addMoved(
    key: Uint8Array,
    version: number,
    timestamp: number,
    cell: Uint8Array,
    value: Uint8Array,
  ): Promise<void> {
    await this.#finishFullBlob();
    const [blob, kind] = [this.#openBlob(), cellKind(cell[0]!)];
    const isShort = value.length < LONG_BYTES;
    const pointer = isShort ? blob.add(key, version, value, kind) : await blob.addBeside(key, version, value, kind);
    this.#openTable().add(key, version, timestamp, replacePayload(cell, OP_BLOB, pointer));
  }

  #toBlob(key: Uint8Array, version: number, cell: Uint8Array, value: Uint8Array, kind: number): Uint8Array {
    return replacePayload(cell, OP_BLOB, this.#openBlob().add(key, version, value, kind));
  }

  #openTable(): TableWriter {
    return (this.#table ??= this.#create("table", (handle, number) => {
      const { blockBytes, compression } = this.#store.settings;
      return new TableWriter(handle, { identity: this.#identity(number), blockBytes, compression });
    })).writer;
  }

  #openBlob(): BlobWriter {
    return (this.#blob ??= this.#create("blob", (handle, number) => {
      return new BlobWriter(handle, {
        identity: this.#identity(number),
        compression: this.#store.settings.compression,
      });
    })).writer;
  }

  #identity(number: number): { database: string; lineage: string; number: number } {
    return { database: this.#store.database, lineage: this.#store.manifest.state.database.lineage, number };
  }

  #create<W>(kind: "table" | "blob", make: (handle: FileHandle, number: number) => W): Open<W> {
    // A restore may still be at it.
    if (this.#store.closed) throw new ClosedError(`Cannot write to ${this.#store.path}: it was closed (CLOSED)`);
    const number = this.#store.newNumber();
    const handle = this.#store.fs.openSync(this.#store.filePathOf(kind, number), "create");
    this.#made.push({ kind, number });
    return { number, handle, writer: make(handle, number) };
  }

  /** Whether `drain` has something to do. */
  get wantsDrain(): boolean {
    return this.#table?.writer.wantsDrain === true || this.#blob?.writer.wantsDrain === true;
  }

  /** Writes what has gathered. */
  async drain(): Promise<void> {
    await this.#table?.writer.drain();
    if (this.#blob === undefined) return;
    await this.#blob.writer.drain();
    await this.#finishFullBlob();
  }

  /** Completes the table being written, with the deleted ranges that belong to its stretch of keys. */
  async cut(deleted: readonly Fragment[] = []): Promise<void> {
    if (deleted.length > 0) this.#openTable().addTombstones(deleted);
    const table = this.#table;
    if (table === undefined) return;
    const meta = await table.writer.finish();
    await table.handle.sync();
    await table.handle.close();
    this.#table = undefined;
    this.#tables.push(meta);
    this.bytes += meta.size;
  }

  async #finishFullBlob(): Promise<void> {
    if (this.#blob !== undefined && this.#blob.writer.estimatedBytes >= BLOB_FILE_BYTES) await this.#finishBlob();
  }

  async #finishBlob(): Promise<void> {
    const blob = this.#blob;
    if (blob === undefined) return;
    const meta = await blob.writer.finish();
    await blob.handle.sync();
    await blob.handle.close();
    this.#blob = undefined;
    this.#blobs.push(meta);
    this.bytes += meta.size;
  }

  /** Completes and syncs everything, names included. */
  async finish(deleted?: readonly Fragment[]): Promise<RunFiles> {
    await this.cut(deleted);
    await this.#finishBlob();
    if (this.#made.length > 0) await this.#store.fs.syncDirectory(this.#store.path);
    this.#store.counters.tableBytes += this.bytes;
    return { tables: this.#tables, blobs: this.#blobs };
  }

  /** Removes all that was written; for when the work failed. Never throws. */
  async abort(): Promise<void> {
    for (const open of [this.#table, this.#blob]) await open?.handle.close().catch(() => {});
    // The edit that names them may be on disk.
    if (this.#store.failure !== undefined) return;
    for (const { kind, number } of this.#made) await this.#store.remove(kind, number);
  }
}
