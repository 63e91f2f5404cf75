/**
 * Streams of bytes: what the formats of this floor are written to and read from. Inside they are async iterables, which
 * pull one piece at a time, so that memory stays bounded and a consumer that stops stops the producer too.
 *
 * @module
 */
import { describeValue } from "../../base/options.ts";
import { throwIfAborted, untilAborted } from "../../base/abort.ts";
import type { FileHandle, FileSystem } from "../../files/file_system.ts";

/** Bytes in pieces; what `Response.body`, a file stream, an array of pieces or a generator are. */
export type ByteStream = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** A piece of this size keeps the disk busy (larger ones gain nothing) and costs little memory. */
export const PIECE_BYTES: number = 256 * 2 ** 10;

/** Whether a value can be read as a stream of bytes. */
export function isByteStream(value: unknown): value is ByteStream {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array || value instanceof URL) return false;
  return Symbol.asyncIterator in value || Symbol.iterator in value ||
    typeof (value as { getReader?: unknown }).getReader === "function";
}

/**
 * The pieces of a stream, each checked to be bytes; the stream is cancelled when the reader stops early, or the signal says
 * so.
 */
export async function* piecesOf(call: string, stream: ByteStream, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const piece of untilAborted(iterableOf(stream), signal)) {
    if (!(piece instanceof Uint8Array)) {
      throw new TypeError(`${call}: the source stream must give Uint8Array pieces, not ${describeValue(piece)}`);
    }
    if (piece.length > 0) yield piece;
  }
}

function iterableOf(stream: ByteStream): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  // By a reader where there is one: the stream's own iterator, if it has any, waits for the next piece before it cancels.
  return "getReader" in stream ? { [Symbol.asyncIterator]: () => readerPieces(stream) } : stream;
}

function readerPieces(stream: ReadableStream<Uint8Array>): AsyncIterator<Uint8Array> {
  const reader = stream.getReader();
  return {
    async next() {
      const { done, value } = await reader.read();
      if (!done) return { done, value };
      reader.releaseLock();
      return { done, value: undefined };
    },
    async return() {
      await reader.cancel().catch(() => {});
      reader.releaseLock();
      return { done: true, value: undefined };
    },
  };
}

/**
 * A stream that pulls from `pieces` only as its reader asks; cancelling it runs the generator's `finally` blocks, also when
 * not one piece was read.
 */
export function toReadableStream(
  pieces: AsyncGenerator<Uint8Array>,
  onCancel?: () => void,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller): Promise<void> {
      const { done, value } = await pieces.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(): Promise<void> {
      // A generator that never started runs no finally block on return, hence the callback.
      onCancel?.();
      await pieces.return(undefined);
    },
  }, { highWaterMark: 0 });
}

/** The first `size` bytes of an open file, in pieces. Ends early only when the file does. */
export async function* filePieces(
  file: FileHandle,
  size: number = file.sizeSync(),
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size;) {
    throwIfAborted(signal);
    const piece = new Uint8Array(Math.min(PIECE_BYTES, size - at));
    const count = await file.readAt(piece, at);
    if (count === 0) return;
    at += count;
    yield count === piece.length ? piece : piece.subarray(0, count);
  }
}

/** A whole file in pieces, opened at the first and closed at the last or when the reader stops. */
export async function* readPieces(fs: FileSystem, path: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const file = await fs.open(path, "read");
  try {
    yield* filePieces(file, file.sizeSync(), signal);
  } finally {
    await file.close();
  }
}

/** Pulls bytes by count from a stream of pieces: for formats with lengths. */
export class PieceReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #ended = false;
  /** How many bytes were taken so far. */
  offset = 0;

  /** Reads from `pieces`; `close` ends it. */
  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** The next bytes, at most `limit`, as a view; undefined at the end. */
  async some(limit: number): Promise<Uint8Array | undefined> {
    while (this.#piece.length === 0) {
      if (this.#ended) return undefined;
      const { done, value } = await this.#pieces.next();
      if (done) {
        this.#ended = true;
        return undefined;
      }
      this.#piece = value;
    }
    const view = this.#piece.subarray(0, limit);
    this.#piece = this.#piece.subarray(view.length);
    this.offset += view.length;
    return view;
  }

  /** Exactly `count` bytes, or fewer when the stream ends before. */
  async exactly(count: number): Promise<Uint8Array> {
    const first = await this.some(count);
    if (first === undefined || first.length === count) return first ?? new Uint8Array(0);
    const out = new Uint8Array(count);
    out.set(first);
    let at = first.length;
    while (at < count) {
      const more = await this.some(count - at);
      if (more === undefined) return out.subarray(0, at);
      out.set(more, at);
      at += more.length;
    }
    return out;
  }

  /** Gives bytes back: they come again next. */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.offset -= bytes.length;
    if (this.#piece.length === 0) {
      this.#piece = bytes;
      return;
    }
    const joined = new Uint8Array(bytes.length + this.#piece.length);
    joined.set(bytes);
    joined.set(this.#piece, bytes.length);
    this.#piece = joined;
  }

  /** All that is left, piece by piece; closes at the end or when the reader stops. */
  async *rest(): AsyncGenerator<Uint8Array> {
    try {
      for (let piece = await this.some(PIECE_BYTES); piece !== undefined; piece = await this.some(PIECE_BYTES)) {
        yield piece;
      }
    } finally {
      await this.close();
    }
  }

  /** Ends the stream it reads from. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#piece = this.#piece.subarray(0, 0);
    await this.#pieces.return?.();
  }
}
