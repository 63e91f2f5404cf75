import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compareBytes, toHex } from "../../lib/base/bytes.ts";
import { decodeKey, encodeKey } from "../../lib/adapters/kv/keys.ts";
import { compareKeys } from "./key_order.ts";
import type { Key } from "./operations.ts";

const part = fc.oneof(
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.constantFrom("a\0", "\0", "\ud800x", "x\udc00"),
  fc.double(),
  fc.constantFrom(-0, 0, NaN, Infinity, -Infinity),
  fc.bigInt(),
  fc.tuple(fc.integer({ min: -70, max: 70 }), fc.integer({ min: -1, max: 1 })).map(([bits, more]) => {
    return BigInt(Math.sign(bits)) * 2n ** BigInt(8 * Math.abs(bits)) + BigInt(more);
  }),
  fc.constantFrom(2n ** 2040n - 1n, 2n ** 2040n, 2n ** 2048n, -(2n ** 2040n), 1n - 2n ** 2040n, -(2n ** 4000n)),
  fc.uint8Array({ maxLength: 6 }),
  fc.boolean(),
);
const key: fc.Arbitrary<Key> = fc.array(part, { maxLength: 3 });

/** What comes out of a key: lone surrogates don't. */
const kept = (key: Key): Key => key.map((part) => typeof part === "string" ? part.toWellFormed() : part);

describe("the bytes of a key", () => {
  it("are whole where the memory that they are put together in has to grow", () => {
    // Each part where there is no room for it, or for a part of it; first of all, for memory that has grown stays.
    const parts: [part: Key[number], room: number][] = [
      [1.5, 0],
      [new Uint8Array(10), 12],
      ["\0".repeat(10), 12],
      [-(2n ** 63n), 3],
      [true, 0],
      [0n, 0],
    ];
    let memory = 1024;
    for (const [part, room] of parts) {
      const key = [...Array<boolean>(memory - room).fill(true), part];
      assert.deepEqual(decodeKey(encodeKey(key)), key);
      memory *= 2;
    }
  });

  it("are in the order of the keys", () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        assert.equal(Math.sign(compareBytes(encodeKey(a), encodeKey(b))), Math.sign(compareKeys(a, b)));
      }),
      { numRuns: 2000 },
    );
  });

  it("are a key again", () => {
    fc.assert(
      fc.property(key, (key) => {
        assert.deepEqual(decodeKey(encodeKey(key)), kept(key));
      }),
      { numRuns: 1000 },
    );
  });

  it("are those that Deno KV writes", () => {
    const bytes: [Key, string][] = [
      [["a", 1n, true], "026100" + "1501" + "27"],
      [["\0é"], "0200ffc3a900"],
      [[new Uint8Array([1, 0]), false], "010100ff00" + "26"],
      [[0, -1, NaN], "218000000000000000" + "21400fffffffffffff" + "21fff8000000000000"],
      [[0n, -1n, -256n, 2n ** 64n], "14" + "13fe" + "12feff" + "1d09010000000000000000"],
      [[-(2n ** 64n)], "0bf6feffffffffffffffff"],
      [["\ud800"], "02efbfbd00"],
    ];
    assert.deepEqual(bytes.map(([key]) => toHex(encodeKey(key))), bytes.map(([, hex]) => hex));
  });

  it("are refused when they are none", () => {
    for (
      const hex of [
        "02",
        "0261",
        "0161",
        "2100",
        "1c01",
        "1d",
        "1d02ff",
        "28",
        `28${"00".repeat(20)}`,
        "f0",
        "00",
        "1e00",
      ]
    ) {
      assert.throws(() => decodeKey(Uint8Array.fromHex(hex)), { code: "CORRUPTION" }, hex);
    }
  });

  it("are refused when their memory is gone, which would pass for empty ones", () => {
    const transferred = new Uint8Array(3);
    structuredClone(transferred, { transfer: [transferred.buffer] });
    assert.throws(() => encodeKey(["a", transferred]), TypeError);
  });

  it("take no memory for what is too large for one", () => {
    const parts = ["k".repeat(20_000_000), new Uint8Array(20_000_000), 2n ** 100_000_000n];
    const before = process.memoryUsage().arrayBuffers;
    for (const part of parts) {
      assert.throws(() => encodeKey([part]), { name: "TypeError", message: "Key too large (max 65535 bytes)" });
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 10_000_000);
  });

  it("are as many as a key may have, whatever its parts", () => {
    const parts: [Key, Key][] = [
      [["k".repeat(65_533)], ["k".repeat(65_534)]],
      [[new Uint8Array(32_766)], [new Uint8Array(32_767)]],
      [[2n ** (65_532n * 8n - 1n)], [2n ** (65_532n * 8n)]],
      [["k".repeat(65_532), true], ["k".repeat(65_532), true, false]],
    ];
    for (const [fits, none] of parts) {
      assert.deepEqual(decodeKey(encodeKey(fits)), fits);
      assert.throws(() => encodeKey(none), { message: "Key too large (max 65535 bytes)" });
    }
  });

  it("hold no memory of the key", () => {
    const bytes = new Uint8Array([1, 2, 3]);
    const encoded = encodeKey([bytes]);
    bytes.fill(9);
    assert.deepEqual(decodeKey(encoded), [new Uint8Array([1, 2, 3])]);
  });
});
