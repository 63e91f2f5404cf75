/**
 * Writes a blob file (see `format/blob.ts`): one record after the other, in any order.
 *
 * `add` never touches the disk; `drain` does. Nothing of the file counts before `finish` has resolved and the caller has
 * synced it and named it in the manifest, before or together with the table that points into it.
 *
 * @module
 */
import type { FileHandle } from "../../files/file_system.ts";
import {
  BLOB_FOOTER_BYTES,
  BLOB_KEY_BYTES_MAX,
  BLOB_RAW_BYTES_MAX,
  BLOB_RECORDS_AT,
  writeBlobFooter,
  writeBlobHead,
  writeBlobPointer,
} from "../../format/blob.ts";
import { KIND_BYTES } from "../../format/cell.ts";
import { checksumSeed, type FileIdentity, writeFileHeader } from "../../format/identity.ts";
import type { BlobMeta } from "../../format/table/table_meta.ts";
import { asItIs, type Compression, Compressor, type Stored } from "../table/compressor.ts";
import { FileOutput } from "../table/file_output.ts";

/** How a blob file is written. */
export interface BlobWriterOptions {
  /** Whose file it is and its number. */
  identity: FileIdentity;
  /** How values are stored. */
  compression?: Compression;
}

/**
 * Longer values are stored as they are: compressing one would hold the event loop for longer than a slice, and what is
 * that long is mostly compressed by its own format already.
 */
const COMPRESSED_BYTES_MAX = 2 ** 20;

/** Writes one blob file. */
export class BlobWriter {
  readonly #out: FileOutput;
  readonly #identity: FileIdentity;
  readonly #seed: number;
  readonly #compressor: Compressor;
  #count = 0;
  /** Bytes, all of them copies, that the next call of `addBeside` is to write while it compresses. */
  #leftToNext = 0;

  /** Writes to `handle`, opened by `"create"`; the caller syncs and closes it. */
  constructor(handle: FileHandle, options: BlobWriterOptions) {
    this.#identity = options.identity;
    this.#out = new FileOutput(handle);
    this.#seed = checksumSeed({ kind: "blob", ...options.identity });
    this.#compressor = new Compressor(options.compression ?? "auto");
    this.#out.write(writeFileHeader("blob", options.identity));
  }

  /** Values added so far. */
  get count(): number {
    return this.#count;
  }

  /** How long the file would be, were it finished now. */
  get estimatedBytes(): number {
    return this.#out.position + BLOB_FOOTER_BYTES;
  }

  /** Whether enough is pending for a call of `drain` to be worth it. */
  get wantsDrain(): boolean {
    return this.#out.wantsDrain && this.#out.pending > this.#leftToNext;
  }

  /**
   * Adds the value of a row and gives the pointer to it: the payload of the row's new cell. A value of 256 KiB or more that is
   * stored as it is is not copied, and must not change before it is drained. `kind` is the value's (see `format/cell.ts`).
   */
  add(key: Uint8Array, version: number, payload: Uint8Array, kind: number = KIND_BYTES): Uint8Array {
    return this.#put(
      key,
      version,
      payload,
      kind,
      this.#isKept(payload) ? asItIs(payload) : this.#compressor.store(payload),
    );
  }

  /**
   * As `add`, compressing beside the main thread, which hashes and writes meanwhile what was added before. One call at a time,
   * and nothing else may be added before it ends.
   */
  async addBeside(key: Uint8Array, version: number, payload: Uint8Array, kind: number): Promise<Uint8Array> {
    let isCopied = false;
    const put = (stored: Stored): Uint8Array => {
      isCopied = stored.bytes !== payload;
      return this.#put(key, version, payload, kind, stored);
    };
    if (this.#isKept(payload)) return put(asItIs(payload));
    const drained = this.drain();
    // Also behind a failure nothing of it may be under way when the call ends.
    const [added] = await Promise.allSettled([this.#compressor.storeBeside(payload, put), drained]);
    await drained;
    if (added.status === "rejected") throw added.reason;
    this.#leftToNext = isCopied ? this.#out.pending : 0;
    return added.value;
  }

  #isKept(payload: Uint8Array): boolean {
    return payload.length > COMPRESSED_BYTES_MAX;
  }

  #put(key: Uint8Array, version: number, payload: Uint8Array, kind: number, { codec, bytes }: Stored): Uint8Array {
    if (payload.length > BLOB_RAW_BYTES_MAX) throw new RangeError(`a value of ${payload.length} bytes is too long`);
    if (key.length > BLOB_KEY_BYTES_MAX) throw new RangeError(`a key of ${key.length} bytes is too long`);
    const offset = this.#out.position;
    const fields = { storedLength: bytes.length, rawLength: payload.length, codec, kind, version, key };
    const head = writeBlobHead(fields, bytes, this.#seed, offset);
    this.#out.write(head);
    // What is packed lies in memory that serves again.
    if (bytes === payload) this.#out.write(bytes);
    else this.#out.copy(bytes);
    this.#count++;
    const length = head.length + bytes.length;
    return writeBlobPointer({ number: this.#identity.number, offset, length, rawLength: payload.length });
  }

  /** Writes what is pending once that is 256 KiB or more. One call at a time. */
  async drain(): Promise<void> {
    if (!this.#out.wantsDrain) return;
    this.#leftToNext = 0;
    await this.#out.drain();
  }

  /** Writes the rest and describes the file. */
  async finish(): Promise<BlobMeta> {
    const bytes = this.#out.position - BLOB_RECORDS_AT;
    this.#out.write(writeBlobFooter({ count: this.#count, bytes }, this.#seed, this.#out.position));
    const sha256 = await this.#out.finish();
    return { number: this.#identity.number, size: this.#out.position, bytes, count: this.#count, sha256 };
  }
}
