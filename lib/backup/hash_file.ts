/**
 * Files read in pieces through the same memory again and again, and their digests.
 *
 * The next piece is being read while the present one is worked on. A piece is short enough that hashing it is not felt by
 * others on the main thread.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { throwIfAborted } from "../base/abort.ts";
import { borrow, giveBack } from "../base/buffers.ts";
import type { Pace } from "../base/pace.ts";
import type { FileSystem } from "../files/file_system.ts";

/** Each read costs a way through the pool of threads; hashing so much takes 0.7 ms. */
const PIECE_BYTES = 2 ** 20;

/** The pieces of a file; each is used up once the next is asked for. Ends early only when the file does. */
export async function* reusedPieces(fs: FileSystem, path: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const file = await fs.open(path, "read");
  let memory: Uint8Array[] = [];
  let ahead: Promise<number> | undefined;
  try {
    const size = file.sizeSync();
    const length = Math.min(PIECE_BYTES, size);
    let [piece, next] = [borrow(length), borrow(size > length ? length : 0)];
    memory = [piece, next];
    ahead = file.readAt(piece, 0);
    for (let at = 0; at < size;) {
      const count = await ahead;
      throwIfAborted(signal);
      if (count === 0) return;
      at += count;
      if (at < size) {
        ahead = file.readAt(next.subarray(0, size - at), at);
        ahead.catch(() => {}); // It is awaited with the next piece, or below.
      }
      yield piece.subarray(0, count);
      [piece, next] = [next, piece];
    }
  } finally {
    await ahead?.catch(() => {});
    await file.close();
    for (const one of memory) giveBack(one);
  }
}

/** SHA-256 of all pieces, hex. */
export async function hashPieces(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

/** SHA-256 of a whole file, hex. */
export async function hashFile(
  fs: FileSystem,
  path: string,
  options: {
    signal?: AbortSignal | undefined;
    onBytes?: ((count: number) => void) | undefined;
    pace?: Pace | undefined;
  } = {},
): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of reusedPieces(fs, path, options.signal)) {
    hash.update(piece);
    options.onBytes?.(piece.length);
    await options.pace?.took(piece.length, options.signal);
  }
  return hash.digest("hex");
}
