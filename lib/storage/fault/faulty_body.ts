/**
 * Bodies that break off.
 *
 * @module
 */
import type { ObjectBody } from "../object_store.ts";

/** The body, until `failing` gives an error between two pieces. */
export function watchedBody(body: ObjectBody, failing: () => unknown): ObjectBody {
  return body instanceof Uint8Array ? body : watched(body, failing);
}

async function* watched(body: AsyncIterable<Uint8Array>, failing: () => unknown): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    const error = failing();
    if (error !== undefined) throw error;
    yield piece;
  }
}

/** The first half of the first piece, then an error. */
export async function* tornBody(body: ObjectBody, error: () => unknown): AsyncGenerator<Uint8Array> {
  for await (const piece of body instanceof Uint8Array ? [body] : body) {
    yield piece.subarray(0, piece.length >> 1);
    break;
  }
  throw error();
}
