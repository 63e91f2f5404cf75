/**
 * Reads values from a blob file (see `format/blob.ts`). Every record is checked before a byte of it is believed.
 *
 * @module
 */
import { borrow, BUFFER_BYTES, giveBack, uncleared } from "../../base/buffers.ts";
import { DecodeError, equalBytes } from "../../base/bytes.ts";
import { crc32 } from "../../base/checksum.ts";
import { CODEC_NONE, decompressSync } from "../../base/codec.ts";
import { ClosedError, CorruptionError } from "../../base/errors.ts";
import type { Slicer } from "../../base/yield.ts";
import type { FileHandle, FileSystem } from "../../files/file_system.ts";
import {
  BLOB_FOOTER_BYTES,
  BLOB_HEAD_BYTES,
  BLOB_RECORDS_AT,
  type BlobFooter,
  type BlobHead,
  type BlobPointer,
  readBlobFooter,
  readBlobHead,
} from "../../format/blob.ts";
import {
  checksumSeed,
  expectIdentity,
  FILE_HEADER_BYTES,
  type FileHeader,
  type FileIdentity,
  readFileHeader,
  seedAt,
} from "../../format/identity.ts";
import type { BlobMeta } from "../../format/table/table_meta.ts";
import { checkBlobs } from "./blob_check.ts";
import type { Damage } from "../table/damage.ts";

/**
 * Reads off the main thread at once that borrow memory. It comes by the mebibyte, and more of it than is kept would be fresh:
 * thousands of reads of records that take little would want thousands of mebibytes.
 */
const READS_BORROWING = 8;

/** Reads off the main thread that are under way, of all files. */
let reads = 0;

/** An open blob file. Any damage found is `CorruptionError`. */
export class BlobReader {
  /** Where it lies. */
  readonly path: string;
  /** Its first 64 bytes. */
  readonly header: FileHeader;
  /** What the file says of itself. */
  readonly footer: BlobFooter;
  /** The file's length. */
  readonly size: number;
  /** Where the records end. */
  readonly #end: number;
  readonly #seed: number;
  #handle: FileHandle | undefined;

  private constructor(handle: FileHandle, size: number, header: FileHeader, footer: BlobFooter, end: number) {
    this.path = handle.path;
    this.header = header;
    this.footer = footer;
    this.size = size;
    this.#end = end;
    this.#seed = checksumSeed(header);
    this.#handle = handle;
  }

  /** Opens a blob file, which must be the one expected: a swapped, foreign or cut file is `CorruptionError`. */
  static open(fs: FileSystem, path: string, expected: Partial<FileIdentity>, meta?: BlobMeta): BlobReader {
    return BlobReader.#open(fs, path, expected, (handle, size, header) => {
      if (size < FILE_HEADER_BYTES + BLOB_FOOTER_BYTES) {
        throw new CorruptionError(path, size, "the blob file ends before its footer; it was cut or never finished");
      }
      const tail = new Uint8Array(BLOB_FOOTER_BYTES);
      handle.readAtSync(tail, size - BLOB_FOOTER_BYTES);
      const footer = readBlobFooter(tail, checksumSeed(header), path, size);
      if (meta !== undefined && (meta.size !== size || meta.count !== footer.count)) {
        throw new CorruptionError(path, size - BLOB_FOOTER_BYTES, "the blob file is not the one that was written");
      }
      return new BlobReader(handle, size, header, footer, size - BLOB_FOOTER_BYTES);
    });
  }

  /** Opens what is left of a blob file that was cut, or that something was put behind: each record proves itself. */
  static salvage(fs: FileSystem, path: string, expected: Partial<FileIdentity>): BlobReader {
    return BlobReader.#open(fs, path, expected, (handle, size, header) => {
      return new BlobReader(handle, size, header, { count: 0, bytes: 0 }, size);
    });
  }

  static #open(
    fs: FileSystem,
    path: string,
    expected: Partial<FileIdentity>,
    make: (handle: FileHandle, size: number, header: FileHeader) => BlobReader,
  ): BlobReader {
    const handle = fs.openSync(path, "read");
    try {
      const size = handle.sizeSync();
      const head = new Uint8Array(Math.min(size, FILE_HEADER_BYTES));
      handle.readAtSync(head, 0);
      const header = readFileHeader("blob", head, path);
      expectIdentity(header, expected, path);
      return make(handle, size, header);
    } catch (error) {
      handle.closeSync();
      throw error;
    }
  }

  /** The value at a pointer. With `key`, the record must be that key's. */
  readSync(pointer: BlobPointer, key?: Uint8Array): Uint8Array {
    const record = this.#memory(pointer, true);
    const n = this.#file().readAtSync(record, pointer.offset);
    return this.#value(pointer, record, n, key);
  }

  /** As `readSync`, reading off the main thread. */
  async read(pointer: BlobPointer, key?: Uint8Array): Promise<Uint8Array> {
    const record = this.#memory(pointer, reads < READS_BORROWING);
    reads++;
    try {
      const n = await this.#file().readAt(record, pointer.offset);
      return this.#value(pointer, record, n, key);
    } finally {
      reads--;
    }
  }

  /** The head of the record at `offset`, and where the next one begins: how repair and checks walk over the file. */
  headAt(offset: number): { head: BlobHead; next: number } {
    const left = this.#end - offset;
    let bytes = this.#part(offset, Math.min(left, BLOB_HEAD_BYTES + 256));
    let head = readBlobHead(bytes, this.#seed, this.path, offset);
    if (head === undefined && bytes.length >= BLOB_HEAD_BYTES) {
      const keyLength = bytes[16]! | (bytes[17]! << 8) | (bytes[18]! << 16);
      bytes = this.#part(offset, Math.min(left, BLOB_HEAD_BYTES + keyLength));
      head = readBlobHead(bytes, this.#seed, this.path, offset);
    }
    if (head === undefined) throw new CorruptionError(this.path, offset, "a record runs into the footer");
    const next = offset + BLOB_HEAD_BYTES + head.key.length + head.storedLength;
    if (next > this.#end) {
      throw new CorruptionError(this.path, offset, "a record runs into the footer");
    }
    return { head, next };
  }

  /** The pointer to the record at `offset` whose head is given. */
  pointerTo(offset: number, head: BlobHead): BlobPointer {
    const length = BLOB_HEAD_BYTES + head.key.length + head.storedLength;
    return { number: this.header.number, offset, length, rawLength: head.rawLength };
  }

  /** Fills `into` from the file, off the main thread. */
  async readBytes(into: Uint8Array, offset: number): Promise<void> {
    const n = await this.#file().readAt(into, offset);
    if (n !== into.length) throw new CorruptionError(this.path, offset + n, "the file ends early");
  }

  /** Reads the whole file and gives all damage found; see `blob_check.ts`. */
  verify(slicer: Slicer, sha256?: string): AsyncGenerator<Damage, void> {
    return checkBlobs(this, slicer, sha256);
  }

  /** Closes the file. Values already handed out stay good. */
  close(): void {
    this.#handle?.closeSync();
    this.#handle = undefined;
  }

  /** Memory for a record, once it is plausible that there is one: a pointer is not believed about its length. */
  #memory({ number, offset, length, rawLength }: BlobPointer, mayBorrow: boolean): Uint8Array {
    if (number !== this.header.number) {
      throw new CorruptionError(this.path, offset, `a pointer into file ${number} was followed here`);
    }
    if (offset < BLOB_RECORDS_AT || length < BLOB_HEAD_BYTES || offset + length > this.#end) {
      throw new CorruptionError(this.path, offset, `no record of ${length} bytes fits there`);
    }
    // Of a packed value nobody keeps the record; another one is handed out as it is.
    return mayBorrow && length < rawLength && length <= BUFFER_BYTES ? borrow(length) : uncleared(length);
  }

  #value(pointer: BlobPointer, record: Uint8Array, read: number, key: Uint8Array | undefined): Uint8Array {
    const { offset } = pointer;
    if (read !== record.length) throw new CorruptionError(this.path, offset + read, "the file ends early");
    const head = readBlobHead(record, this.#seed, this.path, offset);
    if (
      head === undefined || head.rawLength !== pointer.rawLength ||
      BLOB_HEAD_BYTES + head.key.length + head.storedLength !== record.length
    ) {
      throw new CorruptionError(this.path, offset, "the record is not the one the pointer was made for");
    }
    if (key !== undefined && !equalBytes(key, head.key)) {
      throw new CorruptionError(this.path, offset, "the record holds the value of another key");
    }
    const start = BLOB_HEAD_BYTES + head.key.length;
    if (crc32(record, seedAt(this.#seed, offset), start) !== head.payloadCrc) {
      throw new CorruptionError(this.path, offset + start, "the checksum of the value does not match");
    }
    const payload = record.subarray(start);
    if (head.codec === CODEC_NONE) return payload;
    try {
      const value = decompressSync(payload, head.rawLength);
      giveBack(record);
      return value;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw new CorruptionError(this.path, offset + start, `the value cannot be decompressed: ${error.message}`);
    }
  }

  #part(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, length));
    const n = this.#file().readAtSync(bytes, offset);
    return bytes.subarray(0, n);
  }

  #file(): FileHandle {
    if (this.#handle === undefined) throw new ClosedError(`Cannot read ${this.path}: the blob file is closed`);
    return this.#handle;
  }
}
