/**
 * What an ingest operation says: which finished files joined the database with this commit (bulk load, restore).
 *
 * JSON in the commit's record (`batch.ts`). Example:
 *
 * ```
 * {"replace":false,"ranges":[],"tables":[{"number":12,"sha256":"9f86...0a08","size":4096}],"blobs":[]}
 * ```
 *
 * @module
 */
import { base64Text, flag, hex, list, object, type Shape, whole } from "../manifest/json_shape.ts";

/** A file that joined the database. */
export interface IngestedFile {
  /** The number it has in the database. */
  number: number;
  /** SHA-256 of the whole file, 64 hexadecimal digits. */
  sha256: string;
  /** Its length in bytes. */
  size: number;
}

/** A range of keys that the same commit deletes, in internal form, as base64url. */
export interface ClearedRange {
  /** First key deleted. */
  start: string;
  /** First key not deleted; left out: none is spared. */
  end?: string;
}

/** What an ingest operation says. */
export interface IngestInfo {
  /** Whether everything that was in the database before is gone. */
  replace: boolean;
  /** What else was deleted before the files joined. */
  ranges: ClearedRange[];
  /** The sorted tables. */
  tables: IngestedFile[];
  /** The blob files that they point into. */
  blobs: IngestedFile[];
}

const ingestedFile: Shape<IngestedFile> = object({ number: whole(), sha256: hex(64), size: whole() });

/** The shape of the JSON. */
export const ingestInfo: Shape<IngestInfo> = object({
  replace: flag,
  ranges: list(object({ start: base64Text }, { end: base64Text })),
  tables: list(ingestedFile),
  blobs: list(ingestedFile),
});
