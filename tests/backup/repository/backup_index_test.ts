import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IntegrityError, PermissionError } from "../../../lib/base/errors.ts";
import { readBackups } from "../../../lib/backup/repository/core/catalog.ts";
import { indexable } from "../../../lib/backup/repository/core/backup_index.ts";
import { listBackups } from "../../../lib/backup/repository/core/list_backups.ts";
import { backupKey } from "../../../lib/backup/repository/core/layout.ts";
import type { OpenSettings } from "../../../lib/backup/repository/core/open.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { CountingStore } from "../../../bench/backup/counting_store.ts";
import { House } from "./house.ts";
import { assertAllRestore, copyOf, keysOf, prune } from "./prune_fixture.ts";

const INDEX = "index/backups";

/** A house with so many backups, a commit between each. */
async function withBackups(count: number, repository: Partial<OpenSettings> = {}): Promise<House> {
  const house = await House.make({ repository });
  await backUp(house, count);
  return house;
}

async function backUp(house: House, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await house.time.advance(1000);
    await house.set("key", `${house.states.size}`);
    await house.backup();
  }
}

/** What a program that opens the repository anew lists, and how many objects it reads for that. */
async function listAnew(
  store: MemoryStore,
  repository: Partial<OpenSettings> = {},
): Promise<{ ids: string[]; gets: number }> {
  const counting = new CountingStore(store);
  const house = await House.make({ store: counting, repository });
  const before = counting.counts.get!;
  const ids = (await listBackups(house.context)).map(({ id }) => id);
  return { ids, gets: counting.counts.get! - before };
}

function idsOf(keys: readonly string[]): string[] {
  return keys.map((key) => key.slice("backups/".length, -".json".length));
}

async function bytesOf(store: MemoryStore, key: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of (await store.get(key))!.body) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe("the index of backups", () => {
  const key = { encryption: { key: new Uint8Array(32).fill(7) } };
  for (const [name, settings] of [["plain", {}], ["encrypted", key]] as const) {
    it(`spares reading manifests one by one (${name})`, async () => {
      const house = await withBackups(15, settings);
      const store = house.store as MemoryStore;
      assert.deepEqual(await keysOf(store, "index/backups"), []);
      await backUp(house, 45);
      assert.deepEqual(await keysOf(store, "index/backups"), [INDEX]);
      const { ids, gets } = await listAnew(store, settings);
      assert.deepEqual(ids, idsOf(await keysOf(store, "backups/")));
      assert.equal(ids.length, 60);
      assert.ok(gets <= 1 + 15, `${gets} objects read`);
    });
  }

  it("costs one put for sixteen backups", async () => {
    const puts: number[] = [];
    const inner = new MemoryStore();
    const counting = new Proxy(inner, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          if (name === "put" && args[0] === INDEX) puts.push(house.states.size);
          return value.apply(target, args);
        };
      },
    });
    const house = await House.make({ store: counting });
    await backUp(house, 70);
    assert.deepEqual(puts, [17, 33, 49, 65]);
  });

  it("that is lost, damaged, cut or not of this repository is as good as none, and is made again", async () => {
    const house = await withBackups(40);
    const store = house.store as MemoryStore;
    const whole = await bytesOf(store, INDEX);
    const other = await withBackups(20);
    const flipped = whole.slice();
    flipped[flipped.length >> 1]! ^= 1;
    for (
      const [name, bytes] of [
        ["flipped", flipped],
        ["cut", whole.subarray(0, whole.length - 9)],
        ["empty", new Uint8Array(0)],
        ["other", await bytesOf(other.store as MemoryStore, INDEX)],
        ["lost", undefined],
      ] as const
    ) {
      const copy = await copyOf(store);
      if (bytes === undefined) await copy.delete(INDEX);
      else await copy.put(INDEX, bytes);
      const { ids, gets } = await listAnew(copy);
      assert.deepEqual(ids, idsOf(await keysOf(store, "backups/")), name);
      assert.ok(gets >= 40, `${name}: ${gets}`);
      const again = await House.make({ store: copy });
      await again.backup();
      assert.ok((await listAnew(copy)).gets < 20, name);
    }
  });

  it("shows no backup that is gone, and none as it no longer is", async () => {
    const house = await withBackups(40);
    const store = house.store as MemoryStore;
    const [first, second, ...others] = await keysOf(store, "backups/");
    await store.delete(first!);
    // Another manifest under the key, whole but of another length.
    await house.time.advance(1000);
    const { id } = await house.backup({ labels: { kind: "longer" } });
    others.push(backupKey(id));
    await store.put(second!, await bytesOf(store, backupKey(id)));
    const again = await House.make({ store });
    await assert.rejects(listBackups(again.context), IntegrityError);
    await store.delete(second!);
    assert.deepEqual((await listAnew(store)).ids, idsOf(others));
  });

  it("is not what checks and prunings go by", async () => {
    const house = await withBackups(40);
    const store = house.store as MemoryStore;
    const all = await keysOf(store, "backups/");
    const damaged = await bytesOf(store, all[3]!);
    damaged[damaged.length >> 1]! ^= 1;
    await store.put(all[3]!, damaged);
    const again = await House.make({ store });
    // Its readers have the manifest still.
    assert.equal((await listBackups(again.context)).length, 40);
    await assert.rejects(readBackups(again.context, { direct: true }), IntegrityError);
    await assert.rejects(prune(again, { keepLast: 2 }), IntegrityError);
    const { problems } = await verifyRepository(again.context, undefined, { read: "all" });
    assert.ok(problems.some((problem) => problem.key === all[3]));
  });

  it("is of the newest, without long manifests and chosen ids, and not endless", () => {
    const keyOf = (i: number): string => `backups/20261121T00${String(i).padStart(4, "0")}Z-00000000.json`;
    const of = (size: number, count: number) => Array.from({ length: count }, (_, i) => ({ key: keyOf(i), size }));
    const numbers = (listed: { key: string; size: number }[]) => indexable(listed).map(({ key }) => key).sort();
    const long = { key: keyOf(9), size: 16 * 2 ** 10 + 1 };
    assert.deepEqual(numbers([...of(500, 3), { key: "backups/chosen.json", size: 500 }, long]), [0, 1, 2].map(keyOf));
    const many = numbers(of(16 * 2 ** 10, 2000));
    assert.ok(many.length > 1000 && many.length <= 1024, `${many.length}`);
    assert.equal(many.at(-1), keyOf(1999));
  });

  it("that can't be written fails no backup", async () => {
    const inner = new MemoryStore();
    const faulty = new FaultStore(inner);
    const house = await House.make({ store: faulty });
    const error = (): Error => new PermissionError(`Cannot put ${INDEX} in memory`, { path: INDEX });
    faulty.inject({
      at: ({ operation, key }) => operation === "put" && key === INDEX,
      do: "refuse",
      times: Infinity,
      error,
    });
    await backUp(house, 40);
    assert.deepEqual(await keysOf(inner, "index/backups"), []);
    await assertAllRestore(house);
  });

  it("goes along with prunings and copies", async () => {
    const house = await withBackups(60);
    await prune(house, { keepLast: 30 });
    const store = house.store as MemoryStore;
    const { ids, gets } = await listAnew(store);
    assert.deepEqual(ids, idsOf(await keysOf(store, "backups/")));
    assert.ok(gets < 20, `${gets}`);
    await assertAllRestore(house);
    const target = await House.make();
    await copyRepository(house.context, target.context, {});
    const first = await listAnew(target.store as MemoryStore);
    assert.ok(first.gets < 20, `${first.gets}, after the first copy`);
    await backUp(house, 1);
    await copyRepository(house.context, target.context, {});
    const copied = await listAnew(target.store as MemoryStore);
    assert.deepEqual(copied.ids.length, (await keysOf(store, "backups/")).length);
    assert.ok(copied.gets < 20, `${copied.gets}`);
    assert.ok(await target.store.head(backupKey(ids.at(-1)!)) !== undefined);
  });
});
