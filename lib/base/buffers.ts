/**
 * Memory for pieces of files and for packed values on their way, used again and again.
 *
 * The first touch of fresh memory costs more than reading, hashing or copying what is put there (the system has to clear
 * and map each page), so whatever moves gigabytes borrows its pieces here. What is borrowed holds any bytes; it is given
 * back once nobody reads or writes it any more, and what is never given back, after a failure say, is left to the garbage
 * collector.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { systemTimers } from "./timers.ts";

/** The most that is lent as one piece: a mebibyte and what formats put around it. */
export const BUFFER_BYTES: number = 2 ** 20 + 2 ** 10;

/** Below this the system hands out memory that it has touched already. */
const SMALL_BYTES = 2 ** 15;

/** Buffers kept while nobody needs them: what a backup with its usual concurrency, or a few reads of values, have in use. */
const IDLE_MAX = 12;

/** Large ones come in whole steps, so that those of nearly one size take each other's place. */
const LARGE_STEP = 2 ** 20;

/** Large ones are too much to keep for long. */
const LARGE_IDLE_MS = 10_000;

const idle: ArrayBuffer[] = [];
/** Above `BUFFER_BYTES`: parts of uploads, ranges of downloads. */
const idleLarge: ArrayBuffer[] = [];
const lent = new WeakSet<ArrayBufferLike>();
let goesSoon = false;

/** Fresh memory that may hold any bytes: for who writes to all of it, or gives it to nobody. */
export function uncleared(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(size < SMALL_BYTES ? new ArrayBuffer(size) : Buffer.allocUnsafeSlow(size).buffer);
}

/** Memory of this size; from 32 KiB on it is used again. */
export function borrow(size: number): Uint8Array {
  if (size < SMALL_BYTES) return new Uint8Array(size);
  const buffer = size > BUFFER_BYTES ? large(size) : idle.pop() ?? uncleared(BUFFER_BYTES).buffer;
  lent.add(buffer);
  return new Uint8Array(buffer, 0, size);
}

/** Gives back what was borrowed, by any view of it. Anything else, and a second time, is fine. */
export function giveBack(bytes: Uint8Array | undefined): void {
  if (bytes === undefined || !lent.delete(bytes.buffer)) return;
  const buffer = bytes.buffer as ArrayBuffer;
  if (buffer.byteLength === BUFFER_BYTES) {
    if (idle.length < IDLE_MAX) idle.push(buffer);
    return;
  }
  idleLarge.push(buffer);
  // The oldest goes: of its size none may be wanted any more.
  if (idleLarge.length > IDLE_MAX) idleLarge.shift();
  if (goesSoon) return;
  goesSoon = true;
  systemTimers.set(LARGE_IDLE_MS, () => {
    idleLarge.length = 0;
    goesSoon = false;
  }, false);
}

function large(size: number): ArrayBuffer {
  const bytes = Math.ceil(size / LARGE_STEP) * LARGE_STEP;
  const at = idleLarge.findLastIndex((buffer) => buffer.byteLength === bytes);
  return at < 0 ? new ArrayBuffer(bytes) : idleLarge.splice(at, 1)[0]!;
}
