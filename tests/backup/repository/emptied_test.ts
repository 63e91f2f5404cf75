/** A store that is emptied under an open repository: a bucket that was deleted and made again, a directory that was cleared. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HoldfastError, IntegrityError } from "../../../lib/base/errors.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { repairRepository } from "../../../lib/backup/repository/care/repair.ts";
import { PART } from "../../../lib/backup/repository/core/layout.ts";
import { addKey } from "../../../lib/backup/repository/core/repository_keys.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { FaultStore, type StoreCall } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { openAt } from "../fixture.ts";
import { keysOf } from "./prune_fixture.ts";
import { turns, until } from "./fake_timers.ts";
import { House } from "./house.ts";
import { NO_WAIT } from "./sweep.ts";

const SECOND = 1000;

async function empty({ store }: House): Promise<void> {
  for (const key of await keysOf(store)) await store.delete(key);
}

const isGone = (error: unknown): boolean =>
  error instanceof IntegrityError && /repository\.json is gone/.test(error.message);

describe("a repository whose store was emptied while it was open", () => {
  const secret = { key: new Uint8Array(32).fill(7) };
  for (const [name, encryption] of [["plain", undefined], ["encrypted", secret]] as const) {
    it(`is not archived into as if all were well, and goes on after a repair (${name})`, async () => {
      const house = await House.make({ repository: { encryption } });
      const commit = async (seconds: number): Promise<void> => {
        for (let i = 0; i < seconds; i++) {
          await house.set("key", `${house.states.size}`);
          await house.time.advance(SECOND, async () => {
            await turns(1);
            await until(() => replication.status().state !== "shipping" || house.time.keeping > 0);
          });
        }
      };
      await house.set("first", "1");
      const replication = await house.replicate({ interval: SECOND });
      await replication.flush();
      await commit(5);
      await empty(house);
      await commit(20);
      const { state, error, lagVersions } = replication.status();
      assert.deepEqual([state, isGone(error)], ["failing", true]);
      assert.ok(lagVersions >= 19, `${lagVersions}`);
      await assert.rejects(replication.flush(), isGone);
      await repairRepository(house.context, { dryRun: false });
      if (encryption !== undefined) await addKey(house.context, encryption);
      await commit(100);
      await replication.flush();
      await replication.stop();
      await house.openRepository({ encryption });
      const { info, contents } = await house.restore();
      assert.equal(info.achieved.version, house.engine.visibleVersion);
      assert.deepEqual(contents, house.states.get(info.achieved.version));
    });
  }

  for (const type of ["full", "incremental", "snapshot", "auto"] as const) {
    it(`takes no backup of type ${type}`, async () => {
      const house = await House.make();
      await house.set("a", "1");
      await house.backup();
      await house.set("a", "2");
      await empty(house);
      await assert.rejects(house.backup({ type }), isGone);
      assert.deepEqual(await keysOf(house.store, "backups/"), []);
    });
  }

  it("takes no backup of a reader, and none of a part", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    await empty(house);
    await assert.rejects(house.backup({ prefix: "a" }), isGone);
    await house.engine.close();
    const reader = await openAt(house.fs, "/db", { clock: house.time.clock, readOnly: true });
    await assert.rejects(house.backup({ type: "full" }, reader), isGone);
    assert.deepEqual(await keysOf(house.store, "backups/"), []);
  });

  it("takes no copies", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    const target = await House.make();
    await copyRepository(house.context, target.context, {});
    await empty(target);
    await assert.rejects(copyRepository(house.context, target.context, {}), isGone);
    assert.deepEqual(await keysOf(target.store, "backups/"), []);
  });
});

describe("a repository whose log and heads are lost while its writer archives", () => {
  for (const fails of [false, true]) {
    it(`has a head that counts what is put from there on${fails ? ", also where the store is away just then" : ""}`, async () => {
      const store = new FaultStore(new MemoryStore());
      const house = await House.make({ store, repository: { timers: NO_WAIT } });
      const shipper = Shipper.of(house.context, house.engine);
      await house.set("a", "1");
      await house.backup();
      await house.set("b", "2");
      await shipper.ship();
      const [before] = await readHeads(house.context);
      assert.deepEqual([before!.start, before!.version], [2, 2]);
      for (const key of [...await keysOf(store, PART.log), ...await keysOf(store, PART.heads)]) await store.delete(key);
      await house.set("c", "3");
      if (fails) {
        const isLook = ({ operation, key }: StoreCall): boolean => operation === "list" && key.startsWith(PART.log);
        const error = (): Error => new HoldfastError("STORAGE", "the cable is out");
        const heal = store.inject({ at: isLook, do: "refuse", error, times: Infinity });
        await assert.rejects(shipper.ship(), /the cable is out/);
        heal();
      }
      const { head } = await shipper.ship();
      assert.deepEqual([head.start, head.version, head.epoch], [3, 3, before!.epoch]);
      assert.deepEqual(await readHeads(house.context), [head]);
    });
  }
});
