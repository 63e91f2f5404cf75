import assert from "node:assert/strict";
import { join } from "node:path";
import { setImmediate } from "node:timers";
import { describe, it } from "node:test";
import { type Kv, type KvEntry, KvU64, openKv } from "../../lib/adapters/kv.ts";
import { DB } from "../../mod.ts";
import type { Operation } from "../../lib/files/memory/disk_operation.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { until } from "../backup/repository/fake_timers.ts";
import { onOneDisk, TestClock, unhandledDuring, withDirectory } from "../db/helpers.ts";

async function all(kv: Kv): Promise<KvEntry<unknown>[]> {
  return await Array.fromAsync(kv.list({ prefix: [] }));
}

describe("openKv()", () => {
  it("keeps what was written for the next opening", async () => {
    const disk = onOneDisk();
    const value = new Map([["since", new Date(5)]]);
    const before = await openKv("/kv", disk);
    await before.set(["a"], value);
    const entries = await all(before);
    await before.close();
    await using kv = await openKv("/kv", disk);
    assert.deepEqual(await all(kv), entries);
    assert.deepEqual(entries[0]?.value, value);
    const { versionstamp } = await kv.set(["b"], 1);
    assert.ok(versionstamp > entries[0]!.versionstamp);
  });

  it("refuses what is no place", async () => {
    await assert.rejects(openKv(undefined as unknown as string), /no path; Deno chooses.*":memory:"/);
    await assert.rejects(openKv("https://api.example/databases/1/connect"), /is a service/);
    await assert.rejects(openKv(new URL("http://localhost/")), TypeError);
    await assert.rejects(openKv(":memory:", { onError: 5 as unknown as () => void }), /"onError" must be a function/);
    await assert.rejects(openKv(":memory:", { keyEncoding: "utf8" } as object), /unknown option "keyEncoding"/);
    await assert.rejects(openKv(":memory:", { durable: true } as object), /unknown option "durable"/);
    const fileSystem = memoryFileSystem();
    await (await DB.open("/text", { fileSystem })).close();
    const message = /^openKv: \/text is a database with text keys, and those of a KV are bytes; open it with DB.open/;
    await assert.rejects(openKv("/text", { fileSystem }), { name: "TypeError", message });
    for (const none of [null, 5, [], new Map(), Promise.resolve({})]) {
      await assert.rejects(openKv(":memory:", none as object), /openKv: options must be an object, not/);
    }
  });

  it("opens a directory once", async () => {
    const disk = onOneDisk();
    await using _kv = await openKv("/kv", disk);
    await assert.rejects(openKv("/kv", disk), { code: "LOCKED" });
  });

  it("refuses a database whose keys are text", async () => {
    const disk = onOneDisk();
    await (await DB.open("/db", disk)).close();
    await assert.rejects(openKv("/db", disk), TypeError);
  });
});

describe("a KV", () => {
  it("gives what it is given, and no memory of it", async () => {
    await using kv = await openKv(":memory:");
    const [bytes, part, object] = [new Uint8Array([1]), new Uint8Array([1]), { list: [1] }];
    const key = [part, "k"];
    await Promise.all([kv.set(key, bytes), kv.set(["o"], object)]);
    const atomic = kv.atomic().set(["later"], bytes).set(["later", "o"], object);
    bytes[0] = part[0] = object.list[0] = 9;
    await atomic.commit();
    const found = await kv.getMany<[Uint8Array, Uint8Array, unknown, unknown]>([
      [new Uint8Array([1]), "k"],
      ["later"],
      ["o"],
      ["later", "o"],
    ]);
    assert.deepEqual(found.map(({ value }) => value), [
      ...[new Uint8Array([1]), new Uint8Array([1])],
      ...[{ list: [1] }, { list: [1] }],
    ]);
    assert.deepEqual(found[0].key, [new Uint8Array([1]), "k"]);
    const asked = new Uint8Array([1]);
    const { key: own } = await kv.get([asked, "k"]);
    asked[0] = 9;
    assert.deepEqual(own, [new Uint8Array([1]), "k"]);
  });

  it("is asked for the keys that it was given at the call", async () => {
    await using kv = await openKv(":memory:");
    await kv.atomic().set(["a"], 1).set(["b"], 2).commit();
    const keys: string[][] = [["a"], [], ["b"]];
    const found = kv.getMany(keys);
    keys.splice(0, 3, ["c"], ["d"]);
    assert.deepEqual((await found).map(({ key, value }) => [key, value]), [[["a"], 1], [[], null], [["b"], 2]]);
  });

  it("gives values that lie in files of their own, by themselves, with others and in lists", async () => {
    await using kv = await openKv(":memory:", { compression: "none" });
    const values = [new Uint8Array(200_000).fill(7), new Map([["text", "x".repeat(200_000)]])];
    for (const [n, value] of values.entries()) await kv.set([n], value);
    await kv.database.compact();
    const entries = [await kv.get([0]), await kv.get([1])];
    assert.deepEqual(entries.map(({ value }) => value), values);
    assert.deepEqual(await kv.getMany([[0], [1]]), entries);
    assert.deepEqual(await all(kv), entries);
  });

  it("forgets what has expired, also when a check asks", async () => {
    const clock = new TestClock();
    await using kv = await openKv(":memory:", { clock: clock.now });
    await kv.set(["a"], 1, { expireIn: 100 });
    await kv.atomic().set(["b"], new KvU64(1n), { expireIn: 100 }).set(["c"], 1, { expireIn: 200 })
      .set(["e"], 1, { expireIn: 0 }).mutate({ type: "set", key: ["f"], value: 1, expireIn: 100 }).commit();
    await kv.set(["d"], 1, { expireIn: 0 });
    clock.ms += 99;
    assert.deepEqual((await all(kv)).map(({ key }) => key[0]), ["a", "b", "c", "f"]);
    clock.ms += 1;
    assert.deepEqual((await all(kv)).map(({ key }) => key[0]), ["c"]);
    assert.deepEqual((await kv.get(["a"])).versionstamp, null);
    assert.ok((await kv.atomic().check({ key: ["a"], versionstamp: null }).sum(["b"], 5n).commit()).ok);
    assert.equal((await kv.get<KvU64>(["b"])).value?.value, 5n);
    clock.ms += 10_000;
    assert.equal((await kv.get<KvU64>(["b"])).value?.value, 5n, "a sum has no expiry");
  });

  it("takes more than Deno's does", async () => {
    await using kv = await openKv(":memory:");
    const large = new Uint8Array(3_000_000).fill(7);
    const key = ["k".repeat(60_000), 2n ** 3000n];
    await kv.set(key, large);
    const operation = kv.atomic();
    for (let i = 0; i < 5000; i++) operation.set(["many", i], i).check({ key: ["many", i], versionstamp: null });
    const result = await operation.commit();
    assert.ok(result.ok);
    assert.deepEqual((await kv.get(key)).value, large);
    const stamps = await Array.fromAsync(kv.list({ prefix: ["many"] }), ({ versionstamp }) => versionstamp);
    assert.deepEqual(stamps, Array(5000).fill(result.versionstamp));
    const many = await kv.getMany<number[]>(Array.from({ length: 50 }, (_, i) => ["many", i]));
    assert.deepEqual(many.map(({ value }) => value), Array.from({ length: 50 }, (_, i) => i));
  });

  it("has a database beneath, which backs it up", async () => {
    await withDirectory(async (directory) => {
      const kv = await openKv(":memory:");
      await kv.set(["a", 1n], new Set(["x"]));
      await kv.enqueue("waiting", { delay: 1000 });
      const before = await all(kv);
      await kv.database.export(join(directory, "copy"));
      await kv.close();
      await using copy = await openKv(join(directory, "copy"));
      assert.deepEqual(await all(copy), before);
      assert.equal(await copy.database.count(), 2);
    });
  });

  it("says that it is closed", async () => {
    const kv = await openKv(":memory:");
    const operation = kv.atomic().set(["a"], 1);
    await kv.close();
    await kv.close();
    for (const call of [() => kv.get(["a"]), () => kv.set(["a"], 1), () => operation.commit(), () => kv.enqueue(1)]) {
      await assert.rejects(async () => await call(), { code: "CLOSED" });
    }
    await assert.rejects(kv.list({ prefix: [] }).next(), { code: "CLOSED" });
    assert.throws(() => kv.watch([["a"]]), { code: "CLOSED" });
    await assert.rejects(kv.listenQueue(() => {}), { code: "CLOSED", message: "Queue already closed" });
  });

  it("is closed by using it", async () => {
    let seen: Kv;
    {
      using kv = await openKv(":memory:");
      seen = kv;
    }
    assert.ok(seen.database.closed);
  });

  it("tells onError what became of closing it, where nobody waits for that", async () => {
    const errors: unknown[] = [];
    const fileSystem = memoryFileSystem();
    const unhandled = await unhandledDuring(async () => {
      {
        using kv = await openKv("/kv", { fileSystem, durability: "buffered", onError: (error) => errors.push(error) });
        await kv.set(["a"], 1);
        fileSystem.inject({ at: ({ name }) => name === "sync", do: "fail" });
      }
      await until(() => errors.length > 0);
    });
    assert.deepEqual([errors.length, unhandled], [1, []]);
  });
});

describe("a list of a KV", () => {
  it("reads no more ahead than a batch of Deno's can have, however large values are", async () => {
    await using kv = await openKv(":memory:", { compression: "none" });
    const large = new Uint8Array(13 * 2 ** 20);
    for (let i = 0; i < 6; i++) await kv.set([i], large);
    const list = kv.list<unknown>({ prefix: [] });
    await list.next();
    // In the first batch are five of them; what comes behind is read when it is asked for.
    for (const key of [4, 5]) await kv.set([key], "new");
    const kinds = await Array.fromAsync(list, ({ value }) => value instanceof Uint8Array ? value.length : value);
    assert.deepEqual(kinds, [...Array(4).fill(large.length), "new"]);
  });

  it("counts what lies in files of its own as well, and has no larger batches because of a limit", async () => {
    await using kv = await openKv(":memory:", { compression: "none" });
    const large = new Uint8Array(13 * 2 ** 20);
    for (let i = 0; i < 6; i++) await kv.set(["large", i], large);
    const operation = kv.atomic();
    for (let i = 0; i < 600; i++) operation.set(["small", i], i);
    await operation.commit();
    await kv.database.compact();
    const [some, many] = [kv.list({ prefix: ["large"] }), kv.list({ prefix: ["small"] }, { limit: 600 })];
    await Promise.all([some.next(), many.next()]);
    for (const key of [["large", 4], ["large", 5], ["small", 499], ["small", 500]]) await kv.delete(key);
    assert.equal((await Array.fromAsync(some)).length, 4);
    assert.equal((await Array.fromAsync(many)).length, 598);
  });

  it("holds nothing between its steps, and gives each entry once to those who ask at the same time", async () => {
    const fileSystem = memoryFileSystem();
    await using kv = await openKv("/kv", { fileSystem });
    for (let i = 0; i < 5; i++) await kv.set([i], i);
    await kv.database.compact();
    const tables = async (): Promise<string[]> =>
      (await fileSystem.list("/kv")).filter((name) => name.endsWith(".sst"));
    const before = await tables();
    const list = kv.list<number>({ prefix: [] }, { batchSize: 2 });
    const steps = await Promise.all([list.next(), list.next(), list.next()]);
    assert.deepEqual(steps.map(({ value }) => value?.value), [0, 1, 2]);
    await kv.set([9], 9);
    await kv.database.compact();
    assert.deepEqual((await tables()).filter((name) => before.includes(name)), []);
    assert.deepEqual(await Array.fromAsync(list, ({ value }) => value), [3, 4, 9]);
  });

  it("reads no more rows than it may give", async () => {
    const fileSystem = memoryFileSystem();
    const options = { fileSystem, compression: "none", cacheBytes: 0, tuning: { blockBytes: 256 } } as const;
    await using kv = await openKv("/kv", options);
    const operation = kv.atomic();
    for (let i = 0; i < 50; i++) operation.set([i], "a block each".repeat(25));
    await operation.commit();
    await kv.database.compact();
    await kv.get([0]);
    let reads = 0;
    const count = ({ name, path }: Operation): boolean =>
      name.startsWith("read") && path.endsWith(".sst") && reads++ < 0;
    fileSystem.inject({ at: count, do: "fail" });
    assert.equal((await Array.fromAsync(kv.list({ prefix: [] }, { limit: 3, batchSize: 40 }))).length, 3);
    assert.equal(reads, 3);
  });

  it("goes on behind its last entry, whether it came to its limit or not to its end", async () => {
    await using kv = await openKv(":memory:");
    for (let i = 0; i < 5; i++) await kv.set(["a", i], i);
    await kv.enqueue("waits", { delay: 86_400_000 });
    const prefix = ["a"];
    const first = kv.list({ prefix }, { limit: 2 });
    prefix[0] = "b";
    assert.deepEqual((await Array.fromAsync(first)).map(({ value }) => value), [0, 1]);
    assert.notEqual(first.cursor, "");
    const rest = kv.list({ prefix: ["a"] }, { cursor: first.cursor });
    assert.deepEqual((await Array.fromAsync(rest)).map(({ value }) => value), [2, 3, 4]);
    assert.equal(rest.cursor, "");
    // Nor does a cursor that no key has lead to what is no entry.
    const all = await Array.fromAsync(kv.list({ prefix: [] }, { reverse: true, cursor: "_w==" }));
    assert.deepEqual(all.map(({ value }) => value), [4, 3, 2, 1, 0]);
  });

  it("lets the event loop go round", async () => {
    await using kv = await openKv(":memory:");
    const operation = kv.atomic();
    for (let i = 0; i < 5000; i++) operation.set([i], i);
    await operation.commit();
    let turns = 0;
    let reading = true;
    const turn = (): void => {
      turns++;
      if (reading) setImmediate(turn);
    };
    setImmediate(turn);
    assert.equal((await Array.fromAsync(kv.list({ prefix: [] }, { batchSize: 10 }))).length, 5000);
    reading = false;
    assert.ok(turns > 1, `${turns} turns`);
  });
});

describe("an atomic operation", () => {
  it("adds without losing anything, however many do so at once", async () => {
    await using kv = await openKv(":memory:");
    const sums = Array.from(
      { length: 200 },
      (_, i) => kv.atomic().sum(["n"], BigInt(i)).max(["max"], BigInt(i)).commit(),
    );
    const results = await Promise.all([...sums, kv.set(["n", "other"], 1)]);
    assert.equal(new Set(results.map((result) => result.ok && result.versionstamp)).size, 201);
    const [n, max] = await kv.getMany<[KvU64, KvU64]>([["n"], ["max"]]);
    assert.deepEqual([n.value?.value, max.value?.value], [19900n, 199n]);
    assert.equal(n.versionstamp, (results[199] as { versionstamp: string }).versionstamp);
  });

  it("sees what it has done itself", async () => {
    await using kv = await openKv(":memory:");
    for (const key of ["n", "m"]) await kv.set([key], "text");
    await kv.atomic().set(["n"], new KvU64(1n)).sum(["n"], 2n).delete(["m"]).sum(["m"], 7n).min(["m"], 5n).commit();
    const [n, m] = await kv.getMany<[KvU64, KvU64]>([["n"], ["m"]]);
    assert.deepEqual([n.value?.value, m.value?.value], [3n, 5n]);
  });

  it("does nothing when one of its sums fails", async () => {
    await using kv = await openKv(":memory:");
    await kv.set(["text"], "x");
    await assert.rejects(kv.atomic().set(["a"], 1).sum(["text"], 1n).enqueue("m").commit(), TypeError);
    assert.deepEqual((await all(kv)).map(({ key }) => key), [["text"]]);
    assert.equal(await kv.database.count(), 1);
  });

  it("can be committed again", async () => {
    await using kv = await openKv(":memory:");
    const operation = kv.atomic().sum(["n"], 2n);
    const first = await operation.commit();
    const second = await operation.commit();
    assert.ok(first.ok && second.ok && second.versionstamp > first.versionstamp);
    assert.equal((await kv.get<KvU64>(["n"])).value?.value, 4n);
  });

  it("commits what it is when it is committed, and what is added behind that the next time", async () => {
    await using kv = await openKv(":memory:");
    const never = "7".repeat(20);
    const operation = kv.atomic().check({ key: ["n"], versionstamp: null }).sum(["n"], 1n);
    const first = operation.commit();
    const second = operation.set(["behind"], 1).check({ key: ["m"], versionstamp: never }).commit();
    assert.deepEqual([(await first).ok, (await second).ok], [true, false]);
    assert.deepEqual((await all(kv)).map(({ key, value }) => [key, value]), [[["n"], new KvU64(1n)]]);
  });

  it("lets one of two win that check the same", async () => {
    await using kv = await openKv(":memory:");
    const entry = await kv.get(["lock"]);
    const results = await Promise.all([1, 2, 3].map((i) => kv.atomic().check(entry).set(["lock"], i).commit()));
    assert.deepEqual(results.map(({ ok }) => ok), [true, false, false]);
    assert.equal((await kv.get(["lock"])).value, 1);
  });

  it("can set what expires in the farthest future", async () => {
    await using kv = await openKv(":memory:");
    for (const expireIn of [Number.MAX_SAFE_INTEGER, 1e300]) {
      await kv.atomic().set(["a"], expireIn, { expireIn }).commit();
      await kv.set(["b"], expireIn, { expireIn });
      assert.deepEqual((await all(kv)).map(({ value }) => value), [expireIn, expireIn]);
    }
  });

  it("checks all of a versionstamp", async () => {
    await using kv = await openKv(":memory:");
    const { versionstamp } = await kv.set(["a"], 1);
    const stamps = [versionstamp.replace(/0000$/, "0001"), "AB".repeat(10), versionstamp];
    const results = stamps.map((versionstamp) => kv.atomic().check({ key: ["a"], versionstamp }).commit());
    assert.deepEqual((await Promise.all(results)).map(({ ok }) => ok), [false, false, true]);
  });

  it("writes its versionstamp into keys", async () => {
    await using kv = await openKv(":memory:");
    const sets = [1, 2, 3].map((n) => kv.set(["log", kv.commitVersionstamp()], n));
    const stamps = (await Promise.all(sets)).map(({ versionstamp }) => versionstamp);
    const entries = await Array.fromAsync(kv.list({ prefix: ["log"] }));
    assert.deepEqual(
      entries,
      stamps.map((versionstamp, i) => ({ key: ["log", versionstamp], value: i + 1, versionstamp })),
    );
    const { versionstamp } = await kv.set([kv.commitVersionstamp()], "alone");
    assert.equal((await kv.get([versionstamp])).value, "alone");
  });
});
