import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { crc32 as zlibCrc32 } from "node:zlib";
import {
  ByteReader,
  ByteWriter,
  compareBytes,
  concatBytes,
  copyBytes,
  copyRange,
  DecodeError,
  decodeText,
  decodeTextAt,
  encodeText,
  equalBytes,
  isText,
  prefixEnd,
  sharedPrefix,
  startsWith,
  toHex,
  varintLength,
} from "../../lib/base/bytes.ts";
import { crc32 } from "../../lib/base/checksum.ts";

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

describe("byte strings", () => {
  it("sort by unsigned bytes, a prefix first", () => {
    const sorted = [bytes(), bytes(0), bytes(0, 0), bytes(1), bytes(1, 0xff), bytes(0x7f), bytes(0x80), bytes(0xff)];
    sorted.forEach((a, i) => sorted.forEach((b, j) => assert.equal(Math.sign(compareBytes(a, b)), Math.sign(i - j))));
    assert.equal(equalBytes(bytes(1, 2), bytes(1, 2)), true);
    assert.equal(equalBytes(bytes(1, 2), bytes(1)), false);
  });

  it("know their prefixes and where those end", () => {
    assert.equal(startsWith(bytes(1, 2, 3), bytes(1, 2)), true);
    assert.equal(startsWith(bytes(1), bytes(1, 2)), false);
    assert.equal(sharedPrefix(bytes(1, 2, 3), bytes(1, 2, 4)), 2);
    assert.deepEqual(prefixEnd(bytes(1, 2)), bytes(1, 3));
    assert.deepEqual(prefixEnd(bytes(1, 0xff, 0xff)), bytes(2));
    assert.equal(prefixEnd(bytes(0xff)), undefined);
    assert.equal(prefixEnd(bytes()), undefined);
  });

  it("join and copy without sharing memory", () => {
    assert.deepEqual(concatBytes(bytes(1), bytes(), bytes(2, 3)), bytes(1, 2, 3));
    const buffer = Buffer.from([1, 2]);
    const copy = copyBytes(buffer);
    buffer[0] = 9;
    assert.deepEqual(copy, bytes(1, 2));
    assert.equal(toHex(bytes(0, 10, 255)), "000aff");
  });

  it("are copied from and to anywhere, in whole and in part, and nothing beside them", () => {
    const source = Uint8Array.from({ length: 200 }, (_, i) => i + 1);
    for (const length of [0, 1, 15, 16, 17, 100, 199, 200]) {
      for (const start of new Set([0, 200 - length])) {
        for (const at of [0, 3]) {
          const target = new Uint8Array(210);
          copyRange(source, start, start + length, target, at);
          const expected = concatBytes(new Uint8Array(at), source.slice(start, start + length));
          assert.deepEqual(target, concatBytes(expected, new Uint8Array(210 - expected.length)));
        }
      }
    }
  });

  it("turn into text only where they are UTF-8", () => {
    assert.equal(decodeText(encodeText("a😀\ufeff")), "a😀\ufeff");
    assert.equal(isText(encodeText("é")), true);
    assert.equal(isText(bytes(0xc3)), false);
    assert.equal(isText(bytes(0xed, 0xa0, 0x80)), false);
  });

  it("turn into text from anywhere in their memory, and into nothing else", () => {
    const texts = [
      "",
      "a",
      "key-0000",
      "\0\x7f",
      "é",
      "\ufeffa",
      "a😀",
      "x".repeat(96),
      "x".repeat(97),
      "é".repeat(60),
    ];
    for (const text of texts) {
      const encoded = encodeText(text);
      for (const before of [0, 1, 7]) {
        const memory = new Uint8Array(before + encoded.length + 3).fill(0xff);
        memory.set(encoded, before);
        assert.equal(decodeTextAt(memory, before, before + encoded.length), text);
        assert.throws(() => decodeTextAt(memory, before, before + encoded.length + 1), TypeError, text);
      }
    }
    assert.throws(() => decodeTextAt(encodeText("é"), 0, 1), TypeError);
    assert.throws(() => decodeTextAt(bytes(0x61, 0x80), 0, 2), TypeError);
  });
});

describe("ByteReader", () => {
  const numbers = [0, 1, 127, 128, 300, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER];

  it("reads what ByteWriter wrote", () => {
    const out = new ByteWriter(1);
    for (const number of numbers) {
      out.varint(number);
      out.u64(number);
      out.u32(number % 2 ** 32);
      out.u8(number % 256);
      out.prefixed(bytes(7, 8));
    }
    const reader = new ByteReader(out.take());
    for (const number of numbers) {
      assert.equal(reader.varint(), number);
      assert.equal(reader.u64(), number);
      assert.equal(reader.u32(), number % 2 ** 32);
      assert.equal(reader.u8(), number % 256);
      assert.deepEqual(reader.prefixed(), bytes(7, 8));
    }
    assert.equal(reader.left, 0);
  });

  it("writes varints as documented", () => {
    const out = new ByteWriter();
    out.varint(300);
    assert.equal(toHex(out.take()), "ac02");
    for (const number of numbers) {
      out.reset();
      out.varint(number);
      assert.equal(out.length, varintLength(number));
    }
  });

  it("refuses to run past the end and numbers that are not exact", () => {
    assert.throws(() => new ByteReader(bytes()).u8(), DecodeError);
    assert.throws(() => new ByteReader(bytes(1, 2, 3)).u32(), DecodeError);
    assert.throws(() => new ByteReader(bytes(5, 1)).prefixed(), DecodeError);
    assert.throws(() => new ByteReader(bytes(0x80)).varint(), DecodeError);
    assert.throws(() => new ByteReader(new Uint8Array(9).fill(0x80)).varint(), DecodeError);
    assert.throws(() => new ByteReader(bytes(255, 255, 255, 255, 255, 255, 255, 127)).varint(), DecodeError);
    assert.throws(() => new ByteReader(new Uint8Array(8).fill(0xff)).u64(), DecodeError);
  });
});

describe("crc32", () => {
  it("is that of zlib for every length, seed and range", () => {
    assert.equal(crc32(encodeText("123456789")).toString(16), "cbf43926");
    const data = new Uint8Array(200).map((_, i) => i * 37);
    for (let length = 0; length <= 200; length++) {
      const seed = length * 2654435761 % 2 ** 32;
      assert.equal(crc32(data, seed, 0, length), zlibCrc32(data.subarray(0, length), seed));
      assert.equal(crc32(data, crc32(data, 0, 0, length), length), crc32(data));
    }
  });
});
