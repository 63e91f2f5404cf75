import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { all, withDb } from "./helpers.ts";

const bytes = (...list: number[]): Uint8Array => new Uint8Array(list);

/** Bytes whose memory is gone, by a transfer as to a worker, or by a buffer that became too short: both are of length 0. */
const gone = (): Uint8Array[] => {
  const transferred = bytes(1, 2, 3);
  structuredClone(transferred.buffer, { transfer: [transferred.buffer as ArrayBuffer] });
  const buffer = new ArrayBuffer(4, { maxByteLength: 4 });
  const cut = new Uint8Array(buffer, 2, 2);
  buffer.resize(1);
  return [transferred, cut];
};

describe("keys", () => {
  it("may have 1 to 65,535 bytes", () =>
    withDb(async (db) => {
      await db.set("k".repeat(65_535), 1);
      assert.equal(await db.get("k".repeat(65_535)), 1);
      const long = { name: "RangeError", message: "set: the key has 65,536 bytes; a key has 1 to 65,535 bytes" };
      await assert.rejects(db.set("k".repeat(65_536), 1), long);
      await assert.rejects(db.set("é".repeat(32_768), 1), RangeError);
      await assert.rejects(db.set("", 1), {
        name: "RangeError",
        message: "set: the key is empty; a key has 1 to 65,535 bytes",
      });
      assert.throws(() => db.getSync(""), /getSync: the key is empty/);
      assert.equal(db.version, 1);
    }));

  it("are ordered by unsigned bytes of their UTF-8, not by UTF-16", () =>
    withDb(async (db) => {
      const keys = ["z", "é", "\u{1f600}", "\uffee", "a", "ab", "A"];
      await db.setMany(keys.map((key) => [key, 0] as const));
      assert.deepEqual(await all(db.keys()), ["A", "a", "ab", "z", "é", "\uffee", "\u{1f600}"]);
    }));

  it("of a text key space are refused when they are not text", () =>
    withDb(async (db) => {
      await assert.rejects(db.set("a\ud800", 1), {
        name: "TypeError",
        message: 'set: the key "a\\ud800" has a lone surrogate, which is not text',
      });
      await assert.rejects(db.get(bytes(0xff) as unknown as string), {
        name: "TypeError",
        message: 'get: the key is bytes that are not UTF-8; such keys need keyEncoding "bytes"',
      });
      await assert.rejects(db.delete(7 as unknown as string), {
        name: "TypeError",
        message: "delete: the key must be a string, not the number 7",
      });
      await assert.rejects(db.has(undefined as unknown as string), /has: the key must be a string, not undefined/);
    }));

  it("of a text key space may be given as UTF-8 bytes and come out as strings", () =>
    withDb(async (db) => {
      await db.set(new TextEncoder().encode("zürich") as unknown as string, 1);
      assert.deepEqual(await all(db.keys()), ["zürich"]);
    }));

  it("of a byte key space are any bytes, and come out as copies", async () => {
    await using db = await DB.open(":memory:", { keyEncoding: "bytes" });
    const key = bytes(0xff, 0, 0xff);
    await db.set(key, "v");
    key[0] = 1;
    const [found] = await all(db.keys());
    assert.deepEqual(found, bytes(0xff, 0, 0xff));
    found![0] = 9;
    assert.equal(await db.get(bytes(0xff, 0, 0xff)), "v");
    assert.deepEqual(await all(db.keys({ prefix: bytes(0xff) })), [bytes(0xff, 0, 0xff)]);
    await assert.rejects(db.get(5 as unknown as Uint8Array), /the key must be a Uint8Array, not the number 5/);
  });

  it("and bounds are refused when their memory is gone, where they would pass for empty ones", async () => {
    await using db = await DB.open(":memory:", { keyEncoding: "bytes" });
    for (const key of gone()) {
      const refusal = (what: string): object => ({
        name: "TypeError",
        message: new RegExp(`: the ${what} is bytes whose memory is gone: .* give a copy$`),
      });
      await assert.rejects(db.set(key, 1), refusal("key"));
      assert.throws(() => db.getSync(key), refusal("key"));
      assert.throws(() => db.atomic().delete(key), refusal("key"));
      await assert.rejects(db.count({ prefix: key }), refusal("prefix"));
      await assert.rejects(db.deleteRange({ start: bytes(1), end: key }), refusal("end"));
    }
    assert.equal(db.version, 0);
  });

  it("keep a leading byte order mark", () =>
    withDb(async (db) => {
      await db.set("\ufeffa", "\ufeffb");
      assert.deepEqual(await all(db.keys()), ["\ufeffa"]);
      assert.equal(await db.get("\ufeffa"), "\ufeffb");
    }));
});

describe("values", () => {
  it("come out as they went in, kind included", () =>
    withDb(async (db) => {
      const values = [
        "text",
        "",
        bytes(),
        bytes(0, 255),
        null,
        true,
        0,
        -1.5e300,
        [],
        {},
        { a: [1, { b: "ü" }, null] },
        "null",
        "\u2028",
      ];
      for (const [i, value] of values.entries()) await db.set(`v${i}`, value);
      for (const [i, value] of values.entries()) {
        assert.deepEqual(await db.get(`v${i}`), value);
        assert.deepEqual(db.getSync(`v${i}`), value);
      }
    }));

  it("may be a Buffer, and come out as a plain Uint8Array", () =>
    withDb(async (db) => {
      await db.set("k", Buffer.from([1, 2]));
      const value = await db.get<Uint8Array>("k");
      assert.equal(Object.getPrototypeOf(value), Uint8Array.prototype);
      assert.deepEqual(value, bytes(1, 2));
    }));

  it("follow JSON.stringify in what JSON can say", () =>
    withDb(async (db) => {
      class Point {
        x = 1;
        toJSON(key: string): unknown {
          return { point: this.x, key };
        }
      }
      const value = {
        date: new Date(0),
        point: new Point(),
        gone: undefined,
        holes: [undefined, 1],
        boxed: [Object(1), Object("s"), Object(false)],
        empty: [[], {}, Object.create(null), new (class Empty {})()],
        said: Object.assign(new Error("x"), { toJSON: () => "an error" }),
        [Symbol("s")]: 1,
        ["__proto__"]: 1,
      };
      await db.set("k", value);
      assert.deepEqual(await db.get("k"), JSON.parse(JSON.stringify(value)));
      await db.set("d", new Date(0));
      assert.equal(await db.get("d"), "1970-01-01T00:00:00.000Z");
    }));

  it("that JSON would bend or drop are refused with their path", () =>
    withDb(async (db) => {
      const cycle: Record<string, unknown> = { inner: {} };
      (cycle["inner"] as Record<string, unknown>)["back"] = cycle;
      const cases: [unknown, string][] = [
        [NaN, "set: value is NaN, which JSON cannot hold"],
        [{ a: [0, Infinity] }, "set: value.a[1] is Infinity, which JSON cannot hold"],
        [{ a: 1n }, "set: value.a is a bigint, which JSON cannot hold; store it as a string"],
        [{ "b c": () => 1 }, 'set: value["b c"] is a function, which JSON cannot hold'],
        [[Symbol("s")], "set: value[0] is a symbol, which JSON cannot hold"],
        [cycle, "set: value.inner.back is a cycle, which JSON cannot hold"],
        [{ m: new Map() }, "set: value.m is a Map, which JSON would empty; convert it to an array or object"],
        [new Set(), "set: value is a Set, which JSON would empty; convert it to an array or object"],
        [Promise.resolve(1), "set: value is a Promise, which JSON would empty; await it"],
        [
          { all: db.list() },
          "set: value.all is an asynchronous iterable, which JSON would empty; gather what it gives, as by Array.fromAsync",
        ],
        [
          new (class Bag {
            *[Symbol.iterator]() {}
          })(),
          "set: value is a Bag, which JSON would empty; convert it to an array or object",
        ],
        [[/x/], "set: value[0] is a RegExp, which JSON would empty; convert it to an array or object"],
        [new Blob(["x"]), "set: value is a Blob, which JSON would empty; convert it to an array or object"],
        [
          { e: new RangeError("x") },
          "set: value.e is a RangeError, whose message JSON would drop; convert it to an object",
        ],
        [
          Object.assign(new Error("x"), { code: "X" }),
          "set: value is an Error, whose message JSON would drop; convert it to an object",
        ],
        [
          { b: bytes(1) },
          "set: value.b is bytes (a Uint8Array) inside JSON; store them as a value of their own or as a string",
        ],
        [
          { b: Buffer.from([1]) },
          "set: value.b is bytes (a Buffer) inside JSON; store them as a value of their own or as a string",
        ],
        [
          [new ArrayBuffer(1)],
          "set: value[0] is bytes (an ArrayBuffer) inside JSON; store them as a value of their own or as a string",
        ],
        [{ s: "\udc00" }, "set: value.s is a string with a lone surrogate, which is not text"],
        [{ "\udc00": 1 }, 'set: value["\\udc00"] is named with a lone surrogate, which is not text'],
        ["\ud800", "set: the value has a lone surrogate, which is not text; store it as bytes"],
        [undefined, "set: undefined is no value; use null, or delete the key"],
        [() => 1, "set: value is a function, which JSON cannot hold"],
        [new Float64Array(1), "set: the value is a Float64Array; pass its bytes as a Uint8Array"],
        [new SharedArrayBuffer(1), "set: the value is a SharedArrayBuffer; pass its bytes as a Uint8Array"],
      ];
      for (const [value, message] of cases) {
        await assert.rejects(db.set("k", value as object), { name: "TypeError", message });
      }
      assert.equal(db.version, 0);
    }));

  it("are refused when their memory is gone, and nothing is written in their place", () =>
    withDb(async (db) => {
      for (const value of gone()) {
        const refusal = { name: "TypeError", message: /: the value is bytes whose memory is gone: .* give a copy$/ };
        await assert.rejects(db.set("a", value), refusal);
        await assert.rejects(db.setMany([["a", value]]), refusal);
        const atomic = db.atomic().set("b", 1);
        assert.throws(() => atomic.set("a", value), refusal);
        await atomic.commit();
        await db.transaction((tx) => {
          assert.throws(() => tx.set("a", value), refusal);
          tx.set("c", 1);
        });
        assert.deepEqual(await all(db.keys()), ["b", "c"]);
      }
      await db.set("a", new Uint8Array(0));
      assert.deepEqual(await db.get("a"), bytes());
    }));

  it("are refused the same way behind a toJSON", () =>
    withDb(async (db) => {
      const cycle: unknown[] = [new Date(0)];
      cycle.push({ again: cycle });
      const cases: [unknown, RegExp][] = [
        [{ d: new Date(0), a: [{ n: NaN }] }, /value\.a\[0\]\.n is NaN/],
        [{ x: { toJSON: () => ({ y: 1n }) } }, /value\.x\.y is a bigint/],
        [{ x: { toJSON: () => new Map() } }, /value\.x is a Map/],
        [[new Date(0), Promise.resolve(1)], /value\[1\] is a Promise/],
        [[new Date(0), { e: new Error("x") }], /value\[1\]\.e is an Error/],
        [{ x: { toJSON: () => new Date(0) } }, /value\.x is a Date, which JSON would empty/],
        [{ toJSON: () => undefined }, /toJSON gave undefined, which is no value/],
        [cycle, /value\[1\]\.again is a cycle/],
        [[new Date(0), "\ud800"], /value\[1\] is a string with a lone surrogate/],
        [[new Date(0), { deep: bytes(1) }], /value\[1\]\.deep is bytes/],
        [{ d: new Date(NaN), e: { f: 1 }, g: -Infinity }, /value\.g is -Infinity/],
      ];
      for (const [value, message] of cases) {
        await assert.rejects(db.set("k", value as object), (error: Error) => {
          assert.equal(error.name, "TypeError");
          assert.match(error.message, message);
          return true;
        });
      }
      // The same object twice is no cycle.
      const twice = { at: new Date(0) };
      await db.set("k", [twice, twice]);
    }));

  it("may have a thousand arrays and objects within each other and not one more, behind a toJSON too", () =>
    withDb(async (db) => {
      const nested = (depth: number): object => {
        let value: object = [];
        for (let i = 1; i < depth; i++) value = i % 2 === 0 ? [value] : { value };
        return value;
      };
      for (const wrap of [(value: object) => value, (value: object) => ({ toJSON: () => value })]) {
        await db.set("k", wrap(nested(1000)));
        assert.equal(JSON.stringify(await db.get("k")), JSON.stringify(nested(1000)));
        for (const depth of [1001, 5000]) {
          await assert.rejects(db.set("k", wrap(nested(depth))), {
            name: "RangeError",
            message: "set: the value has more than 1,000 arrays and objects within each other",
          });
        }
      }
    }));

  it("may have 256 MiB and not a byte more", () =>
    withDb(async (db) => {
      const large = new Uint8Array(256 * 2 ** 20 + 1);
      await assert.rejects(db.set("k", large), {
        name: "RangeError",
        message: "set: the value has 268,435,457 bytes; a value has at most 256 MiB",
      });
      await assert.rejects(db.set("k", "x".repeat(256 * 2 ** 20 + 1)), RangeError);
      await db.set("k", new Uint8Array(5 * 2 ** 20).fill(7));
      assert.equal((await db.get<Uint8Array>("k"))?.length, 5 * 2 ** 20);
      assert.equal(db.getSync<Uint8Array>("k")?.[5_000_000], 7);
    }));

  it("are copied in and out", () =>
    withDb(async (db) => {
      const value = bytes(1, 2, 3);
      const json = { a: [1] };
      const done = [db.set("b", value), db.set("j", json)];
      value[0] = 9;
      json.a[0] = 9;
      await Promise.all(done);
      const out = await db.get<Uint8Array>("b");
      assert.deepEqual(out, bytes(1, 2, 3));
      out![1] = 9;
      (await db.get<{ a: number[] }>("j"))!.a[0] = 8;
      assert.deepEqual(await db.get("b"), bytes(1, 2, 3));
      assert.deepEqual(await db.get("j"), { a: [1] });
      const large = new Uint8Array(100_000).fill(1);
      await db.set("l", large);
      await db.compact();
      (await db.get<Uint8Array>("l"))!.fill(2);
      assert.equal(db.getSync<Uint8Array>("l")![0], 1);
    }));
});

describe("entries", () => {
  it("carry version, time, tags and expiry", async () => {
    let now = 5000;
    await withDb(async (db) => {
      const commit = await db.set("a", 1, { tags: ["x", "y", "x"], expireIn: 100 });
      assert.deepEqual(commit, { version: 1, timestamp: 5000 });
      const entry = { key: "a", value: 1, version: 1, timestamp: 5000, tags: ["x", "y"], expiresAt: 5100 };
      assert.deepEqual(await db.getEntry("a"), entry);
      assert.deepEqual(db.getEntrySync("a"), entry);
      now = 4000; // a clock that runs backward
      await db.set("a", 2);
      assert.deepEqual(await db.getEntry("a"), { key: "a", value: 2, version: 2, timestamp: 5000, tags: [] });
      assert.equal(await db.getEntry("b"), undefined);
      assert.equal(db.getEntrySync("b"), undefined);
    }, { clock: () => now });
  });

  it("have at most 64 tags of 1 to 255 bytes", () =>
    withDb(async (db) => {
      const tags = Array.from({ length: 64 }, (_, i) => `t${i}`);
      await db.set("k", 1, { tags });
      assert.deepEqual((await db.getEntry("k"))?.tags, tags);
      await db.set("l", 1, { tags: ["x".repeat(255)] });
      assert.deepEqual(await all(db.keys({ tag: "x".repeat(255) })), ["l"]);
      const cases: [unknown, string, RegExp][] = [
        [[...tags, "more"], "RangeError", /set: 65 tags; an entry has at most 64/],
        [[""], "RangeError", /set: a tag is empty; a tag has 1 to 255 bytes/],
        [["é".repeat(128)], "RangeError", /has 256 bytes; a tag has 1 to 255 bytes/],
        [[1], "TypeError", /set: a tag must be a string, not 1/],
        ["x", "TypeError", /set: tags must be an array of strings, not "x"/],
        [["\ud800"], "TypeError", /lone surrogate/],
      ];
      for (const [wrong, name, message] of cases) {
        await assert.rejects(db.set("k", 1, { tags: wrong as string[] }), { name, message });
      }
    }));
});
