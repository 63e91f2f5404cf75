/**
 * The bytes of a file, or a range of them, as the body of an object.
 *
 * @module
 */
import { throwIfAborted } from "../../base/abort.ts";
import { borrow, giveBack } from "../../base/buffers.ts";
import { IOError } from "../../base/errors.ts";
import { readRange } from "../../files/read.ts";
import type { FileHandle } from "../../files/file_system.ts";

/** Large enough for the disk's full speed, small enough that many bodies at once take little memory. */
const PIECE_BYTES = 2 ** 20;

/** What a body reads, and how it fails. */
export interface FileRange {
  /** The open file; the body closes it. */
  handle: FileHandle;
  /** The first byte. */
  start: number;
  /** The byte after the last. */
  end: number;
  /** Whether a piece's memory may be used again once the next is asked for. */
  reuse: boolean;
  /** Gives up. */
  signal: AbortSignal | undefined;
  /** The error to throw for one that the file system threw. */
  failure: (error: unknown) => unknown;
}

/** Reads a file piece by piece, once, and closes it at the end, on failure, or when the loop is left. */
export class FileBody implements AsyncIterableIterator<Uint8Array> {
  readonly #range: FileRange;
  #at: number;
  #memory: Uint8Array | undefined;
  #reading = false;

  /** Not a generator: one that was never begun would not close the file when told to end. */
  constructor(range: FileRange) {
    this.#range = range;
    this.#at = range.start;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    const { end, signal, failure } = this.#range;
    if (this.#at >= end) return await this.return();
    try {
      throwIfAborted(signal);
      const piece = await this.#read(Math.min(end, this.#at + PIECE_BYTES));
      throwIfAborted(signal);
      this.#at += piece.length;
      return { done: false, value: piece };
    } catch (error) {
      await this.return();
      throw signal?.aborted && signal.reason === error ? error : failure(error);
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#at = this.#range.end;
    // What is still being read into is not to be lent to others.
    if (!this.#reading) giveBack(this.#memory);
    this.#memory = undefined;
    await this.#range.handle.close().catch(() => {}); // Nothing was written: nothing can be lost.
    return { done: true, value: undefined };
  }

  async #read(end: number): Promise<Uint8Array> {
    const { handle, reuse } = this.#range;
    if (!reuse) return await readWhole(handle, this.#at, end);
    this.#memory ??= borrow(PIECE_BYTES);
    this.#reading = true;
    try {
      return await fill(handle, this.#at, this.#memory.subarray(0, end - this.#at));
    } finally {
      this.#reading = false;
    }
  }
}

/** All bytes up to `into`'s length, from `position` on. */
async function fill(handle: FileHandle, position: number, into: Uint8Array): Promise<Uint8Array> {
  const count = await handle.readAt(into, position);
  if (count === into.length) return into;
  throw endsEarly(handle, position + into.length);
}

/** The bytes from `start` up to `end`, all of them. */
export async function readWhole(handle: FileHandle, start: number, end: number): Promise<Uint8Array> {
  const bytes = await readRange(handle, start, end - start);
  if (bytes.length === end - start) return bytes;
  throw endsEarly(handle, end);
}

function endsEarly(handle: FileHandle, end: number): IOError {
  return new IOError(`Cannot read ${handle.path}: it ends before byte ${end}, where it had some (IO)`, {
    path: handle.path,
  });
}

/** A body of bytes that are read already. */
export async function* bytesBody(bytes: Uint8Array, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal);
  if (bytes.length > 0) yield bytes;
}
