/**
 * Writes a tar archive as a stream: bounded memory, any size, readable by every `tar`.
 *
 * @module
 */
import { IntegrityError } from "../../base/errors.ts";
import { encodeTarHeader, padded, TAR_BLOCK } from "./tar_header.ts";

/** One file to be archived. */
export interface TarMember {
  /** Its name in the archive: relative, with `/` between folders. */
  name: string;
  /** Exactly how many bytes `pieces` will give. */
  size: number;
  /** Opens the bytes; called once, when the archive comes to this member. */
  pieces: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/**
 * The archive of `members` in their order. `timeMs` is the time that all of them bear. A member that turns out longer or
 * shorter than it said ends the stream with `IntegrityError`, for no reader could make sense of what follows.
 */
export async function* writeTar(
  members: Iterable<TarMember> | AsyncIterable<TarMember>,
  timeMs: number,
): AsyncGenerator<Uint8Array> {
  for await (const { name, size, pieces } of members) {
    yield encodeTarHeader(name, size, timeMs);
    let left = size;
    for await (const piece of pieces()) {
      left -= piece.length;
      if (left < 0) break;
      yield piece;
    }
    if (left !== 0) {
      throw new IntegrityError(
        `Cannot archive ${name}: it has ${left < 0 ? "more" : "fewer"} than the ${size} bytes it should have; ` +
          "check the disk and run it again",
      );
    }
    const padding = padded(size) - size;
    if (padding > 0) yield new Uint8Array(padding);
  }
  yield new Uint8Array(2 * TAR_BLOCK);
}

/** How long the archive of members with these names and sizes is. */
export function tarLength(members: Iterable<{ name: string; size: number }>): number {
  let total = 2 * TAR_BLOCK;
  for (const { name, size } of members) total += encodeTarHeader(name, size, 0).length + padded(size);
  return total;
}
