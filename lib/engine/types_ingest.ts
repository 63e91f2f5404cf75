/**
 * Tables that are taken in, whole.
 *
 * @module
 */
import type { BlobMeta, TableMeta } from "../format/table/table_meta.ts";

/** `start <= key < end` in internal form; no `end`: to the last key. */
export interface KeyBounds {
  /** First key. */
  start: Uint8Array;
  /** First key beyond. */
  end: Uint8Array | undefined;
}

/** What an ingest deletes in its commit, before its own rows come; and how it waits. */
export interface IngestOptions {
  /** Everything there is. */
  replace: boolean;
  /** These ranges. */
  ranges?: readonly KeyBounds[];
  /** Ends the wait for compaction that is under way. */
  signal?: AbortSignal | undefined;
}

/** Writes one sorted run (as many tables as it takes, and their blobs) aside, for `Engine.ingest`. */
export interface IngestWriter {
  /** Adds a row; keys strictly ascending. Large values go to a blob file by themselves, tables are cut by themselves. */
  add(key: Uint8Array, cell: Uint8Array): void;
  /** Writes what has gathered; to be awaited now and then between adds. */
  drain(): Promise<void>;
  /** Bytes added so far. */
  readonly bytes: number;
  /** Completes and syncs the files. */
  finish(): Promise<{ tables: TableMeta[]; blobs: BlobMeta[] }>;
  /** Removes what was written. */
  abort(): Promise<void>;
}
