import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type KvEntryMaybe, openKv } from "../../lib/adapters/kv.ts";
import { encodeKey } from "../../lib/adapters/kv/keys.ts";
import { openKvWith } from "../../lib/adapters/kv/kv.ts";
import { SimulatedTime } from "../../lib/adapters/testing/simulated_time.ts";
import { turns } from "../backup/repository/fake_timers.ts";

const values = (entries: readonly KvEntryMaybe<unknown>[] | undefined): unknown[] | undefined =>
  entries?.map(({ value }) => value);

describe("watching keys", () => {
  it("gives all entries at once, and again when one has changed", async () => {
    await using kv = await openKv(":memory:");
    await kv.set(["a"], new Set([1]));
    const keys = [["a"], ["b"], []];
    const reader = kv.watch<[Set<number>, string, null]>(keys as never).getReader();
    const first = await reader.read();
    assert.deepEqual(first.value, [
      await kv.get(["a"]),
      { key: ["b"], value: null, versionstamp: null },
      { key: [], value: null, versionstamp: null },
    ]);
    keys[1]![0] = (first.value![1].key as string[])[0] = "changed";
    const next = reader.read();
    await kv.set(["c"], "is not watched");
    const { versionstamp } = await kv.set(["b"], "there");
    assert.deepEqual((await next).value?.[1], { key: ["b"], value: "there", versionstamp });
    const last = reader.read();
    await kv.atomic().delete(["a"]).delete(["b"]).commit();
    assert.deepEqual((await last).value?.map(({ key, value }) => [key, value]), [[["a"], null], [["b"], null], [
      [],
      null,
    ]]);
    await reader.cancel();
  });

  it("tells of a change that was made before the first look", async () => {
    await using kv = await openKv(":memory:");
    const reader = kv.watch([["a"]]).getReader();
    await kv.set(["a"], 1);
    let seen: unknown;
    while (seen !== 1) seen = values((await reader.read()).value)![0];
    await reader.cancel();
  });

  it("leaves out what nobody asked for, but never the newest", async () => {
    await using kv = await openKv(":memory:");
    const reader = kv.watch([["a"]]).getReader();
    await reader.read();
    for (let i = 0; i < 50; i++) await kv.set(["a"], i);
    let count = 0;
    for (let seen: unknown = undefined; seen !== 49; count++) seen = values((await reader.read()).value)![0];
    assert.ok(count < 25, `${count} states`);
    await reader.cancel();
  });

  it("gives nothing where nothing differs, unless it is to be raw", async () => {
    await using kv = await openKv(":memory:");
    const [reader, raw] = [kv.watch([["a"]]).getReader(), kv.watch([["a"]], { raw: true }).getReader()];
    await Promise.all([reader.read(), raw.read()]);
    let read = false;
    const next = reader.read().then(({ value }) => (read = true, values(value)));
    await kv.delete(["a"]);
    assert.deepEqual(values((await raw.read()).value), [null]);
    await turns();
    assert.equal(read, false);
    await kv.set(["a"], 1);
    assert.deepEqual(await next, [1]);
  });

  it("tells of an entry that has expired", async () => {
    const time = new SimulatedTime(1_000_000);
    await using kv = await openKvWith(time, ":memory:", { clock: time.clock });
    await kv.set(["a"], 1, { expireIn: 5000 });
    const reader = kv.watch([["a"]]).getReader();
    assert.deepEqual(values((await reader.read()).value), [1]);
    const next = reader.read();
    await turns();
    assert.equal(time.keeping, 0, "it keeps no program alive");
    await time.advance(4999);
    await time.advance(1);
    assert.deepEqual(values((await next).value), [null]);
    await reader.cancel();
  });

  it("leaves no timer when something else came first", async () => {
    const time = new SimulatedTime(1_000_000);
    let timers = 0;
    const set: typeof time.set = (...given) => {
      timers++;
      const cancel = time.set(...given);
      return () => (timers--, cancel());
    };
    await using kv = await openKvWith({ set }, ":memory:", { clock: time.clock });
    await kv.set(["a"], 1, { expireIn: 86_400_000 });
    const reader = kv.watch([["a"]]).getReader();
    await reader.read();
    const next = reader.read();
    await turns();
    assert.equal(timers, 1);
    await kv.set(["a"], 2, { expireIn: 86_400_000 });
    await next;
    assert.equal(timers, 0);
    const last = reader.read();
    await turns();
    assert.equal(timers, 1);
    await reader.cancel();
    await last;
    await turns();
    assert.equal(timers, 0);
  });

  it("tells of it soon where the clock is set forward, and tells nothing while it only looks", async () => {
    let set = 0;
    const time = new SimulatedTime(1_000_000);
    await using kv = await openKvWith(time, ":memory:", { clock: () => time.now + set });
    await kv.set(["a"], 1, { expireIn: 86_400_000 });
    const reader = kv.watch([["a"]], { raw: true }).getReader();
    assert.deepEqual(values((await reader.read()).value), [1]);
    let told = 0;
    const next = reader.read().finally(() => told++);
    await turns();
    await time.advance(600_000);
    await turns();
    assert.equal(told, 0);
    set = 86_400_000;
    await time.advance(60_000);
    for (let i = 0; i < 5000 && told === 0; i++) await turns(1);
    assert.equal(told, 1);
    assert.deepEqual(values((await next).value), [null]);
    await reader.cancel();
  });

  it("listens no longer once it has failed, was left or has nothing to watch", async () => {
    await using kv = await openKv(":memory:");
    const { database } = kv;
    const watch = database.watch.bind(database);
    let left = 0;
    database.watch = (...given) => {
      const changes = watch(...given);
      const leave = changes.return!.bind(changes);
      changes.return = () => (left++, leave());
      return changes;
    };
    const reader = kv.watch([["a"]]).getReader();
    await reader.read();
    await database.set(encodeKey(["a"]), { $kv: "no text of devalue" });
    await assert.rejects(reader.read(), { code: "CORRUPTION" });
    assert.equal(left, 1);
    await kv.watch([["b"]]).cancel();
    assert.equal(left, 2);
    await kv.watch([]).getReader().read();
    assert.equal(left, 3);
  });

  it("ends with the KV, and with no keys at once", async () => {
    const kv = await openKv(":memory:");
    const reader = kv.watch([["a"]]).getReader();
    await reader.read();
    const end = reader.read();
    assert.deepEqual(await kv.watch([]).getReader().read(), { value: undefined, done: true });
    const late = kv.watch([["a"]]).getReader();
    await kv.close();
    assert.deepEqual(await end, { value: undefined, done: true });
    assert.deepEqual(await late.read(), { value: undefined, done: true });
  });
});
