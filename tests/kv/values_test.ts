import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { loadStructuredCodec } from "../../lib/adapters/kv/structured.ts";
import { KvU64 } from "../../lib/adapters/kv/u64.ts";
import { fromStored, toStored } from "../../lib/adapters/kv/values.ts";

const codec = await loadStructuredCodec("open a KV");

/** What a value is when it was stored: JSON is made of all but bytes and text. */
function stored<T>(value: T): T {
  const kept = toStored(codec, value);
  const isJson = typeof kept !== "string" && !(kept instanceof Uint8Array);
  return fromStored(codec, isJson ? JSON.parse(JSON.stringify(kept)) : kept) as T;
}

describe("a value", () => {
  it("is stored as what it is, if JSON, text or bytes can say it", () => {
    const plain = [1, "text", true, null, { a: [{ b: "c" }], d: {} }, [[], [1, 2]], new Uint8Array([1])];
    for (const value of plain) assert.equal(toStored(codec, value), value);
    let deep: unknown = 1;
    for (let i = 0; i < 1000; i++) deep = [deep];
    assert.equal(toStored(codec, deep), deep);
    const beside = { $u64: "1", of: 2 };
    assert.equal(fromStored(codec, toStored(codec, beside)), beside);
    // Those are no text of JSON.
    for (const value of [{ "\ud800": 1 }, ["\ud800"]]) {
      assert.deepEqual(Object.keys(toStored(codec, value) as object), ["$kv"]);
    }
  });

  it("is stored with all that a clone keeps", () => {
    const shared = { of: "two" };
    const cycle: Record<string, unknown> = { shared, again: shared };
    cycle["cycle"] = cycle;
    const match = /b(c)/.exec("abc")!;
    const values = [
      ...[undefined, NaN, -0, Infinity, 12n ** 40n, "a\ud800", { a: undefined }, [1, , 3], cycle, match],
      ...[new Date(5), new Date(NaN), /a\/b/giu, new Map([[{ k: 1 }, new Set([1n])]]), [
        Object(1),
        Object("x"),
        Object(1n),
      ]],
      ...[new Float64Array([1, NaN]), { nested: new Uint8Array([1, 2]) }, new ArrayBuffer(3), new BigInt64Array([-1n])],
      ...[{ "\ud800": "\u2028" }, JSON.parse('{"__proto__": {"a": 1}}'), { then: 1, length: 2, toString: 3 }],
      ...[{ $kv: "1" }, { $u64: "1" }, { $kv: { $kv: 1n } }],
      ...[Object.assign([1, ,], { more: 2 }), Object.assign([1], { 4294967295: 2 })],
    ];
    for (const value of values) assert.deepEqual(stored(value), value);
    const back = stored(cycle);
    assert.equal(back["cycle"], back);
    assert.equal(back["shared"], back["again"]);
    assert.deepEqual([stored(match).index, stored(match).input], [1, "abc"]);
    const twice = stored([shared, shared]);
    assert.equal(twice[0], twice[1]);
    const list = Object.assign([1 as unknown], { list: 1 as unknown });
    list[0] = list.list = list;
    const ring = stored(list);
    assert.ok(ring[0] === ring && ring.list === ring);
  });

  it("is an error with its class, message, stack and cause", () => {
    const error = new RangeError("too far", { cause: new TypeError("no number") });
    const back = stored(error);
    assert.ok(back instanceof RangeError && back.cause instanceof TypeError);
    assert.deepEqual([back.message, back.stack, Object.keys(back)], ["too far", error.stack, []]);
    const selfmade: Error & { cause?: unknown } = new (class Own extends Error {
      override name = "Own";
      extra = 1;
    })("x");
    selfmade.cause = { selfmade };
    const same = stored(selfmade);
    assert.equal(Object.getPrototypeOf(same), Error.prototype);
    assert.equal((same.cause as { selfmade: Error }).selfmade, same);
    assert.equal("extra" in same, false);
    const bare = new Error();
    delete bare.stack;
    assert.deepEqual(
      Object.getOwnPropertyNames(stored(bare)).filter((name) => ["message", "stack"].includes(name)),
      [],
    );
  });

  it("is the data of an object of a class", () => {
    class Point {
      x = 1;
      get sum(): number {
        return this.x;
      }
    }
    assert.deepEqual(stored(new Point()), { x: 1 });
    assert.deepEqual(stored({ in: new KvU64(3n) }), { in: { value: 3n } });
    assert.deepEqual(stored(Object.assign(Object.create(null), { a: 1 })), { a: 1 });
  });

  it("is what it has, and not what a hidden toJSON makes of it", () => {
    const hidden = { value: () => "something else" };
    const object = Object.defineProperty({ a: [1] }, "toJSON", hidden);
    assert.deepEqual(stored([object]), [{ a: [1] }]);
    assert.deepEqual(stored({ list: Object.defineProperty([1], "toJSON", hidden) }), { list: [1] });
  });

  it("is the bytes that a view shows, and no more of its buffer", () => {
    const pooled = stored({ bytes: Buffer.from("abc"), part: new Uint16Array([1, 2, 3]).subarray(1) });
    assert.deepEqual(pooled, { bytes: new Uint8Array([97, 98, 99]), part: new Uint16Array([2, 3]) });
    assert.deepEqual([pooled.bytes.buffer.byteLength, pooled.part.buffer.byteLength], [3, 4]);
  });

  it("is 64 bits, ours or Deno's", () => {
    assert.deepEqual(stored(new KvU64(2n ** 64n - 1n)), new KvU64(2n ** 64n - 1n));
    const denos = { value: 5n, [Symbol.toStringTag]: "Deno.KvU64" };
    assert.deepEqual(stored<unknown>(denos), new KvU64(5n));
  });

  it("is refused when it can't be kept, at any depth", () => {
    const refused = [
      ...[() => 1, Symbol("s"), Promise.resolve(), new WeakMap(), new WeakRef({}), new Proxy([() => 1], {})],
      ...[new SharedArrayBuffer(1), new Blob([]), new URL("file:///"), (function* () {})(), Object(Symbol("s"))],
      ...[
        new DataView(new SharedArrayBuffer(1)),
        new DataView(new SharedArrayBuffer(2), 1),
        new AbortController().signal,
      ],
      new Proxy(Object.assign([1], { more: 1 }), {}),
      ...[new DOMException("no", "DataError"), AbortSignal.abort().reason],
    ];
    for (const value of refused) {
      assert.throws(() => toStored(codec, value), TypeError);
      assert.throws(() => toStored(codec, { deep: [new Map([[1, value]])] }), TypeError);
    }
    assert.throws(() => toStored(codec, new Uint8Array(new SharedArrayBuffer(1))), TypeError);
    assert.throws(
      () => toStored(codec, { u: undefined, o: JSON.parse('{"__proto__": 1}') }),
      /could not be cloned.*value\.o/,
    );
    const named = Object.defineProperty([1], "__proto__", { value: {}, enumerable: true });
    assert.throws(() => toStored(codec, named), /could not be cloned/);
  });

  it("is read wherever it is written, or refused for what lies in each other", () => {
    // The kinds that are not JSON, and how many levels each takes.
    const kinds: [levels: number, around: (value: unknown) => unknown][] = [
      [1, (value) => [value]],
      [1, (value) => [value, undefined]],
      [1, (value) => ({ value, none: undefined })],
      [1, (value) => new Map([[value, 1]])],
      [1, (value) => new Map([[1, value]])],
      [1, (value) => new Set([value])],
      [2, (cause) => new Error("", { cause })],
      [3, (value) => Object.assign([value], { more: 1 })],
    ];
    const nested = (around: (value: unknown) => unknown, times: number): unknown => {
      let value: unknown = 1n;
      for (let i = 0; i < times; i++) value = around(value);
      return value;
    };
    for (const [levels, around] of kinds) {
      const most = Math.floor(1000 / levels);
      assert.equal(typeof stored(nested(around, most)), "object");
      const refused = { name: "RangeError", message: /more than 1,000/ };
      assert.throws(() => toStored(codec, nested(around, most + 1)), refused);
      assert.throws(() => toStored(codec, nested(around, 100_000)), refused);
    }
    assert.throws(() => toStored(codec, nested((value) => [value], 100_000)), { message: /more than 1,000/ });
    assert.throws(() => toStored(codec, nested((value) => ({ value }), 100_000)), { message: /more than 1,000/ });
  });

  it("lies no deeper for what its numbers are", () => {
    const holes: unknown[] = [];
    for (let i = 0; i < 3000; i++) holes[1000 * i] = [i];
    const numbers = [holes, Array.from({ length: 3000 }, (_, i) => [BigInt(i), new Date(i), String(i)])];
    assert.deepEqual(stored(numbers), numbers);
    // At the last level, and with indexes that are the places of others.
    const sparse: unknown[] = [];
    for (let place = 900; place < 1300; place++) sparse[place] = 1n;
    sparse[100_000] = 1n;
    let deep: unknown = sparse;
    for (let i = 0; i < 998; i++) deep = { deep };
    const beside = Array.from({ length: 300 }, (_, i) => [{ i }]);
    assert.deepEqual(stored({ deep, beside }), { deep, beside });
  });

  it("lies no deeper than where it is first met", () => {
    const list: unknown[] = [undefined];
    for (let i = 0; i < 5000; i++) list.push([list, list[i]]);
    const back = stored(list) as unknown[][];
    assert.equal(back[5000]![0], back);
    assert.equal(back[5000]![1], back[4999]);
  });

  it("that was not written here is refused, and runs nothing", () => {
    const hostile = [
      ...'x|[]|[["Nothing",1]]|[{"__proto__":0}]|[["Error",0]]|[["Function",1],"alert()"]'.split("|"),
      ...[
        '[["Uint8Array",1],1000000000]',
        '[["ArrayBuffer",7]]',
        "[[-7,-1]]",
        "[5",
        '[["BigInt","x"]]',
        "99",
        '[["Map",9]]',
      ],
    ];
    for (const text of hostile) assert.throws(() => fromStored(codec, { $kv: text }), { code: "CORRUPTION" }, text);
    assert.throws(() => fromStored(codec, { $kv: 5 }), { code: "CORRUPTION" });
    for (const text of ["-1", "", "18446744073709551616", "99999999999999999999", "018446744073709551615"]) {
      assert.throws(() => fromStored(codec, { $u64: text }), { code: "CORRUPTION" }, text);
    }
    assert.deepEqual(fromStored(codec, { $u64: "18446744073709551615" }), new KvU64(2n ** 64n - 1n));
    assert.ok(fromStored(codec, { $kv: '[["Error",1],{"name":2},"constructor"]' }) instanceof Error);
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  });
});
