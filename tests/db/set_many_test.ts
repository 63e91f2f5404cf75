import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB, type SetManyItem } from "../../mod.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { all, settle, TestClock, withDb } from "./helpers.ts";

function* numbered(count: number, size = 10): Generator<readonly [string, string]> {
  for (let i = 0; i < count; i++) yield [`k${String(i).padStart(6, "0")}`, "v".repeat(size)] as const;
}

describe("setMany", () => {
  it("takes arrays, maps, generators and async iterables, of pairs and objects", async () => {
    const clock = new TestClock();
    await withDb(async (db) => {
      assert.deepEqual(await db.setMany([["a", 1], { key: "b", value: 2, tags: ["t"], expireIn: 5 }]), {
        version: 1,
        timestamp: clock.ms,
        count: 2,
      });
      assert.equal((await db.setMany(new Map([["c", 3]]))).count, 1);
      assert.equal((await db.setMany(numbered(10))).count, 10);
      async function* later(): AsyncGenerator<SetManyItem> {
        yield ["d", 4];
        await Promise.resolve();
        yield { key: "e", value: 5, expiresAt: clock.ms + 1 };
      }
      assert.equal((await db.setMany(later())).count, 2);
      assert.equal((await db.setMany(ReadableStream.from([["f", 6]]) as AsyncIterable<SetManyItem>)).count, 1);
      assert.deepEqual(await all(db.keys({ end: "k" })), [..."abcdef"]);
      assert.deepEqual(await all(db.keys({ tag: "t" })), ["b"]);
      clock.ms += 5;
      assert.deepEqual(await all(db.keys({ end: "k" })), [..."acdf"]);
    }, { clock: clock.now });
  });

  it("resolves to the present without a commit when there is nothing to write", () =>
    withDb(async (db) => {
      assert.deepEqual(await db.setMany([]), { version: 0, timestamp: 0, count: 0 });
      const { timestamp } = await db.set("a", 1);
      assert.deepEqual(await db.setMany([]), { version: 1, timestamp, count: 0 });
    }));

  it("takes effect before what is called behind it, also close", async () => {
    let ms = 0; // Every slice of work is used up at once.
    const db = await DB.open(":memory:", { tuning: { monotonic: () => ms += 10 } });
    const small = [...numbered(500), ["a", "first"]] as const;
    for (const items of [[["a", "first"]] as const, small, new Map(small), small.values(), numbered(20_000)]) {
      const many = db.setMany(items);
      const one = db.atomic().set("a", "second").set("k000000", "second").commit();
      assert.ok((await one).ok);
      await many;
      assert.deepEqual(await db.getMany(["a", "k000000"]), ["second", "second"]);
    }
    const last = db.setMany([["z", 1]]);
    await db.close();
    assert.equal((await last).count, 1);
  });

  it("writes in several commits with one sync", async () => {
    const options = { durability: "commit" } as const;
    await withDb(async (db) => {
      const before = db.stats();
      const { count } = await db.setMany(numbered(20_000, 100), options);
      assert.equal(count, 20_000);
      const { commits, syncs } = db.stats();
      assert.ok(commits - before.commits > 5, `${commits} commits`);
      assert.equal(syncs - before.syncs, 1);
      let largest = 0;
      for await (const { changes } of db.changes()) largest = Math.max(largest, changes.length);
      assert.ok(largest * 110 < 4 * 2 ** 20);
    });
  });

  it("is durable when it resolves, also when its last commit was just full", async () => {
    for (const items of [1, 5, 16, 17]) {
      const disk = memoryFileSystem();
      const db = await DB.open("/d", { fileSystem: disk });
      const value = new Uint8Array(16 * 2 ** 10);
      await db.setMany(Array.from({ length: items }, (_, i) => [`k${i}`, value] as const));
      await using again = await DB.open("/d", { fileSystem: disk.crash({ keep: "none" }) });
      assert.equal(await again.count(), items);
      await db.close().catch(() => {});
    }
  });

  it("tells how far it has come", () =>
    withDb(async (db) => {
      const seen: [number, number | undefined][] = [];
      const items = [...numbered(2500)];
      await db.setMany(items, { onProgress: ({ doneItems, totalItems }) => seen.push([doneItems, totalItems]) });
      assert.deepEqual(seen[0], [0, 2500]);
      assert.deepEqual(seen.at(-1), [2500, 2500]);
      assert.ok(seen.length >= 3);
    }));

  it("stops at a bad item, and says how many are in", () =>
    withDb(async (db) => {
      const cases: [unknown, string, RegExp][] = [
        [["x"], "TypeError", /^setMany: item 1 is an array of 1; give \[key, value\]$/],
        [["x", undefined], "TypeError", /^setMany: item 1: undefined is no value/],
        [["x", { a: NaN }], "TypeError", /^setMany: item 1: value\.a is NaN/],
        [["", 1], "RangeError", /^setMany: item 1: the key is empty/],
        [Promise.resolve(["x", 1]), "TypeError", /^setMany: item 1: options must be an object, not a Promise/],
        ["xy", "TypeError", /^setMany: item 1 must be \[key, value\] or \{ key, value \}, not "xy"/],
        [
          { key: "x", value: 1, tag: "t" },
          "TypeError",
          /^setMany: item 1: unknown option "tag"; did you mean "tags"\?/,
        ],
        [{ key: "x", value: 1, expireIn: -1 }, "RangeError", /expireIn/],
      ];
      for (const [item, name, message] of cases) {
        await assert.rejects(db.setMany([["ok", 1], item as SetManyItem]), { name, message, committed: 0 });
      }
      assert.equal(db.version, 0);
      function* bad(): Generator<SetManyItem> {
        yield* numbered(10_000, 100);
        yield ["", 1];
      }
      await assert.rejects(db.setMany(bad()), (error: Error & { committed: number }) => {
        assert.ok(error.committed > 1000 && error.committed < 10_000, String(error.committed));
        assert.equal(db.getSync("k000000"), "v".repeat(100));
        return true;
      });
    }));

  it("has in exactly the first `committed` items, and closes its source", () =>
    withDb(async (db) => {
      let closed = 0;
      async function* failing(): AsyncGenerator<SetManyItem> {
        try {
          yield* numbered(7000, 100);
          throw new Error("the source broke");
        } finally {
          closed++;
        }
      }
      await assert.rejects(db.setMany(failing()), (error: Error & { committed: number }) => {
        assert.equal(error.message, "the source broke");
        assert.equal([...db.keysSync()].length, error.committed);
        return true;
      });
      assert.equal(closed, 1);
      await assert.rejects(
        db.setMany(numbered(5) as never, {
          onProgress: () => {
            throw new Error("no bar");
          },
        }),
        /no bar/,
      );
    }));

  it("rejects with the reason of its signal, which carries `committed`", () =>
    withDb(async (db) => {
      const reason = new Error("enough");
      await assert.rejects(db.setMany(numbered(5), { signal: AbortSignal.abort(reason) }), reason);
      const controller = new AbortController();
      let returned = false;
      const stuck: AsyncIterable<SetManyItem> = {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise(() => controller.abort(reason)),
          return: async () => {
            returned = true;
            return { value: undefined, done: true };
          },
        }),
      };
      await assert.rejects(db.setMany(stuck, { signal: controller.signal }), reason);
      assert.equal(returned, true);
      assert.equal((reason as unknown as { committed: number }).committed, 0);
    }));

  it("rejects with its own error, whatever closing the source throws", () =>
    withDb(async (db) => {
      const source: AsyncIterable<SetManyItem> = {
        [Symbol.asyncIterator]: () => ({
          next: () => Promise.resolve({ value: ["", 1], done: false }),
          return() {
            throw new Error("cannot be closed");
          },
        }),
      };
      await assert.rejects(db.setMany(source), { name: "RangeError", message: /the key is empty/, committed: 0 });
    }));

  it("rejects when the database closes while its source is stuck", async () => {
    const db = await DB.open(":memory:");
    let returned = false;
    let given = 0;
    const stuck: AsyncIterable<SetManyItem> = {
      [Symbol.asyncIterator]: () => ({
        next: () =>
          given++ < 2000 ? Promise.resolve({ done: false, value: [`k${given}`, "v".repeat(100)] }) : waiting(),
        return: () => {
          returned = true;
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    };
    const asked = Promise.withResolvers<void>();
    const waiting = (): Promise<never> => {
      asked.resolve();
      return new Promise(() => {});
    };
    let error: { code?: string; committed?: number } | undefined;
    db.setMany(stuck).catch((reason) => error = reason);
    await asked.promise;
    await db.close();
    for (let i = 0; i < 100 && error === undefined; i++) await settle();
    assert.equal(error?.code, "CLOSED");
    assert.ok(error?.committed! > 0, `${error?.committed}`);
    assert.ok(returned);
  });

  for (const how of ["rejects", "throws"]) {
    it(`leaves a source alone whose next step ${how}`, () =>
      withDb(async (db) => {
        let returned = 0;
        const broken: AsyncIterable<SetManyItem> = {
          [Symbol.asyncIterator]: () => ({
            next: () => {
              const error = new Error("broken source");
              if (how === "throws") throw error;
              return Promise.reject(error);
            },
            return: () => {
              returned++;
              return Promise.resolve({ done: true, value: undefined });
            },
          }),
        };
        await assert.rejects(db.setMany(broken), { message: "broken source", committed: 0 });
        assert.equal(returned, 0);
      }));
  }

  it("wraps a thrown thing that can carry nothing", () =>
    withDb(async (db) => {
      function* rude(): Generator<SetManyItem> {
        yield ["a", 1];
        // deno-lint-ignore no-throw-literal
        throw "a string";
      }
      await assert.rejects(db.setMany(rude()), { code: "SET_MANY", cause: "a string", committed: 0 });
    }));

  it("refuses what is no source", () =>
    withDb(async (db) => {
      await assert.rejects(db.setMany("ab" as never), { name: "TypeError", message: /items must be an iterable/ });
      await assert.rejects(db.setMany({} as never), { name: "TypeError" });
      await assert.rejects(db.setMany(undefined as never), { name: "TypeError" });
      await assert.rejects(db.setMany([], { durabilty: "commit" } as never), {
        name: "TypeError",
        message: /did you mean/,
      });
    }));

  it("lets the event loop live", () =>
    withDb(async (db) => {
      let turns = 0;
      const timer = setInterval(() => turns++, 1);
      await db.setMany(numbered(100_000));
      clearInterval(timer);
      assert.ok(turns > 3, `${turns} turns`);
    }));
});
