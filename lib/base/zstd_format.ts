/**
 * What a Zstandard frame looks like from outside (RFC 8878).
 *
 * @module
 */

const MAGIC = 0xfd2fb528;

/** Whether the pieces are one whole frame (RFC 8878), of `length` raw bytes where it states that. */
export function isFrame(pieces: readonly Uint8Array[], length: number): boolean {
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  /** The number of `count` bytes at `at`, or NaN where the frame ends before. */
  const number = (at: number, count: number): number => {
    if (at + count > total) return NaN;
    let value = 0;
    for (let i = count - 1; i >= 0; i--) value = value * 256 + byteAt(pieces, at + i);
    return value;
  };
  const descriptor = number(4, 1);
  const isSingle = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const sizeAt = 5 + (isSingle ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
  const size = number(sizeAt, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  let at = sizeAt + sizeBytes;
  for (let last = false; !last;) {
    const block = number(at, 3);
    // NaN, too, ends it: then `at` is NaN.
    last = (block & 1) === 1 || Number.isNaN(block);
    const isRepeated = ((block >> 1) & 3) === 1;
    at += 3 + (isRepeated ? 1 : Math.floor(block / 8));
  }
  if ((descriptor & 4) !== 0) at += 4;
  return number(0, 4) === MAGIC && at === total && (sizeBytes === 0 || size === length);
}

function byteAt(pieces: readonly Uint8Array[], at: number): number {
  for (const piece of pieces) {
    if (at < piece.length) return piece[at]!;
    at -= piece.length;
  }
  return NaN;
}
