import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { ByteWriter, encodeText, toHex, writeU32 } from "../../lib/base/bytes.ts";
import { CODEC_NONE, CODEC_ZSTD, compressSync } from "../../lib/base/codec.ts";
import { crc32 } from "../../lib/base/checksum.ts";
import { CorruptionError } from "../../lib/base/errors.ts";
import { BLOCK_RAW_BYTES_MAX, BLOCK_TRAILER_BYTES, openBlock, writeBlock } from "../../lib/format/table/block.ts";
import { seedAt } from "../../lib/format/identity.ts";

const FILE = "/data/000005.sst";

function stored(
  payload: Uint8Array,
  codec = CODEC_NONE,
  rawLength = payload.length,
  seed = 7,
  offset = 64,
): Uint8Array {
  const out = new ByteWriter();
  assert.equal(writeBlock(out, payload, codec, rawLength, seed, offset), payload.length + BLOCK_TRAILER_BYTES);
  return out.take();
}

describe("openBlock", () => {
  it("reads the documented example", () => {
    const bytes = stored(encodeText("hi"), CODEC_NONE, 2, 0, 64);
    assert.equal(toHex(bytes), "6869000200000001ec8320");
    assert.deepEqual(openBlock(bytes, 0, FILE, 64), encodeText("hi"));
  });

  it("gives back what was compressed", () => {
    const raw = new Uint8Array(5000).fill(97);
    assert.deepEqual(openBlock(stored(compressSync(raw), CODEC_ZSTD, 5000), 7, FILE, 64), raw);
  });

  it("refuses a block from another place or another file", () => {
    const bytes = stored(encodeText("hello"));
    assert.deepEqual(openBlock(bytes, 7, FILE, 64), encodeText("hello"));
    assert.throws(() => openBlock(bytes, 7, FILE, 75), CorruptionError);
    assert.throws(() => openBlock(bytes, 8, FILE, 64), CorruptionError);
  });

  it("refuses any change of any bit", () => {
    const bytes = stored(encodeText("hello"));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => openBlock(changed, 7, FILE, 64), CorruptionError);
    }
  });

  it("refuses zeros of any length", () => {
    for (let length = 0; length < 100; length++) {
      assert.throws(() => openBlock(new Uint8Array(length), 0, FILE, 64), CorruptionError);
    }
  });

  it("refuses a raw length that is not true, though its checksum is", () => {
    const raw = new Uint8Array(5000).fill(97);
    for (const length of [0, 1, 4999, 5001, BLOCK_RAW_BYTES_MAX, BLOCK_RAW_BYTES_MAX + 1, 0xffffffff]) {
      assert.throws(() => openBlock(stored(compressSync(raw), CODEC_ZSTD, length), 7, FILE, 64), CorruptionError);
      assert.throws(() => openBlock(stored(raw, CODEC_NONE, length), 7, FILE, 64), CorruptionError);
    }
  });

  it("refuses an unknown codec, and what is not compressed as it says", () => {
    assert.throws(() => openBlock(stored(encodeText("hello"), 2), 7, FILE, 64), /codec 2/);
    assert.throws(() => openBlock(stored(encodeText("hello"), CODEC_ZSTD), 7, FILE, 64), CorruptionError);
  });

  it("says file, offset and detail", () => {
    const bytes = stored(encodeText("hello"));
    writeU32(bytes, 10, crc32(bytes, seedAt(7, 64), 0, 10) ^ 1);
    assert.throws(() => openBlock(bytes, 7, FILE, 64), (error) => {
      assert.ok(error instanceof CorruptionError);
      assert.deepEqual([error.file, error.offset, error.code], [FILE, 64, "CORRUPTION"]);
      return true;
    });
  });
});
