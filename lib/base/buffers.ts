/**
 * Memory for pieces of files on their way, used again and again.
 *
 * The first touch of fresh memory costs more than reading, hashing or copying what is put there (the system has to clear
 * and map each page), so whatever moves gigabytes borrows its pieces here. What is borrowed holds any bytes; it is given
 * back once nobody reads or writes it any more, and what is never given back, after a failure say, is left to the garbage
 * collector.
 *
 * @module
 */

/** The most that is lent as one piece: a mebibyte and what formats put around it. */
export const BUFFER_BYTES: number = 2 ** 20 + 2 ** 10;

/** Below this the system hands out memory that it has touched already. */
const SMALL_BYTES = 2 ** 15;

/** Buffers kept while nobody needs them: what a backup with its usual concurrency has in use. */
const IDLE_MAX = 12;

const idle: ArrayBuffer[] = [];
const lent = new WeakSet<ArrayBufferLike>();

/** Memory of this size. Sizes above `BUFFER_BYTES` are allowed, but are fresh memory each time. */
export function borrow(size: number): Uint8Array {
  if (size < SMALL_BYTES || size > BUFFER_BYTES) return new Uint8Array(size);
  const buffer = idle.pop() ?? new ArrayBuffer(BUFFER_BYTES);
  lent.add(buffer);
  return new Uint8Array(buffer, 0, size);
}

/** Gives back what was borrowed, by any view of it. Anything else, and a second time, is fine. */
export function giveBack(bytes: Uint8Array | undefined): void {
  if (bytes === undefined || !lent.delete(bytes.buffer)) return;
  if (idle.length < IDLE_MAX) idle.push(bytes.buffer as ArrayBuffer);
}
