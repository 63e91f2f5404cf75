/**
 * A pruning that stood still for longer than its lease holds, while another one and a backup went on: whatever it does once it
 * goes on, or has still on its way, takes nothing from what was made meanwhile.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RepositoryLockedError } from "../../../lib/base/errors.ts";
import { writeDocument } from "../../../lib/backup/repository/core/documents.ts";
import { PART } from "../../../lib/backup/repository/core/layout.ts";
import { LEASE_MS, takeLease } from "../../../lib/backup/repository/core/lease.ts";
import { pruneRepository } from "../../../lib/backup/repository/pruning/prune.ts";
import { checkPolicy, type RetentionPolicy } from "../../../lib/backup/repository/pruning/retention_policy.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { openOver } from "./copy_fixture.ts";
import { House } from "./house.ts";
import { assertAllRestore, Gate, keysOf, leaveObjects, prune, standingAt } from "./prune_fixture.ts";

const KEEP = { keepLast: 10 };

/** A backup, and the objects of another that was cut off. */
async function cutOff(): Promise<House> {
  const house = await House.make({ store: new MemoryStore() });
  await house.set("a", "1");
  await house.backup({ id: "first" });
  await house.engine.compact();
  house.note();
  assert.ok((await leaveObjects(house, { id: "cut", type: "full" })).length > 0);
  return house;
}

describe("a pruning that stands still for long at any change, while another prunes and a backup is made", () => {
  it("takes nothing from that backup, and nothing is left in the end", async () => {
    let overtaken = 0;
    let ran = true;
    for (let nth = 1; ran; nth++) {
      ran = false;
      const house = await cutOff();
      const { store, time } = house;
      const others = async (): Promise<void> => {
        ran = true;
        time.now += LEASE_MS + 1;
        await prune(house, KEEP);
        await house.backup({ id: "meanwhile", type: "full" });
      };
      const slow = standingAt(store, nth, others);
      const pruning = pruneRepository({ ...house.context, store: slow }, checkPolicy("prune", KEEP), {});
      await pruning.catch((error) => {
        assert.ok(error instanceof RepositoryLockedError, String(error.stack));
        overtaken++;
      });
      await assertAllRestore(house);
      for (let i = 0; i < 2; i++) await prune(house, KEEP);
      assert.deepEqual([...await keysOf(store, PART.marks), ...await keysOf(store, PART.locks)], [], `change ${nth}`);
      assert.deepEqual(await assertAllRestore(house), ran ? ["first", "meanwhile"] : ["first"]);
      await house.engine.close();
    }
    assert.ok(overtaken > 0);
  });
});

describe("a pruning that stands still for long at any change, while a backup takes the id of one that goes", () => {
  it("takes nothing from that backup", async () => {
    let [made, ran] = [0, true];
    for (let nth = 1; ran; nth++) {
      ran = false;
      const house = await House.make({ store: new MemoryStore() });
      const { store, time } = house;
      for (const id of ["old", "newer"]) {
        await house.set("a", id);
        await house.backup({ id, type: "full" });
      }
      const others = async (): Promise<void> => {
        ran = true;
        time.now += LEASE_MS + 1;
        await prune(house, { keepLast: 1 });
        await house.backup({ id: "old", type: "full" }).then(() => made++, (error) => {
          assert.ok(error instanceof RepositoryLockedError, String(error.stack));
        });
      };
      const slow = standingAt(store, nth, others);
      const before = made;
      const pruning = pruneRepository({ ...house.context, store: slow }, checkPolicy("prune", { keepLast: 1 }), {});
      await pruning.catch((error) => assert.ok(error instanceof RepositoryLockedError, String(error.stack)));
      const there = await assertAllRestore(house);
      assert.equal(there.includes("old"), made > before, `change ${nth}`);
      await house.engine.close();
    }
    assert.ok(made > 0);
  });
});

/** Runs `second`, and when that is about to delete objects lets `first` go on, which stands at a call; then makes a backup. */
async function overtaken(
  house: House,
  first: { policy: RetentionPolicy; stands: (operation: string, key: string) => boolean },
  second: RetentionPolicy,
): Promise<void> {
  const { store, time } = house;
  const [slow, fast] = [new Gate(store), new Gate(store)];
  const stands = slow.hold(first.stands);
  const one = pruneRepository(await openOver(slow.store, time.clock), checkPolicy("prune", first.policy), {});
  await stands;
  const deletes = fast.hold((operation, key) => operation === "delete" && key.startsWith(PART.objects));
  const ahead = await openOver(fast.store, () => time.now + LEASE_MS + 1);
  const other = pruneRepository(ahead, checkPolicy("prune", second), {});
  await deletes;
  slow.open();
  await assert.rejects(one, RepositoryLockedError);
  await house.backup({ id: "meanwhile", type: "full" });
  fast.open();
  await other;
}

describe("a pruning that finds another has its lease", () => {
  it("leaves its marks, by which that one may go", async () => {
    const house = await cutOff();
    // What is marked while it holds is known to be settled.
    const lease = await takeLease(house.context, { kind: "restore", holder: "someone" });
    let marks = 0;
    const stands = (operation: string, key: string): boolean => {
      if (operation === "put" && key.startsWith(PART.marks)) marks++;
      return marks === 2 && operation === "list" && key === PART.pins;
    };
    await overtaken(house, { policy: KEEP, stands }, KEEP);
    await lease.release();
    assert.deepEqual(await assertAllRestore(house), ["first", "meanwhile"]);
  });

  it("leaves the marks of those before in its end, too", async () => {
    const house = await House.make({ store: new MemoryStore() });
    await house.set("a", "1");
    await house.engine.compact();
    house.note();
    await house.backup({ id: "old", type: "full" });
    const keys = await keysOf(house.store, PART.objects);
    await house.set("a", "2");
    await house.backup({ id: "newer", type: "full" });
    const mark = { id: "before", markedAt: house.time.now, keys, leases: ["0a"] };
    await writeDocument(house.context, "gc", `${PART.marks}before.json`, mark);
    const lists: string[] = [];
    // Its last look at what is there.
    const stands = (operation: string, key: string): boolean => {
      if (operation === "list") lists.push(key);
      return lists.slice(lists.indexOf(PART.objects)).filter((part) => part === PART.backups).length === 2 &&
        lists.includes(PART.objects);
    };
    await overtaken(house, { policy: KEEP, stands }, { keepLast: 1 });
    assert.deepEqual(await assertAllRestore(house), ["meanwhile", "newer"]);
  });
});
