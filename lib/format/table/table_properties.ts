/**
 * The properties of a table: what the manifest keeps of it, in the table itself, so that repair can list a table that
 * no manifest names.
 *
 * ```
 * properties := rows varint | deletes varint | tombstones varint | raw bytes varint
 *               | oldest version varint | newest version varint | oldest time varint | newest time varint
 *               | flags u8 (1: `largest` is an exclusive end, 2: there is no end and `largest` is empty)
 *               | smallest length varint | smallest | largest length varint | largest
 *               | blobs varint | (file number varint | bytes varint | count varint) *
 * ```
 *
 * Example: one row "ab" of version 7 and time 9 with a cell of two bytes:
 * `01 00 00 04 | 07 07 09 09 | 00 | 02 61 62 02 61 62 | 00`.
 *
 * @module
 */
import { ByteReader, ByteWriter, copyBytes, DecodeError } from "../../base/bytes.ts";
import type { TableMeta } from "./table_meta.ts";

const EXCLUSIVE = 1;
const ENDLESS = 2;

/** What a table knows of itself: not its number, size and hash, and not what an ingest made of it or only its writer counts. */
export type TableProperties = Omit<
  TableMeta,
  "number" | "size" | "sha256" | "globalVersion" | "globalTimestamp" | "plain"
>;

/** The raw properties block. */
export function writeTableProperties(of: TableProperties): Uint8Array {
  const out = new ByteWriter();
  out.varint(of.rows);
  out.varint(of.deletes);
  out.varint(of.tombstones);
  out.varint(of.rawBytes);
  out.varint(of.minVersion);
  out.varint(of.maxVersion);
  out.varint(of.minTimestamp);
  out.varint(of.maxTimestamp);
  out.u8((of.largestExclusive ? EXCLUSIVE : 0) | (of.largest === undefined ? ENDLESS : 0));
  out.prefixed(of.smallest);
  out.prefixed(of.largest ?? new Uint8Array(0));
  out.varint(of.blobs.length);
  for (const blob of of.blobs) {
    out.varint(blob.number);
    out.varint(blob.bytes);
    out.varint(blob.count);
  }
  return out.view();
}

/** Reads a raw properties block; throws `DecodeError`. */
export function readTableProperties(bytes: Uint8Array): TableProperties {
  const reader = new ByteReader(bytes);
  const counts: number[] = [];
  for (let n = 0; n < 8; n++) counts.push(reader.varint());
  const [rows, deletes, tombstones, rawBytes, minVersion, maxVersion, minTimestamp, maxTimestamp] = counts as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const flags = reader.u8();
  if (flags > (EXCLUSIVE | ENDLESS)) throw new DecodeError(`unknown flags ${flags}`, reader.at - 1);
  const smallest = copyBytes(reader.prefixed());
  const end = copyBytes(reader.prefixed());
  const blobs = [];
  for (let n = reader.varint(); n > 0; n--) {
    blobs.push({ number: reader.varint(), bytes: reader.varint(), count: reader.varint() });
  }
  if (reader.left > 0) throw new DecodeError("bytes behind the properties", reader.at);
  return {
    rows,
    deletes,
    smallest,
    largest: flags & ENDLESS ? undefined : end,
    largestExclusive: (flags & EXCLUSIVE) !== 0,
    minVersion,
    maxVersion,
    minTimestamp,
    maxTimestamp,
    tombstones,
    rawBytes,
    blobs,
  };
}
