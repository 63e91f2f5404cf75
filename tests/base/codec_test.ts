import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DecodeError } from "../../lib/base/bytes.ts";
import { compressSync, decompressSync } from "../../lib/base/codec.ts";

const text = new TextEncoder().encode("the same words again ".repeat(1000));

describe("compressSync", () => {
  it("is undone by decompressSync at every level and length", () => {
    for (const level of [undefined, 1, 3, 19]) {
      for (const length of [0, 1, 100, 16384, text.length]) {
        const raw = text.slice(0, length);
        const compressed = compressSync(raw, level);
        assert.deepEqual(decompressSync(compressed, length), raw);
      }
    }
    assert.ok(compressSync(text).length < text.length / 10);
  });

  it("takes a view and gives arrays whose slices are copies", () => {
    const compressed = compressSync(text.subarray(7, 1007));
    const raw = decompressSync(compressed, 1000);
    assert.deepEqual(raw, text.slice(7, 1007));
    assert.equal(Object.getPrototypeOf(raw), Uint8Array.prototype);
    assert.equal(Object.getPrototypeOf(compressed), Uint8Array.prototype);
  });
});

describe("decompressSync", () => {
  it("keeps no more memory alive than it gives", () => {
    for (const length of [100, 5000, 16384]) {
      const raw = decompressSync(compressSync(text.slice(0, length)), length);
      assert.ok(raw.buffer.byteLength <= length + 64, `${raw.buffer.byteLength} bytes for ${length}`);
    }
  });

  it("gives long input back whole", () => {
    const long = new Uint8Array(9 * 2 ** 20).map((_, i) => i * i);
    assert.deepEqual(decompressSync(compressSync(long), long.length), long);
  });

  it("refuses another length than promised, without making room for more", () => {
    const bomb = compressSync(new Uint8Array(10_000_000));
    assert.throws(() => decompressSync(bomb, 1000), DecodeError);
    assert.throws(() => decompressSync(compressSync(text), text.length - 1), DecodeError);
    assert.throws(() => decompressSync(compressSync(text), text.length + 1), DecodeError);
    assert.throws(() => decompressSync(compressSync(text), 0), DecodeError);
  });

  it("refuses what is damaged or cut", () => {
    const compressed = compressSync(text);
    assert.throws(() => decompressSync(new Uint8Array(0), 5), DecodeError);
    assert.throws(() => decompressSync(new Uint8Array(50), 5), DecodeError);
    assert.throws(() => decompressSync(compressed.slice(0, compressed.length - 3), text.length), DecodeError);
  });
});
