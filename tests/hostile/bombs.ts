/** Small files that unpack to huge ones, made without ever holding what they unpack to. */
import { gzipSync } from "node:zlib";
import { concatBytes, encodeText, writeU32 } from "../../lib/base/bytes.ts";

/** The most that one zstd block unpacks to. */
const BLOCK_BYTES = 128 * 1024;

/** A part of what a bomb unpacks to: bytes as they are, or one byte many times. */
export type Part = Uint8Array | { byte: number; times: number };

/** The header of a zstd frame: `window` its exponent, `size` what it claims to hold. */
export function zstdHead(window: number, size?: bigint): Uint8Array {
  const head = new Uint8Array(size === undefined ? 6 : 14);
  writeU32(head, 0, 0xfd2fb528);
  head[4] = size === undefined ? 0 : 0xc0;
  head[5] = (window - 10) << 3;
  if (size !== undefined) new DataView(head.buffer).setBigUint64(6, size, true);
  return head;
}

/** One zstd frame of these parts; a repeated byte takes four bytes for 128 KiB. */
export function zstdFrame(parts: readonly Part[], head: Uint8Array = zstdHead(17)): Uint8Array {
  const out: Uint8Array[] = [head];
  const block = (size: number, type: number, bytes: Uint8Array): void => {
    const word = (size << 3) | (type << 1);
    out.push(new Uint8Array([word & 255, (word >> 8) & 255, word >> 16]), bytes);
  };
  for (const part of parts) {
    if (part instanceof Uint8Array) {
      for (let at = 0; at < part.length; at += BLOCK_BYTES) {
        const piece = part.subarray(at, at + BLOCK_BYTES);
        block(piece.length, 0, piece);
      }
      continue;
    }
    for (let left = part.times; left > 0; left -= BLOCK_BYTES) {
      block(Math.min(left, BLOCK_BYTES), 1, new Uint8Array([part.byte]));
    }
  }
  out.push(new Uint8Array([1, 0, 0])); // The last block, empty.
  return concatBytes(...out);
}

/** What a gzip member of a bomb unpacks to at most. */
const MEMBER_BYTES = 32 * 2 ** 20;

/** Gzip members of these parts, one behind the other. */
export function gzipMembers(parts: readonly Part[]): Uint8Array {
  const out: Uint8Array[] = [];
  const known = new Map<string, Uint8Array>();
  for (const part of parts) {
    if (part instanceof Uint8Array) {
      out.push(gzipSync(part));
      continue;
    }
    for (let left = part.times; left > 0; left -= MEMBER_BYTES) {
      const length = Math.min(left, MEMBER_BYTES);
      const key = `${part.byte} ${length}`;
      let made = known.get(key);
      if (made === undefined) known.set(key, made = gzipSync(new Uint8Array(length).fill(part.byte), { level: 1 }));
      out.push(made);
    }
  }
  return concatBytes(...out);
}

/** The parts of a JSON text with one place that goes on and on. */
export function jsonParts(before: string, filler: string, times: number, behind: string): Part[] {
  return [encodeText(before), { byte: filler.charCodeAt(0), times }, encodeText(behind)];
}
