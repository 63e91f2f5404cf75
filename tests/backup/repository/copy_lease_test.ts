/** A pruning whose clock is far ahead breaks the lease of a copy: whatever the copy publishes then must be whole, or not stay. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HoldfastError, RepositoryLockedError, StorageError } from "../../../lib/base/errors.ts";
import { CopyLeases } from "../../../lib/backup/repository/care/copy/copy_leases.ts";
import { stillWhole } from "../../../lib/backup/repository/making/still_whole.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { allKeys, writeDocument } from "../../../lib/backup/repository/core/documents.ts";
import { backupKey, logPrefix, objectKey, PART, pinKey } from "../../../lib/backup/repository/core/layout.ts";
import type { Lease } from "../../../lib/backup/repository/core/lease.ts";
import { logObjects } from "../../../lib/backup/repository/log/log_chain.ts";
import { markKey, UNSETTLED } from "../../../lib/backup/repository/pruning/gc.ts";
import { readFacts } from "../../../lib/backup/repository/restoring/facts.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { assertBackupsRestore, openOver, pastLeases, rangesOf, smallSource } from "./copy_fixture.ts";
import { House } from "./house.ts";
import { copyOf, keysOf } from "./prune_fixture.ts";

describe("copyRepository()", () => {
  for (const fails of [false, true]) {
    const how = fails ? ", also when it fails for another reason" : "";
    it(`takes back what it published once a pruning had broken its lease${how}`, async () => {
      const { house, states } = await smallSource();
      const { clock } = house.time;
      const lock = `${PART.locks}backup-${house.engine.id}.json`;
      let cases = 0;
      for (let nth = 1;; nth++) {
        const source = new FaultStore(await copyOf(house.store));
        const target = new MemoryStore();
        let published = 0;
        const pruned = async (): Promise<void> => {
          await target.delete(lock);
          const { backups } = await readFacts(await openOver(target, clock));
          const files = backups.flatMap(({ base }) => base?.files ?? []);
          const needed = new Set(files.map(({ object }) => objectKey(object)));
          for (const key of await keysOf(target, PART.objects)) if (!needed.has(key)) await target.delete(key);
          if (fails) source.inject({ at: () => true, do: "refuse", times: Infinity });
        };
        const store = new FaultStore(target, {
          delay: async ({ operation, key }) => {
            if (operation === "put" && key.startsWith(PART.backups) && ++published === nth) await pruned();
          },
        });
        const from = await openOver(source, clock, { concurrency: 1 });
        const to = await openOver(store, clock, { concurrency: 1 });
        const error = await copyRepository(from, to, {}).then(() => undefined, (error) => error);
        if (published < nth) {
          assert.equal(error, undefined);
          break;
        }
        cases++;
        if (!fails) assert.ok(error instanceof RepositoryLockedError, String(error));
        else assert.ok(error instanceof HoldfastError, String(error));
        const seen = await openOver(target, clock);
        await assertBackupsRestore(seen, states);
        pastLeases(house);
        await copyRepository(house.context, seen, {});
        assert.deepEqual(await rangesOf(seen), await rangesOf(house.context));
        await assertBackupsRestore(seen, states);
      }
      assert.equal(cases, 6);
    });
  }

  it("takes none back before what builds on it", async () => {
    const house = await House.make();
    for (let n = 0; n < 6; n++) {
      await house.set("a", `${n}`);
      await house.backup();
    }
    const { engine: { id }, time: { clock } } = house;
    const target = new MemoryStore();
    let published = 0;
    let taken = 0;
    const store = new FaultStore(target, {
      delay: async ({ operation, key }) => {
        if (!key.startsWith(PART.backups)) return;
        if (operation === "put" && ++published === 5) {
          await target.delete(`${PART.locks}backup-${id}.json`);
          for (const key of await keysOf(target, PART.log)) await target.delete(key);
        }
        if (operation !== "delete") return;
        taken++;
        const { backups } = await readFacts(await openOver(target, clock));
        const ids = new Set([null, ...backups.map(({ id }) => id)]);
        assert.ok(backups.every(({ parentId }) => ids.has(parentId)), key);
      },
    });
    const to = await openOver(store, clock);
    await assert.rejects(copyRepository(house.context, to, {}), RepositoryLockedError);
    assert.equal(taken, 5);
    const { backups } = await readFacts(await openOver(target, clock));
    assert.equal(backups.length, 1);
  });

  for (const marked of [undefined, 3, 6]) {
    it(`leaves what is whole, for another copy may build on it: ${marked ?? "no"} log is about to go`, async () => {
      const house = await House.make();
      for (let n = 0; n < 6; n++) {
        await house.set("a", `${n}`);
        await house.backup();
      }
      const { engine: { id, lineage }, time: { clock } } = house;
      const target = new MemoryStore();
      const other = await openOver(target, clock);
      let published = 0;
      const store = new FaultStore(target, {
        delay: async ({ operation, key }) => {
          if (operation !== "put" || !key.startsWith(PART.backups) || ++published !== 6) return;
          await target.delete(`${PART.locks}backup-${id}.json`);
          const keys = logObjects(await allKeys(target, logPrefix(id, lineage)))
            .filter(({ last }) => last === marked).map((object) => object.key);
          assert.equal(keys.length, marked === undefined ? 0 : 1);
          await writeDocument(other, "gc", markKey("1"), { id: "1", markedAt: clock(), keys, leases: [UNSETTLED] });
        },
      });
      await assert.rejects(copyRepository(house.context, await openOver(store, clock), {}), RepositoryLockedError);
      const { backups } = await readFacts(await openOver(target, clock));
      assert.deepEqual(backups.map(({ version }) => version), [1, 2, 3, 4, 5, 6].filter((at) => at < (marked ?? 7)));
    });
  }

  it("leaves none whose parent it took back, though the store was only away for a while", async () => {
    const house = await House.make();
    for (const type of ["full", "snapshot"] as const) {
      for (let n = 0; n < 10; n++) {
        await house.set("a", `${n}`);
        await house.backup({ type: n === 0 ? type : "incremental" });
      }
    }
    const { clock } = house.time;
    const target = new MemoryStore();
    let published = 0;
    let heal: (() => void) | undefined;
    const store: FaultStore = new FaultStore(target, {
      delay: ({ operation, key }) => {
        if (operation === "delete" && key.startsWith(PART.backups)) heal?.();
        if (operation !== "put" || !key.startsWith(PART.backups) || ++published !== 18) return undefined;
        heal = store.inject({ at: (call) => call.key.startsWith(PART.locks), do: "refuse", times: Infinity });
        return undefined;
      },
    });
    const to = await openOver(store, clock);
    await assert.rejects(copyRepository(house.context, to, {}), StorageError);
    assert.ok(heal);
    const { backups } = await readFacts(await openOver(target, clock));
    const ids = new Set([null, ...backups.map(({ id }) => id)]);
    assert.deepEqual(backups.filter(({ parentId }) => !ids.has(parentId)).map(({ id }) => id), []);
  });

  it("writes its leases once for many backups, and not too many", async () => {
    const house = await House.make();
    await house.set("a", "1");
    for (let n = 0; n < 50; n++) {
      await house.set("a", `${n}`);
      await house.backup();
    }
    const store = new FaultStore(new MemoryStore());
    const to = await openOver(store, house.time.clock);
    await copyRepository(house.context, to, {});
    const puts = (part: string): number =>
      store.calls.filter(({ operation, key }) => operation === "put" && key.startsWith(part)).length;
    assert.equal(puts(PART.backups), 50);
    // Taken, before the first backup, before the head is there and before it counts, thrice on the way, at the end.
    assert.equal(puts(PART.locks), 8);
  });
});

describe("CopyLeases", () => {
  const broken: Lease = {
    overtook: false,
    name: "backup-one",
    touch: () => Promise.resolve(),
    assertHeld: () => Promise.reject(new RepositoryLockedError("it was broken")),
    release: () => Promise.resolve(),
  };

  for (const call of ["assertHeld", "end"] as const) {
    it(`takes back what it pinned and is gone, and nothing else: ${call}()`, async () => {
      const store = new MemoryStore();
      const leases = new CopyLeases([broken], await openOver(store, () => 0));
      for (const key of [backupKey("there"), pinKey("there"), pinKey("gone"), pinKey("of-before")]) {
        await store.put(key, new Uint8Array(0));
      }
      for (const id of ["there", "gone"]) leases.pinned(id);
      await leases[call]().catch((error) => assert.ok(error instanceof RepositoryLockedError));
      assert.deepEqual(await keysOf(store, PART.pins), [pinKey("of-before"), pinKey("there")]);
    });
  }
});

describe("stillWhole()", () => {
  it("takes nothing for whole that a pruning has marked, nor what builds on it", async () => {
    const house = await House.make();
    for (const id of ["base", "child", "grandchild"]) {
      await house.set("a", id);
      await house.backup({ id });
    }
    const { context } = house;
    const { backups: [base] } = await readFacts(context);
    const ids = ["base", "child", "grandchild"];
    const whole = async (key: string | undefined, of = ids): Promise<string[]> => {
      const keys = key === undefined ? [] : [key];
      await writeDocument(context, "gc", markKey("1"), { id: "1", markedAt: 0, keys, leases: [UNSETTLED] });
      return [...await stillWhole(context, of)];
    };
    assert.deepEqual(await whole(undefined), ids);
    assert.deepEqual(await whole(objectKey(base!.base!.files[0]!.object)), []);
    assert.deepEqual(await whole(backupKey("child")), ["base"]);
    assert.deepEqual(await whole(backupKey("base"), ["child", "grandchild"]), []);
    assert.deepEqual(await whole(undefined, ["child", "grandchild"]), ["child", "grandchild"]);
  });
});
