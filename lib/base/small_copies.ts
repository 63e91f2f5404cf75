/**
 * Copies of a few bytes each, many of them.
 *
 * Where V8 runs, memory of its own for a short `Uint8Array` costs ten times as much as filling it (1.3 µs, measured in Node
 * and Deno). So short copies lie side by side in slabs, as short buffers of Node's do: each has bytes that nobody else sees
 * through it, and a `buffer` that is longer than the array. A slab can't be transferred: that would empty the other arrays
 * in it. Bun makes short arrays fast.
 *
 * @module
 */
import { markAsUntransferable } from "node:worker_threads";

/** One copy that is kept keeps a slab in memory, so slabs are small. */
const SLAB_BYTES = 8192;

/** Longer copies have memory of their own. A value of 1 KiB is not, with what stands before it in its cell. */
const COPY_BYTES_MAX = 1280;

/** Node keeps arrays up to this length within the object; Deno none. */
const WITHIN_OBJECT_BYTES = "Deno" in globalThis ? 0 : 64;

const hasSlabs = !("Bun" in globalThis);

let slab = new ArrayBuffer(0);
let used = 0;

/** A copy of `bytes[start, end)`. */
export function copyOut(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const length = end - start;
  if (!liesInSlab(length)) {
    // A buffer of Node's gives one of its kind, and by its own `slice` a view.
    return bytes.constructor === Uint8Array ? bytes.slice(start, end) : new Uint8Array(bytes.subarray(start, end));
  }
  const out = inSlab(length);
  out.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
  return out;
}

/** An array of zeros, for what is not kept for long. */
export function shortArray(length: number): Uint8Array {
  return liesInSlab(length) ? inSlab(length) : new Uint8Array(length);
}

function liesInSlab(length: number): boolean {
  return hasSlabs && length > WITHIN_OBJECT_BYTES && length <= COPY_BYTES_MAX;
}

function inSlab(length: number): Uint8Array {
  if (used + length > slab.byteLength) newSlab();
  const out = new Uint8Array(slab, used, length);
  // Numbers of eight bytes can be read in place.
  used += (length + 7) & ~7;
  return out;
}

function newSlab(): void {
  slab = new ArrayBuffer(SLAB_BYTES);
  used = 0;
  markAsUntransferable(slab);
}
