/**
 * A repair that stood still for longer than its lease holds, while another one, a backup and a copy went on: whatever it does
 * once it goes on, or has still on its way, takes nothing from what was made meanwhile.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HoldfastError, IntegrityError, NotFoundError, RepositoryLockedError } from "../../../lib/base/errors.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { PART } from "../../../lib/backup/repository/core/layout.ts";
import { LEASE_MS } from "../../../lib/backup/repository/core/lease.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { openOver } from "./copy_fixture.ts";
import { DAMAGES, imageOf, repair } from "./damage_fixture.ts";
import { House } from "./house.ts";
import { assertAllRestore, keysOf, prune, standingAt } from "./prune_fixture.ts";

/** The backups that are made or brought back. */
const VERSIONS: Record<string, number> = { old: 1, later: 2, meanwhile: 3 };

/** What may become of who was overtaken: his lease is lost, or what he copies is gone, or another's. */
function isOvertaken(error: unknown): boolean {
  return [RepositoryLockedError, NotFoundError, IntegrityError].some((type) => error instanceof type);
}

describe("a repair that stands still for long at any change, while others go on, make a backup, and copy back", () => {
  for (
    const [part, go] of [
      [PART.objects, "repair"],
      [PART.objects, "prune"],
      [`${PART.backups}old`, "repair"],
      [PART.log, "repair"],
    ] as const
  ) {
    it(`takes nothing from them, where ${part} was damaged, and they ${go}`, async () => {
      let [overtaken, ran] = [0, true];
      const made = new Set<string>();
      for (let nth = 1; ran; nth++) {
        ran = false;
        const house = await House.make({ store: new MemoryStore() });
        const { store, time, context } = house;
        await house.set("a", "1");
        await house.backup({ id: "old", type: "full" });
        await house.set("b", "2");
        await house.backup({ id: "later" });
        const key = (await keysOf(store, part))[0]!;
        await house.backup({ id: "apart", prefix: "b" });
        const whole = await openOver(new MemoryStore(), time.clock);
        await copyRepository(context, whole, {});
        await store.put(key, DAMAGES["truncated"]!(await imageOf(store), key)!.get(key)!);
        const there = new Set<string>();
        const others = async (): Promise<void> => {
          ran = true;
          time.now += LEASE_MS + 1;
          if (go === "repair") await repair(context);
          await house.set("c", "3");
          await house.backup({ id: "meanwhile", type: "full" });
          there.add("meanwhile");
          if (go === "prune") await prune(house, { keepLast: 1 });
          await copyRepository(whole, context, {}).then(
            () => there.add("old").add("later"),
            // It may have to wait for a pruning.
            (error) => assert.ok(error instanceof HoldfastError, String(error.stack)),
          );
        };
        await repair({ ...context, store: standingAt(store, nth, others) }).catch((error) => {
          assert.ok(isOvertaken(error), String(error.stack));
          overtaken++;
        });
        for (const id of there) {
          const { contents } = await house.restore({ backupId: id });
          assert.deepEqual(contents, house.states.get(VERSIONS[id]!), `${id}, change ${nth}`);
        }
        await repair(context);
        for (let i = 0; i < 2; i++) await prune(house, { keepLast: 10 });
        assert.deepEqual([...await keysOf(store, PART.marks), ...await keysOf(store, PART.locks)], [], `change ${nth}`);
        const listed = await assertAllRestore(house);
        assert.deepEqual([...there].filter((id) => !listed.includes(id)), [], `change ${nth}`);
        for (const id of there) made.add(id);
        await house.engine.close();
      }
      assert.ok(overtaken > 0);
      assert.deepEqual([...made].sort(), Object.keys(VERSIONS).sort());
    });
  }
});
