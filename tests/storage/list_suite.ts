/** The part of the suite that is about listings. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LONG } from "../crash/random.ts";
import { keysOf, type MakeStore, text } from "./helpers.ts";

/** How the suite is run. */
export interface SuiteOptions {
  /** Requests take long: of the many listings of one case a seventh is tried, unless the long form is wanted. */
  slow?: boolean;
}

/** Runs it; see `store_suite.ts`. */
export function listSuite(name: string, make: MakeStore, { slow = false }: SuiteOptions = {}): void {
  describe(`${name}: list()`, () => {
    it("of nothing is an empty last page", async () => {
      const store = await make();
      assert.deepEqual(await store.list(), { objects: [], next: undefined });
      assert.deepEqual(await store.list({ prefix: "a/", after: "a/b", limit: 1 }), { objects: [], next: undefined });
    });

    it("gives keys in the order of their bytes, however slashes cut them", async () => {
      const store = await make();
      const keys = [
        "a-b",
        "a.b",
        "a/b",
        "a/b-c",
        "a0",
        "a/bb/c",
        "A",
        "a-/x",
        "a./x",
        "B/a",
        "b",
        "_",
      ];
      for (const key of keys) await store.put(key, text(key));
      const sorted = [...keys].sort();
      assert.deepEqual(await keysOf(store), sorted);
      for (const limit of [1, 2, 3, 5]) assert.deepEqual(await keysOf(store, { limit }), sorted);
      for (const { key, size } of (await store.list()).objects) assert.equal(size, key.length);
    });

    it("keeps to any prefix and begins after any key, in pages of any length", async () => {
      const store = await make();
      const keys = [
        "log/a/1",
        "log/a/2",
        "log/ab",
        "log/b/1",
        "log/b/10",
        "log/b/2",
        "logs",
        "m/a.b",
        "m/a/b",
        "m/a/c",
      ];
      for (const key of keys) await store.put(key, text("1"));
      const prefixes = [
        "",
        "l",
        "log",
        "log/",
        "log/a",
        "log/a/",
        "log/b/1",
        "log/b/10",
        "m/a",
        "m/a/",
        "x",
        "log/a/1/",
      ];
      const afters = [
        undefined,
        "",
        "log",
        "log/a",
        "log/a/1",
        "log/a/10",
        "log/a0",
        "log/b",
        "m/a.",
        "m/a/b",
        "zz",
        "~",
      ];
      let listings = 0;
      for (const prefix of prefixes) {
        for (const after of afters) {
          const expected = keys.filter((key) => key.startsWith(prefix) && (after === undefined || key > after));
          for (const limit of [1, 3, 1000]) {
            if (slow && !LONG && listings++ % 7 !== 0) continue;
            const options = after === undefined ? { prefix, limit } : { prefix, limit, after };
            assert.deepEqual(await keysOf(store, options), expected, JSON.stringify(options));
          }
        }
      }
      for (const prefix of ["..", "../", "/", "a//", "log/../", "log//a", "log\\a", "LOG/"]) {
        assert.deepEqual(await keysOf(store, { prefix }), [], prefix);
      }
    });

    it("gives every key of more than a page", async () => {
      const store = await make();
      const keys = Array.from({ length: 1234 }, (_, i) => `n/${i % 7}/${String(i).padStart(4, "0")}`).sort();
      for (let at = 0; at < keys.length; at += 50) {
        await Promise.all(keys.slice(at, at + 50).map((key) => store.put(key, text(key))));
      }
      assert.deepEqual(await keysOf(store), keys);
      assert.deepEqual(await keysOf(store, { limit: 333 }), keys);
      assert.deepEqual(await keysOf(store, { prefix: "n/3/" }), keys.filter((key) => key.startsWith("n/3/")));
      assert.equal((await store.list({ limit: 7 })).objects.length <= 7, true);
    });
  });
}
