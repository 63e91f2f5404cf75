import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compareBytes, encodeText } from "../../lib/base/bytes.ts";
import { encodeKey } from "../../lib/adapters/kv/keys.ts";
import { tuple, type TuplePart } from "../../lib/adapters/typed/tuple.ts";
import { LONG } from "../crash/random.ts";
import { compareKeys } from "../kv/key_order.ts";

const part = fc.oneof(
  fc.string({ unit: "binary", maxLength: 5 }),
  fc.constantFrom("", "\0", "a\0", "\0\xff", "\xff", "ä\0ö", "\u0800", "\ue000", "\u{10000}"),
  fc.double(),
  fc.constantFrom(-0, 0, NaN, Infinity, -Infinity),
  fc.bigInt(),
  fc.constantFrom(2n ** 2040n, -(2n ** 2040n), 2n ** 64n, -(2n ** 64n)),
  fc.uint8Array({ maxLength: 5 }),
  fc.constantFrom(new Uint8Array([0]), new Uint8Array([0, 255]), new Uint8Array([255])),
  fc.boolean(),
);
const parts: fc.Arbitrary<TuplePart[]> = fc.array(part, { minLength: 1, maxLength: 3 });
const runs = { numRuns: LONG ? 10_000 : 300 };

const sign = (a: Uint8Array, b: Uint8Array): number => Math.sign(compareBytes(a, b));
const begins = (whole: readonly TuplePart[], start: readonly TuplePart[]): boolean =>
  whole.length > start.length && start.every((each, i) => compareKeys([each], [whole[i]!]) === 0);

describe("tuple", () => {
  it("orders text and bytes as the tuples are ordered", () => {
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const order = Math.sign(compareKeys(a, b));
        assert.equal(sign(encodeText(tuple.encode(a)), encodeText(tuple.encode(b))), order);
        assert.equal(sign(tuple.bytes.encode(a), tuple.bytes.encode(b)), order);
      }),
      runs,
    );
  });

  it("gives back what was put in", () => {
    fc.assert(
      fc.property(parts, (a) => {
        assert.deepEqual(tuple.decode(tuple.encode(a)), a);
        assert.deepEqual(tuple.bytes.decode(tuple.bytes.encode(a)), a);
        assert.deepEqual(tuple.bytes.encode(a), encodeKey(a));
      }),
      runs,
    );
  });

  it("has in a range what begins with its parts and goes on, and nothing else", () => {
    const related = fc.tuple(parts, fc.array(part, { maxLength: 2 })).map(([a, more]) => [a, [...a, ...more]] as const);
    fc.assert(
      fc.property(fc.oneof(related, fc.tuple(fc.array(part, { maxLength: 2 }), parts)), ([prefix, key]) => {
        const inside = begins(key, prefix);
        const bytes = tuple.bytes.range(prefix);
        const encoded = tuple.bytes.encode(key);
        assert.equal(compareBytes(bytes.start, encoded) <= 0 && compareBytes(encoded, bytes.end) < 0, inside);
        const [start, end] = [tuple.range(prefix).start, tuple.range(prefix).end].map(encodeText);
        const text = encodeText(tuple.encode(key));
        assert.equal(compareBytes(start!, text) <= 0 && compareBytes(text, end!) < 0, inside);
      }),
      runs,
    );
  });

  it("keeps strings as they can be read", () => {
    assert.equal(tuple.encode(["größe", true]), "\x02größe\0\x27");
    assert.equal(tuple.encode(["a", 1n]), "\x02a\0\x15\x01");
  });

  it("refuses what is no part, and what is too long", () => {
    const wrong = (parts: unknown): () => unknown => () => tuple.encode(parts as TuplePart[]);
    assert.throws(wrong("a"), { name: "TypeError", message: /must be an array, not "a"/ });
    assert.throws(wrong(["a", new Date(0)]), { name: "TypeError", message: /part 1 .* not a Date; give its getTime/ });
    for (const part of [null, undefined, {}, Symbol("a"), new Uint16Array(1), "\ud800"]) {
      assert.throws(wrong([part]), TypeError, String(part));
      assert.throws(() => tuple.bytes.encode([part as string]), TypeError);
      assert.throws(() => tuple.range([part as string]), TypeError);
    }
    const transferred = new Uint8Array(3);
    structuredClone(transferred, { transfer: [transferred.buffer] });
    assert.throws(wrong(["a", transferred]), { name: "TypeError", message: /part 1 is bytes whose memory is gone/ });
    assert.throws(wrong([]), { name: "RangeError", message: /at least one part/ });
    for (const long of ["x".repeat(65_534), "ä".repeat(33_000), 2n ** 600_000n, new Uint8Array(40_000)]) {
      assert.throws(wrong([long]), { name: "RangeError", message: /more than 65,535 bytes/ });
    }
    assert.equal(tuple.encode(["x".repeat(65_533)]).length, 65_535);
    assert.throws(() => tuple.bytes.encode(["x".repeat(65_534)]), RangeError);
  });

  it("refuses to decode what is no tuple", () => {
    for (const key of ["", "user/1", "\x02a", "\x02", "\x15", "\x15\u0101", "\x16\x00\x01", "\x27\x28", "\0"]) {
      assert.throws(() => tuple.decode(key), { name: "TypeError" }, JSON.stringify(key));
    }
    for (const hex of ["", "0261", "15", "160001", "28", "21fff8000000000001"]) {
      assert.throws(() => tuple.bytes.decode(Uint8Array.fromHex(hex)), { name: "TypeError" }, hex);
    }
    assert.throws(() => tuple.decode(new Uint8Array(1) as unknown as string), TypeError);
    assert.throws(() => tuple.bytes.decode("a" as unknown as Uint8Array), TypeError);
  });
});
