/**
 * Writing pieces of archived log (see `archived_log.ts`).
 *
 * @module
 */
import { ByteWriter, varintLength } from "../../base/bytes.ts";
import { type LogPiece, PIECE_BYTES_USUAL, PIECE_HEAD_BYTES_MAX } from "./archived_log.ts";

/** Puts commits in a row into a piece. */
export class PieceWriter {
  readonly #out: ByteWriter;
  #first = 0;
  #last = 0;
  #minTimestamp = 0;
  #maxTimestamp = 0;
  #count = 0;

  /** Writes into `memory` as far as it is enough; it belongs to the piece that `take` gives. */
  constructor(memory?: Uint8Array) {
    this.#out = new ByteWriter(0);
    this.#begin(memory);
  }

  /** How many bytes its records take so far. */
  get bytes(): number {
    return this.#out.length - PIECE_HEAD_BYTES_MAX;
  }

  /** How many commits it holds. */
  get count(): number {
    return this.#count;
  }

  /** Takes the next commit; its operations are copied. Throws `RangeError` when it does not follow the one before. */
  add(version: number, timestamp: number, ops: Uint8Array): void {
    if (this.#count === 0) {
      this.#first = version;
      this.#minTimestamp = timestamp;
    } else if (version !== this.#last + 1) {
      throw new RangeError(`version ${version} cannot follow ${this.#last}`);
    } else if (timestamp < this.#maxTimestamp) {
      throw new RangeError(`version ${version} of ${timestamp} cannot follow one of ${this.#maxTimestamp}`);
    } else if (this.bytes >= PIECE_BYTES_USUAL) {
      throw new RangeError(`version ${version} cannot begin behind ${this.bytes} bytes of a piece`); // (5)
    }
    this.#last = version;
    this.#maxTimestamp = timestamp;
    this.#count++;
    const out = this.#out;
    out.varint(varintLength(version) + varintLength(timestamp) + ops.length);
    out.varint(version);
    out.varint(timestamp);
    out.bytes(ops);
  }

  /** The piece, which has a commit at least; then begins anew. */
  take(): LogPiece {
    if (this.#count === 0) throw new RangeError("a piece of no commits");
    const [first, last] = [this.#first, this.#last];
    const [minTimestamp, maxTimestamp] = [this.#minTimestamp, this.#maxTimestamp];
    const head = new ByteWriter(PIECE_HEAD_BYTES_MAX);
    for (const one of [first, last, minTimestamp, maxTimestamp, this.bytes]) head.varint(one);
    // There is room for the longest head before the records, so that they need not be copied behind it.
    const start = PIECE_HEAD_BYTES_MAX - head.length;
    const whole = this.#out.view();
    whole.set(head.view(), start);
    this.#begin();
    return { first, last, minTimestamp, maxTimestamp, bytes: whole.subarray(start) };
  }

  #begin(memory: Uint8Array = new Uint8Array(4096)): void {
    this.#out.buffer = memory;
    this.#out.reset();
    this.#out.reserve(PIECE_HEAD_BYTES_MAX);
    this.#out.length = PIECE_HEAD_BYTES_MAX;
    this.#count = 0;
  }
}
