/**
 * What disks do to files at rest.
 *
 * @module
 */

/** The unit in which disks lose what they keep or put it elsewhere. */
const BLOCK_BYTES = 512;

/**
 * The bytes of a file after a fault of the disk: a few bits flipped, a block of zeros, a block that belongs elsewhere, or an
 * end that is missing. Always other bytes than before, unless there are none.
 *
 * @example
 * ```ts
 * import { memoryFileSystem, randomDamage } from "./memory_file_system.ts";
 * const disk = memoryFileSystem();
 * const file = await disk.open("/a", "create");
 * await file.append(new Uint8Array(100).fill(1));
 * disk.damage("/a", (bytes) => randomDamage(bytes, Math.random));
 * ```
 */
export function randomDamage(bytes: Uint8Array, random: () => number): Uint8Array {
  if (bytes.length === 0) return bytes;
  const below = (limit: number): number => Math.floor(random() * limit);
  const damaged = bytes.slice();
  const start = below(Math.ceil(bytes.length / BLOCK_BYTES)) * BLOCK_BYTES;
  const kind = below(6);
  if (kind === 0) return bytes.slice(0, below(bytes.length));
  if (kind === 1) damaged.fill(0, start, start + BLOCK_BYTES);
  if (kind === 2) {
    damaged.set(bytes.subarray(below(bytes.length)).subarray(0, bytes.length - start).subarray(0, BLOCK_BYTES), start);
  }
  const isSame = kind > 2 || damaged.every((byte, i) => byte === bytes[i]);
  for (let flips = isSame ? 1 + below(3) : 0; flips > 0; flips--) damaged[below(bytes.length)]! ^= 1 << below(8);
  // Two flips may have undone each other.
  if (damaged.every((byte, i) => byte === bytes[i])) damaged[below(bytes.length)]! ^= 1;
  return damaged;
}
