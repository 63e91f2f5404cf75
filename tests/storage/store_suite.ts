/**
 * What every kind of object store must do (`lib/storage/object_store.ts`): the same cases for each, and for your own.
 *
 *     storeSuite("my store", () => new MyStore());
 *
 * `make` gives a store without objects for each case. Cases about what a store says it can't do are left out.
 */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import { setImmediate as immediate } from "node:timers/promises";
import { bytesOf, equal, keysOf, type MakeStore, pattern, streamed, text, textOf } from "./helpers.ts";
import { listSuite, type SuiteOptions } from "./list_suite.ts";

/** Whether this error is the expected one, or was raised because of it. */
function comesFrom(error: unknown, expected: unknown): boolean {
  for (let at = error; at !== undefined; at = (at as { cause?: unknown } | null)?.cause) {
    if (at === expected) return true;
  }
  return false;
}

/** Runs the suite. */
export function storeSuite(name: string, make: MakeStore, options: SuiteOptions = {}): void {
  describe(`${name}: put() and get()`, () => {
    it("give back the bytes, their number and a tag", async () => {
      const store = await make();
      const put = await store.put("a", text("hello"));
      assert.ok(put !== undefined && put.etag !== "");
      const object = await store.get("a");
      assert.equal(object?.size, 5);
      assert.ok(object?.etag === undefined || object.etag === put.etag);
      assert.deepEqual(await bytesOf(object), text("hello"));
      assert.deepEqual(await store.head("a"), { key: "a", size: 5 });
    });

    it("know nothing of what is not there", async () => {
      const store = await make();
      await store.put("a/b", text("1"));
      for (const key of ["b", "a", "a/b/c", "a/c"]) {
        assert.equal(await store.get(key), undefined);
        assert.equal(await store.head(key), undefined);
      }
    });

    it("keep an object without bytes", async () => {
      const store = await make();
      await store.put("empty", new Uint8Array(0));
      await store.put("drained", streamed(new Uint8Array(0), 1));
      for (const key of ["empty", "drained"]) {
        assert.deepEqual(await bytesOf(await store.get(key)), new Uint8Array(0));
        assert.deepEqual(await store.head(key), { key, size: 0 });
      }
      assert.deepEqual(await keysOf(store), ["drained", "empty"]);
      if (!store.capabilities.ifAbsent) return;
      assert.ok(await store.put("empty", text("now"), { ifAbsent: true }) === undefined);
    });

    it("replace an object whole", async () => {
      const store = await make();
      const first = await store.put("a", pattern(100_000));
      const second = await store.put("a", text("short"));
      assert.notEqual(first?.etag, second?.etag);
      assert.equal(await textOf(store, "a"), "short");
      assert.equal((await store.head("a"))?.size, 5);
    });

    it("keep bytes apart from those that were passed in and given out", async () => {
      const store = await make();
      const bytes = new Uint8Array([0, 1, 2, 3, 4]);
      await store.put("a", bytes.subarray(1, 4));
      bytes.fill(9);
      for await (const piece of (await store.get("a"))!.body) piece.fill(7);
      assert.deepEqual(await bytesOf(await store.get("a")), new Uint8Array([1, 2, 3]));
    });

    it("stream large bodies, whatever the size of their pieces", async () => {
      const store = await make();
      const bytes = pattern(5 * 2 ** 20 + 17);
      for (const pieceBytes of [1000, 65_536, 3 * 2 ** 20]) {
        const body = streamed(bytes, pieceBytes);
        await store.put(`large/${pieceBytes}`, body);
        assert.equal(body.closed, true);
        const object = await store.get(`large/${pieceBytes}`);
        assert.equal(object?.size, bytes.length);
        assert.ok(equal(await bytesOf(object), bytes), `pieces of ${pieceBytes} bytes`);
      }
      // One after the other, small and large: what is gathered must not come behind what is not.
      const ends = [10, 100_010, 100_020, 165_556, 165_557, bytes.length];
      await store.put("large/mixed", Readable.from(ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))));
      assert.ok(equal(await bytesOf(await store.get("large/mixed")), bytes), "pieces of mixed lengths");
    });

    it("give ranges, with the whole size", async () => {
      const store = await make();
      const bytes = pattern(3 * 2 ** 20);
      await store.put("a", bytes);
      const ranges = [[0, 1], [1, 2 ** 20], [5, 2 ** 21], [2 ** 20 - 1, 2], [bytes.length - 3, 10], [7, undefined]];
      for (const [offset, length] of ranges) {
        const object = await store.get("a", { offset, length });
        assert.equal(object?.size, bytes.length);
        assert.equal(object?.etag, undefined, "only the whole has a tag");
        const end = length === undefined ? bytes.length : offset! + length;
        assert.ok(equal(await bytesOf(object), bytes.subarray(offset, end)), `${length} bytes from ${offset}`);
      }
      for (const [offset, length] of [[bytes.length, 1], [bytes.length + 5, undefined], [3, 0]]) {
        const object = await store.get("a", { offset, length });
        assert.equal(object?.size, bytes.length);
        assert.equal((await bytesOf(object)).length, 0);
      }
    });

    it("let a reader leave in the middle and read again", async () => {
      const store = await make();
      const bytes = pattern(3 * 2 ** 20);
      await store.put("a", bytes);
      for await (const piece of (await store.get("a"))!.body) {
        assert.ok(piece.length > 0);
        break;
      }
      assert.ok(equal(await bytesOf(await store.get("a")), bytes));
    });

    it("keep what several read at once apart, though memory may be used again", async () => {
      const store = await make();
      const bytes = pattern(5 * 2 ** 20);
      // Three views of it that differ at each place.
      const objects = [0, 1, 2].map((i) => bytes.subarray(i));
      await Promise.all(objects.map((object, i) => store.put(`a${i}`, object)));
      await Promise.all([...objects, ...objects].map(async (object, reader) => {
        const i = reader % objects.length;
        let at = 0;
        for await (const piece of (await store.get(`a${i}`, { reuse: true, unchecked: reader > 2 }))!.body) {
          // A piece is the reader's until it asks for the next one, whatever the others have read by then.
          await immediate();
          assert.ok(equal(piece, object.subarray(at, at + piece.length)), `object ${i} at ${at}`);
          at += piece.length;
          if (reader === 1) return;
        }
        assert.equal(at, object.length);
      }));
    });

    it("take keys of every allowed form", async () => {
      const store = await make();
      const long = `${"x".repeat(127)}/${"y".repeat(127)}/${"z".repeat(127)}/${"w".repeat(128)}`;
      assert.equal(long.length, 512);
      const keys = ["-", "...", "..a", ".hidden/.b", "A/b/c/d/e/f/g", "_", "a.b-c_d", "a..", long].sort();
      for (const key of keys) await store.put(key, text(key));
      assert.deepEqual(await keysOf(store), keys);
      for (const key of keys) assert.equal(await textOf(store, key), key);
    });

    it("refuse other keys with a TypeError", async () => {
      const store = await make();
      const keys: unknown[] = ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "ä", "a b", "a\\b", "a~", "a\n"];
      keys.push("x".repeat(513), undefined, 7, null);
      for (const key of keys as string[]) {
        await assert.rejects(async () => await store.put(key, text("1")), TypeError, String(key));
        await assert.rejects(async () => await store.get(key), TypeError);
        await assert.rejects(async () => await store.head(key), TypeError);
        await assert.rejects(async () => await store.delete(key), TypeError);
      }
      assert.deepEqual(await keysOf(store), []);
    });

    it("refuse conditions that exclude each other with a TypeError", async () => {
      const store = await make();
      await assert.rejects(async () => await store.put("a", text("1"), { ifAbsent: true, ifMatch: "x" }), TypeError);
      assert.equal(await store.head("a"), undefined);
    });
  });

  describe(`${name}: put() that fails`, () => {
    it("with its body leaves what was there, and tells the body's error", async () => {
      const store = await make();
      await store.put("old", text("old"));
      for (const key of ["old", "new"]) {
        for (const pieces of [0, 1, 40]) {
          const broken = new Error("the body broke");
          const body = streamed(pattern(5_000_000), 100_000, (piece) => {
            if (piece === pieces) throw broken;
          });
          await assert.rejects(async () => await store.put(key, body), (error) => comesFrom(error, broken));
          assert.equal(body.closed, true);
        }
      }
      assert.deepEqual(await keysOf(store), ["old"]);
      assert.equal(await textOf(store, "old"), "old");
      await store.put("new", text("new"));
      assert.equal(await textOf(store, "new"), "new");
    });

    it("by an abort before or during its body leaves what was there, and tells the reason", async () => {
      const store = await make();
      await store.put("old", text("old"));
      const reason = new Error("enough");
      for (const key of ["old", "new"]) {
        const before = streamed(pattern(10), 10);
        const aborted = AbortSignal.abort(reason);
        await assert.rejects(
          async () => await store.put(key, before, { signal: aborted }),
          (error) => error === reason,
        );
        const giveUp = new AbortController();
        const during = streamed(pattern(5_000_000), 100_000, (piece) => {
          if (piece === 30) giveUp.abort(reason);
        });
        await assert.rejects(
          async () => await store.put(key, during, { signal: giveUp.signal }),
          (error) => error === reason,
        );
        assert.equal(during.closed, true);
      }
      assert.deepEqual(await keysOf(store), ["old"]);
      assert.equal(await textOf(store, "old"), "old");
    });

    it("by an abort does not wait for a body that hangs", async () => {
      const store = await make();
      const giveUp = new AbortController();
      const reason = new Error("enough");
      const body = streamed(pattern(200), 100, (piece) => {
        if (piece === 0) return;
        queueMicrotask(() => giveUp.abort(reason));
        return new Promise(() => {});
      });
      await assert.rejects(
        async () => await store.put("a", body, { signal: giveUp.signal }),
        (error) => error === reason,
      );
      assert.equal(await store.head("a"), undefined);
    });

    it("is not seen before it has resolved", async () => {
      const store = await make();
      const old = pattern(1000, 1);
      const fresh = pattern(3_000_000, 2);
      await store.put("a", old);
      let looks = 0;
      const body = streamed(fresh, 500_000, async () => {
        looks++;
        assert.ok(equal(await bytesOf(await store.get("a")), old));
        assert.deepEqual(await store.list(), { objects: [{ key: "a", size: 1000 }], next: undefined });
      });
      await store.put("a", body);
      assert.equal(looks, 6);
      assert.ok(equal(await bytesOf(await store.get("a")), fresh));
    });
  });

  describe(`${name}: put() with ifAbsent`, () => {
    it("writes only where nothing is", async () => {
      const store = await make();
      if (!store.capabilities.ifAbsent) return;
      assert.ok(await store.put("a/b", text("1"), { ifAbsent: true }));
      assert.equal(await store.put("a/b", text("2"), { ifAbsent: true }), undefined);
      assert.equal(await textOf(store, "a/b"), "1");
      await store.delete("a/b");
      assert.ok(await store.put("a/b", streamed(text("3"), 1), { ifAbsent: true }));
      assert.equal(await textOf(store, "a/b"), "3");
    });

    it("lets exactly one of many win, and keeps the winner's bytes", async () => {
      const store = await make();
      if (!store.capabilities.ifAbsent) return;
      for (let round = 0; round < 5; round++) {
        const key = `race/${round}`;
        const bodies = Array.from({ length: 8 }, (_, i) => pattern(70_000 + i, i + 1));
        const puts = await Promise.all(
          bodies.map((body, i) => store.put(key, i % 2 ? body : streamed(body, 9000), { ifAbsent: true })),
        );
        const winners = puts.flatMap((put, i) => put === undefined ? [] : [i]);
        assert.equal(winners.length, 1);
        assert.ok(equal(await bytesOf(await store.get(key)), bodies[winners[0]!]!));
      }
    });
  });

  describe(`${name}: put() with ifMatch`, () => {
    it("writes only over the bytes that the tag names", async () => {
      const store = await make();
      if (!store.capabilities.ifMatch) return;
      const first = await store.put("a", text("1"));
      const second = await store.put("a", text("2"), { ifMatch: first!.etag });
      assert.ok(second);
      assert.equal(await store.put("a", text("3"), { ifMatch: first!.etag }), undefined);
      assert.equal(await textOf(store, "a"), "2");
      const told = (await store.get("a"))?.etag;
      assert.equal(told, second.etag);
      assert.ok(await store.put("a", text("4"), { ifMatch: told }));
      assert.equal(await store.put("none", text("5"), { ifMatch: first!.etag }), undefined);
      await store.delete("a");
      assert.equal(await store.put("a", text("6"), { ifMatch: second.etag }), undefined);
      assert.deepEqual(await keysOf(store), []);
    });

    it("loses no increment of a counter that many increment", async () => {
      const store = await make();
      if (!store.capabilities.ifMatch) return;
      await store.put("counter", text("0"));
      const increment = async (): Promise<void> => {
        for (;;) {
          const object = (await store.get("counter"))!;
          const value = Number(new TextDecoder().decode(await bytesOf(object)));
          if (await store.put("counter", text(String(value + 1)), { ifMatch: object.etag })) return;
        }
      };
      await Promise.all(Array.from({ length: 12 }, increment));
      assert.equal(await textOf(store, "counter"), "12");
    });
  });

  listSuite(name, make, options);

  describe(`${name}: delete()`, () => {
    it("removes one object, and is fine with none", async () => {
      const store = await make();
      await store.put("a/b", text("1"));
      await store.put("a/c", text("2"));
      await store.delete("a/b");
      await store.delete("a/b");
      await store.delete("a");
      await store.delete("x/y");
      assert.deepEqual(await keysOf(store), ["a/c"]);
      assert.equal(await store.get("a/b"), undefined);
      await store.delete("a/c");
      assert.deepEqual(await keysOf(store), []);
      await store.put("a/b", text("3"));
      assert.equal(await textOf(store, "a/b"), "3");
    });

    it("of many at once removes each", async () => {
      const store = await make();
      const keys = Array.from({ length: 40 }, (_, i) => `k/${i}`);
      await Promise.all(keys.map((key) => store.put(key, text(key))));
      await Promise.all(keys.slice(1).map((key) => store.delete(key)));
      assert.deepEqual(await keysOf(store), ["k/0"]);
    });
  });

  describe(`${name}: a signal`, () => {
    it("that has fired ends every call with its reason", async () => {
      const store = await make();
      await store.put("a", pattern(3 * 2 ** 20));
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      const isReason = (error: unknown): boolean => error === reason;
      await assert.rejects(async () => await store.get("a", { signal }), isReason);
      await assert.rejects(async () => await store.head("a", { signal }), isReason);
      await assert.rejects(async () => await store.list({ signal }), isReason);
      await assert.rejects(async () => await store.delete("a", { signal }), isReason);
      assert.equal((await store.head("a"))?.size, 3 * 2 ** 20);
    });

    it("ends the reading of a body", async () => {
      const store = await make();
      await store.put("a", pattern(4 * 2 ** 20));
      const giveUp = new AbortController();
      const reason = new Error("enough");
      const object = await store.get("a", { signal: giveUp.signal });
      const read = async (): Promise<void> => {
        for await (const piece of object!.body) {
          assert.ok(piece.length > 0);
          giveUp.abort(reason);
        }
      };
      await assert.rejects(read, (error) => error === reason);
    });
  });

  describe(`${name}: free space`, () => {
    it("is a number of bytes where it is told at all", async () => {
      const store = await make();
      const free = await store.freeSpace?.();
      assert.ok(free === undefined || free >= 0);
    });
  });
}
