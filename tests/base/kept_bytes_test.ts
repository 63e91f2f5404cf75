import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { concatBytes, EMPTY_BYTES, encodeText } from "../../lib/base/bytes.ts";
import { KeptBytes } from "../../lib/base/kept_bytes.ts";

/** Of lengths that need more memory, less, and as much as before, and both ways of copying. */
const LENGTHS = [3, 0, 3, 48, 49, 64, 65, 10, 3, 130, 10, 131, 10, 0, 1000, 3, 65];

describe("KeptBytes", () => {
  it("holds what was set last, whatever was set before", () => {
    const kept = new KeptBytes();
    for (const [n, length] of LENGTHS.entries()) {
      const bytes = new Uint8Array(length).map((_, i) => n * 31 + i);
      kept.set(bytes);
      assert.deepEqual(kept.view, bytes);
      bytes.fill(0);
      if (length > 0) assert.equal(kept.view[0], n * 31 & 255);
    }
  });

  it("takes part of other bytes", () => {
    const kept = new KeptBytes();
    const bytes = new Uint8Array(1100).map((_, i) => i * 7);
    for (const [n, length] of LENGTHS.entries()) {
      assert.deepEqual(kept.take(bytes, n, n + length), bytes.slice(n, n + length));
    }
  });

  it("joins a prefix and the end of other bytes", () => {
    const kept = new KeptBytes();
    for (const [n, length] of LENGTHS.entries()) {
      const bytes = new Uint8Array(length).map((_, i) => n * 31 + i);
      for (const prefix of [EMPTY_BYTES, encodeText("abc")]) {
        for (const from of [0, length >> 1, length]) {
          assert.deepEqual(kept.join(prefix, bytes, from), concatBytes(prefix, bytes.subarray(from)));
        }
      }
    }
  });

  it("uses its memory again", () => {
    const kept = new KeptBytes();
    kept.set(encodeText("one"));
    const { view } = kept;
    kept.set(encodeText("two"));
    assert.equal(kept.view, view);
    kept.set(encodeText("three"));
    kept.set(encodeText("one"));
    assert.equal(kept.view, view);
  });
});
