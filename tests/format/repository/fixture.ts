/** What the tests of a repository's formats share: bytes in pieces, sources that notice their end, rings, errors by name. */
import assert from "node:assert/strict";
import { concatBytes } from "../../../lib/base/bytes.ts";
import {
  type ObjectTotals,
  readObject,
  writeObject,
  type WriteObjectOptions,
} from "../../../lib/format/repository/object.ts";
import type { KeyRing } from "../../../lib/format/repository/key_ring.ts";
import { ringOf } from "../../../lib/format/repository/ring.ts";

export const DATABASE = "000102030405060708090a0b0c0d0e0f";
export const LINEAGE = "101112131415161718191a1b1c1d1e1f";
export const REPOSITORY = "202122232425262728292a2b2c2d2e2f";

/** Bytes 0, 1, 2 ...; from another `start` for another ring or salt. */
export function counting(start = 0): (count: number) => Uint8Array {
  return (count) => Uint8Array.from({ length: count }, (_, i) => start + i);
}

/** The roots are made of bytes that nothing else here has. */
export const RING: KeyRing = ringOf("00112233445566778899aabbccddeeff", counting(150)(32));
export const OTHER_RING: KeyRing = ringOf("ffeeddccbbaa99887766554433221100", counting(200)(32));

/** The bytes in pieces of at most `size`. */
export async function* pieces(bytes: Uint8Array, size = Infinity): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + Math.min(size, bytes.length - at));
}

/** Every piece in memory that the next one overwrites, as a careless source would. */
export async function* reused(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const memory = new Uint8Array(size);
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size);
    memory.fill(0xee);
    memory.set(part);
    yield memory.subarray(0, part.length);
  }
}

/** A source that tells how many pieces were taken and whether it was ended. */
export class Watched implements AsyncIterable<Uint8Array> {
  taken = 0;
  ended = false;
  readonly #source: AsyncIterable<Uint8Array>;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of this.#source) {
        this.taken++;
        yield piece;
      }
    } finally {
      this.ended = true;
    }
  }
}

/** All that a generator yields, and what it returns. */
export async function drain<T extends ObjectTotals>(generator: AsyncGenerator<Uint8Array, T>): Promise<{
  bytes: Uint8Array;
  totals: T;
}> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const step = await generator.next();
    if (step.done) return { bytes: concatBytes(...parts), totals: step.value };
    parts.push(step.value.slice());
  }
}

/** The stored bytes of an object. */
export async function stored(raw: Uint8Array, options: Partial<WriteObjectOptions> = {}): Promise<Uint8Array> {
  const all = { compression: "none", randomBytes: counting(), ...options } as const;
  return (await drain(writeObject(pieces(raw), all))).bytes;
}

/** The raw bytes of an object. */
export async function opened(bytes: Uint8Array, ring?: KeyRing): Promise<Uint8Array> {
  return (await drain(readObject(pieces(bytes), ring === undefined ? { name: "obj" } : { name: "obj", ring }))).bytes;
}

/** What a call fails with; fails itself when it does not. */
export async function failure(call: () => unknown): Promise<Error> {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
  return assert.fail("nothing was thrown");
}

/** Changes one bit. */
export function flipped(bytes: Uint8Array, at: number, bit = 0): Uint8Array {
  const out = bytes.slice();
  out[at] = out[at]! ^ (1 << bit);
  return out;
}
