import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { copyOut, shortArray } from "../../lib/base/small_copies.ts";

const source = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
const LENGTHS = [0, 1, 7, 8, 63, 64, 65, 100, 1023, 1024, 1025, 1280, 1281, 4000];

describe("copyOut()", () => {
  it("copies what it is told to, of any length, as plain bytes", () => {
    for (const length of LENGTHS) {
      for (const start of [0, 3, 900]) {
        const copy = copyOut(source, start, start + length);
        assert.deepEqual(copy, source.slice(start, start + length));
        assert.equal(Object.getPrototypeOf(copy), Uint8Array.prototype);
      }
    }
    assert.deepEqual(copyOut(source, 0, source.length), source);
    const ofBuffer = copyOut(Buffer.from(source), 10, 20);
    assert.equal(Object.getPrototypeOf(ofBuffer).constructor, Uint8Array);
  });

  it("gives bytes that nobody else sees, however many copies there are", () => {
    const copies = Array.from({ length: 2000 }, (_, i) => {
      const length = LENGTHS[i % LENGTHS.length]!;
      return { copy: copyOut(source, i % 900, i % 900 + length), expected: source.slice(i % 900, i % 900 + length) };
    });
    for (const [i, { copy }] of copies.entries()) if (i % 2 === 0) copy.fill(0xee);
    for (const [i, { copy, expected }] of copies.entries()) {
      assert.deepEqual(copy, i % 2 === 0 ? expected.fill(0xee) : expected);
    }
    assert.deepEqual(source, Uint8Array.from({ length: 5000 }, (_, i) => i * 7));
  });

  it("begins where numbers of eight bytes can be read in place", () => {
    for (let i = 0; i < 300; i++) assert.equal(copyOut(source, 0, 66 + i % 50).byteOffset % 8, 0);
  });

  it("shares no memory that could be taken from the others", () => {
    const [first, second] = [copyOut(source, 0, 100), copyOut(source, 100, 200)];
    if (first.buffer === second.buffer) {
      assert.throws(() => structuredClone(first, { transfer: [first.buffer as ArrayBuffer] }));
    }
    assert.deepEqual(second, source.slice(100, 200));
  });
});

describe("shortArray()", () => {
  it("gives zeros that nobody else sees, among copies", () => {
    const arrays = Array.from({ length: 2000 }, (_, i) => {
      copyOut(source, 0, 100);
      const array = shortArray(LENGTHS[i % LENGTHS.length]!);
      assert.ok(array.every((byte) => byte === 0), `array ${i} is of zeros`);
      return array.fill(i);
    });
    for (const [i, array] of arrays.entries()) {
      assert.equal(array.length, LENGTHS[i % LENGTHS.length]!);
      assert.ok(array.every((byte) => byte === (i & 255)), `array ${i} is left alone`);
    }
  });
});
