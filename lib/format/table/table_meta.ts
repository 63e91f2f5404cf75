/**
 * What the manifest keeps about a sorted table: enough to choose tables for a read or a compaction without opening them.
 * It stands in a manifest edit as JSON under the same names, keys as base64url; `manifest_edit.ts` has an example.
 *
 * @module
 */

/** How much of a blob file a table points to: what garbage collection counts with. */
export interface BlobUse {
  /** The blob file's number. */
  number: number;
  /** The bytes of the records pointed to. */
  bytes: number;
  /** How many values. */
  count: number;
}

/** A sorted table as the manifest knows it. */
export interface TableMeta {
  /** The file's number. */
  number: number;
  /** The file's length in bytes. */
  size: number;
  /** How many rows, deletes included. */
  rows: number;
  /** How many of them are deletes. */
  deletes: number;
  /** The smallest key of a row, or the smallest start of a range tombstone. */
  smallest: Uint8Array;
  /** The largest key of a row, or the largest end of a range tombstone; undefined: one of them has no end. */
  largest?: Uint8Array | undefined;
  /** Whether `largest` is the end of a range tombstone, which itself is not covered. */
  largestExclusive: boolean;
  /** The oldest version in it. */
  minVersion: number;
  /** The newest version in it. */
  maxVersion: number;
  /** The oldest commit time in it, ms. */
  minTimestamp: number;
  /** The newest commit time in it, ms. */
  maxTimestamp: number;
  /** How many range tombstones. */
  tombstones: number;
  /** The bytes of keys and cells before compression. */
  rawBytes: number;
  /** Every row and tombstone reads as of this version: the table was written before its commit (bulk load, restore). */
  globalVersion?: number;
  /** The commit time that goes with `globalVersion`, ms. */
  globalTimestamp?: number;
  /** Which blob files its rows point to. */
  blobs: BlobUse[];
  /** Whether each row is that of another key, none is a delete and none expires; unless it is so, nothing is said. */
  plain?: true;
  /** SHA-256 of the whole file, 64 hexadecimal digits. */
  sha256: string;
}

/** A blob file as the manifest knows it. */
export interface BlobMeta {
  /** The file's number. */
  number: number;
  /** The file's length in bytes. */
  size: number;
  /** The bytes of all records in it: what the `bytes` of every `BlobUse` add up to while all of it is in use. */
  bytes: number;
  /** How many values are in it. */
  count: number;
  /** SHA-256 of the whole file, 64 hexadecimal digits. */
  sha256: string;
}
