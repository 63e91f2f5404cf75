/**
 * What an ingest operation says: which finished files joined the database with this commit (bulk load, restore).
 *
 * JSON in the commit's record (`batch.ts`). Example:
 *
 * ```
 * {"replace":false,"tables":[{"number":12,"sha256":"9f86...0a08","size":4096}],"blobs":[]}
 * ```
 *
 * @module
 */
import { flag, hex, list, object, type Shape, whole } from "./json_shape.ts";

/** A file that joined the database. */
export interface IngestedFile {
  /** The number it has in the database. */
  number: number;
  /** SHA-256 of the whole file, 64 hexadecimal digits. */
  sha256: string;
  /** Its length in bytes. */
  size: number;
}

/** What an ingest operation says. */
export interface IngestInfo {
  /** Whether everything that was in the database before is gone. */
  replace: boolean;
  /** The sorted tables. */
  tables: IngestedFile[];
  /** The blob files that they point into. */
  blobs: IngestedFile[];
}

const ingestedFile: Shape<IngestedFile> = object({ number: whole(), sha256: hex(64), size: whole() });

/** The shape of the JSON. */
export const ingestInfo: Shape<IngestInfo> = object({
  replace: flag,
  tables: list(ingestedFile),
  blobs: list(ingestedFile),
});
