/** What the tests of this floor share. */
import { concatBytes } from "../../lib/base/bytes.ts";

/** All pieces in one. */
export async function collect(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece.slice());
  return concatBytes(...parts);
}

/** Bytes as a stream of pieces of one size. */
// deno-lint-ignore require-await
export async function* inPieces(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
