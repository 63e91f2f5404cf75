/**
 * CRC-32 (IEEE 802.3, reflected, as `zlib.crc32`), the checksum of every byte Holdfast puts on disk.
 *
 * @module
 */
import { crc32 as nativeCrc32 } from "node:zlib";

/**
 * Below this many bytes a table in JavaScript beats the call into zlib (about 0.2 µs on Node); above it zlib's vector
 * code wins.
 */
const NATIVE_FROM_BYTES = 48;

const TABLE = new Uint32Array(256);
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  TABLE[n] = c >>> 0;
}

/**
 * The CRC-32 of `bytes[start, end)`, continued from `seed` (the checksum of what came before, 0 at the beginning).
 *
 * @example
 * ```ts
 * import { crc32 } from "./checksum.ts";
 * crc32(new TextEncoder().encode("123456789")).toString(16); // "cbf43926"
 * ```
 */
export function crc32(bytes: Uint8Array, seed = 0, start = 0, end: number = bytes.length): number {
  if (end - start >= NATIVE_FROM_BYTES) return nativeCrc32(bytes.subarray(start, end), seed);
  let c = ~seed;
  for (let i = start; i < end; i++) c = TABLE[(c ^ bytes[i]!) & 0xff]! ^ (c >>> 8);
  return ~c >>> 0;
}

/** The CRC-32 continued over one byte: for those who look for the place where a checksum holds. */
export function crc32Byte(crc: number, byte: number): number {
  const c = ~crc;
  return ~(TABLE[(c ^ byte) & 0xff]! ^ (c >>> 8)) >>> 0;
}
