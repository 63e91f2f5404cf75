/**
 * Tables and blob files as versions share them. A file stays on disk and open while any version needs it; versions are
 * kept by the present, by cursors and by pins. When the last one lets go of a file that the manifest no longer lists,
 * the file is closed and removed.
 *
 * @module
 */
import { CorruptionError, NotFoundError } from "../../base/errors.ts";
import type { FileSystem } from "../../files/file_system.ts";
import type { BlobMeta, TableMeta } from "../../format/table/table_meta.ts";
import type { BlockCache } from "../../tree/table/block_cache.ts";
import { BlobReader } from "../../tree/blob/blob_reader.ts";
import { TableReader } from "../../tree/table/table_reader.ts";
import { filePath } from "../file_names.ts";

/** What every live file needs to open and to go. */
export interface FileHome {
  /** The file system. */
  readonly fs: FileSystem;
  /** The database directory. */
  readonly path: string;
  /** The database's id, which every file must name. */
  readonly database: string;
  /** Decoded blocks. */
  readonly cache: BlockCache;
  /** Called with a file that nobody needs any more, already closed. */
  retire(file: LiveTable | LiveBlob): void;
}

/** Counts who needs a file. */
abstract class LiveFile {
  protected readonly home: FileHome;
  #references = 0;

  constructor(home: FileHome) {
    this.home = home;
  }

  /** One more version needs it. */
  retain(): void {
    this.#references++;
  }

  /** One version fewer needs it. */
  release(): void {
    if (--this.#references > 0) return;
    this.close();
    this.home.retire(this as unknown as LiveTable | LiveBlob);
  }

  /** Opens it; a file that the manifest lists and that is not there is damage. */
  protected opened<R>(open: (path: string, expected: { database: string; number: number }) => R): R {
    const path = filePath(this.home.path, this.kind, this.number);
    try {
      return open(path, { database: this.home.database, number: this.number });
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      throw new CorruptionError(path, 0, "the file is not there", { cause: error });
    }
  }

  /** Its kind. */
  abstract readonly kind: "table" | "blob";
  /** Its number. */
  abstract readonly number: number;
  /** Gives the file handle back; the next use opens it again. */
  abstract close(): void;
}

/** A sorted table, opened at first use. */
export class LiveTable extends LiveFile {
  readonly kind = "table";
  /** What the manifest says of it. */
  readonly meta: TableMeta;
  #reader: TableReader | undefined;

  /** Opens nothing yet. */
  constructor(home: FileHome, meta: TableMeta) {
    super(home);
    this.meta = meta;
  }

  /** Its number. */
  get number(): number {
    return this.meta.number;
  }

  /** The newest version in it. */
  get maxVersion(): number {
    return this.meta.globalVersion ?? this.meta.maxVersion;
  }

  /** The open table. */
  reader(): TableReader {
    return this.#reader ??= this.opened((path, expected) => {
      return TableReader.open(this.home.fs, path, expected, this.meta, this.home.cache);
    });
  }

  /** Gives the file handle back; the next use opens it again. */
  close(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }
}

/** A blob file, opened at first use. */
export class LiveBlob extends LiveFile {
  readonly kind = "blob";
  /** What the manifest says of it. */
  readonly meta: BlobMeta;
  #reader: BlobReader | undefined;

  /** Opens nothing yet. */
  constructor(home: FileHome, meta: BlobMeta) {
    super(home);
    this.meta = meta;
  }

  /** Its number. */
  get number(): number {
    return this.meta.number;
  }

  /** The open blob file. */
  reader(): BlobReader {
    return this.#reader ??= this.opened((path, expected) => {
      return BlobReader.open(this.home.fs, path, expected, this.meta);
    });
  }

  /** Gives the file handle back; the next use opens it again. */
  close(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }
}
