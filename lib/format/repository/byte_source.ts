/**
 * Pulls bytes by count from a stream of pieces, whatever their sizes: for formats with lengths.
 *
 * What it gives is a copy, so a source may use its memory again, and grows as bytes arrive: a length that is a lie costs
 * no more memory than the bytes that follow it.
 *
 * @module
 */
import { ByteWriter, EMPTY_BYTES } from "../../base/bytes.ts";

/** Memory taken before a byte has arrived: what a usual chunk needs, so that it never has to grow. */
const FIRST_BYTES = 2 * 2 ** 20;

/** A stream of bytes, pulled by count. */
export class ByteSource {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = EMPTY_BYTES;
  /** What comes after it, the last one first, before more is pulled. */
  readonly #behind: Uint8Array[] = [];
  #ended = false;

  /** Reads from `pieces`; `close` ends it. */
  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Exactly `count` bytes, or fewer when the stream ends before. */
  async exactly(count: number): Promise<Uint8Array> {
    const out = new ByteWriter(Math.min(count, FIRST_BYTES));
    while (out.length < count && await this.#fill()) {
      const part = this.#piece.subarray(0, count - out.length);
      this.#piece = this.#piece.subarray(part.length);
      out.bytes(part);
    }
    return out.view();
  }

  /** The next bytes, at most `limit`, as a view that the next call may overwrite; undefined at the end. */
  async some(limit: number): Promise<Uint8Array | undefined> {
    if (!await this.#fill()) return undefined;
    const part = this.#piece.subarray(0, limit);
    this.#piece = this.#piece.subarray(part.length);
    return part;
  }

  /** As `exactly`, into memory of the caller; says how many bytes there were. */
  async into(out: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < out.length && await this.#fill()) {
      const part = this.#piece.subarray(0, out.length - filled);
      this.#piece = this.#piece.subarray(part.length);
      out.set(part, filled);
      filled += part.length;
    }
    return filled;
  }

  /** Gives bytes back: they come again next. They must stay as they are until then. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#piece.length > 0) this.#behind.push(this.#piece);
    this.#piece = bytes;
  }

  /** Whether no byte follows. */
  async atEnd(): Promise<boolean> {
    return !await this.#fill();
  }

  /** Ends the stream it reads from; again is fine. */
  async close(): Promise<void> {
    this.#piece = EMPTY_BYTES;
    if (this.#ended) return;
    this.#ended = true;
    await this.#pieces.return?.();
  }

  async #fill(): Promise<boolean> {
    while (this.#piece.length === 0) {
      const behind = this.#behind.pop();
      if (behind !== undefined) {
        this.#piece = behind;
        continue;
      }
      if (this.#ended) return false;
      let step: IteratorResult<Uint8Array>;
      try {
        step = await this.#pieces.next();
      } catch (error) {
        this.#ended = true; // What threw has ended itself.
        throw error;
      }
      if (step.done) {
        this.#ended = true;
        return false;
      }
      this.#piece = step.value;
    }
    return true;
  }
}
