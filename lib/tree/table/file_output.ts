/**
 * Bytes on their way to a new file: small writes are gathered into one, large ones are passed on without a copy where their
 * memory lasts, and the whole file's SHA-256 is known at its end.
 *
 * Nothing is written before `drain`: who adds to a table or blob file does so synchronously, in slices, and writes
 * between them.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { ByteWriter } from "../../base/bytes.ts";
import type { FileHandle } from "../../files/file_system.ts";

/** Gathered up to this size: below it a write costs more in calls than in bytes, above it memory buys nothing. */
const PIECE_BYTES = 256 * 1024;
/** Written at once at most: hashing as much takes about a millisecond, and the event loop gets its turn in between. */
const APPEND_BYTES_MAX = 2 ** 20;

/** A piece and what the last write ran over by. */
const OPEN_BYTES = PIECE_BYTES + 32 * 1024;

/** Kept for later: between two drains mostly one piece fills, and is cut short by the drain. */
const SPARE_MAX = 3;

/** Bytes on their way, and the writer whose memory they are in. */
interface Piece {
  bytes: Uint8Array;
  writer?: ByteWriter;
}

/** Appends to one file. */
export class FileOutput {
  /** The file. */
  readonly handle: FileHandle;
  readonly #hash: Hash = createHash("sha256");
  #queue: Piece[] = [];
  #open: ByteWriter = new ByteWriter(OPEN_BYTES);
  /** Memory that has been written out and serves again: a file's worth of garbage otherwise. */
  readonly #spare: ByteWriter[] = [];
  #pending = 0;
  /** Where the next byte will be in the file. */
  position = 0;

  /** Writes to a handle that was opened by `"create"`; the caller syncs and closes it. */
  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  /** Bytes not yet handed to the file. */
  get pending(): number {
    return this.#pending;
  }

  /** Whether enough is pending for `drain` to be worth its call. */
  get wantsDrain(): boolean {
    return this.#pending >= PIECE_BYTES;
  }

  /** Takes bytes: long ones as they are, so that they must not change until drained; short ones by copy. */
  write(bytes: Uint8Array): void {
    if (bytes.length < PIECE_BYTES) return this.copy(bytes);
    this.position += bytes.length;
    this.#pending += bytes.length;
    this.#cut();
    this.#queue.push({ bytes });
  }

  /** As `write`, long ones by copy too. */
  copy(bytes: Uint8Array): void {
    this.position += bytes.length;
    this.#pending += bytes.length;
    this.#open.bytes(bytes);
    if (this.#open.length >= PIECE_BYTES) this.#cut();
  }

  /** Writes all that is pending. One at a time. */
  async drain(): Promise<void> {
    this.#cut();
    const queue = this.#queue;
    this.#queue = [];
    for (const { bytes, writer } of queue) {
      for (let at = 0; at < bytes.length; at += APPEND_BYTES_MAX) {
        const piece = bytes.subarray(at, at + APPEND_BYTES_MAX);
        this.#hash.update(piece);
        await this.handle.append(piece);
        this.#pending -= piece.length;
      }
      if (writer === undefined || this.#spare.length === SPARE_MAX) continue;
      writer.reset();
      this.#spare.push(writer);
    }
  }

  /** Writes the rest; gives the SHA-256 of the whole file in hex. */
  async finish(): Promise<string> {
    await this.drain();
    return this.#hash.digest("hex");
  }

  #cut(): void {
    if (this.#open.length === 0) return;
    this.#queue.push({ bytes: this.#open.view(), writer: this.#open });
    this.#open = this.#spare.pop() ?? new ByteWriter(OPEN_BYTES);
  }
}
