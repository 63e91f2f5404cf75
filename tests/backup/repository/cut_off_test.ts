/** What a copy or a shipment leaves that ends before a head counts its log is no damage, and is gone on from. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { allKeys } from "../../../lib/backup/repository/core/documents.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { OBJECT_BYTES } from "../../../lib/backup/repository/log/shipment.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { FaultStore, type StoreCall } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { openOver, pastLeases, rangesOf } from "./copy_fixture.ts";
import { put, write } from "../fixture.ts";
import { verify } from "./damage_fixture.ts";
import { House } from "./house.ts";

/** Calls that put a head once log was put. */
function headsBehindLog(): (call: StoreCall) => boolean {
  let isBehind = false;
  return ({ operation, key }) => {
    if (operation === "put") isBehind ||= key.startsWith("log/");
    return isBehind && operation === "put" && key.startsWith("heads/");
  };
}

describe("a copy that ends before a head counts its log", () => {
  for (const archived of [false, true]) {
    it(`leaves no damage ${archived ? "behind a head that was written there" : "in a new repository"}`, async () => {
      const house = await House.make();
      const increment = async (): Promise<void> => {
        await house.set(`${house.engine.visibleVersion}`, "x");
        await house.backup({ type: "incremental" });
      };
      await house.set("a", "a");
      await house.backup();
      const store = new MemoryStore();
      const { clock } = house.time;
      if (archived) {
        await increment();
        await copyRepository(house.context, await openOver(store, clock), {});
        // The database archives there as well.
        const from = house.context;
        house.context = await openOver(store, clock);
        await house.backup({ type: "incremental" });
        house.context = from;
      }
      for (let i = 0; i < 4; i++) await increment();
      const dying = new FaultStore(store);
      const to = await openOver(dying, clock);
      dying.inject({ at: headsBehindLog(), do: "die" });
      await assert.rejects(copyRepository(house.context, to, {}));
      pastLeases(house);
      const after = await openOver(store, clock);
      assert.deepEqual((await verify(after)).problems, []);
      await copyRepository(house.context, after, {});
      assert.deepEqual(await rangesOf(after), await rangesOf(house.context));
      assert.deepEqual((await readHeads(after)).map(({ gaps }) => gaps), [[]]);
      assert.deepEqual((await verify(after)).problems, []);
    });
  }
});

describe("a long shipment that ends before the head counts what it put", () => {
  it("leaves no damage, and the next goes on from there", async () => {
    const store = new MemoryStore();
    const dying = new FaultStore(store);
    const house = await House.make({ store: dying, engine: { archiveBytes: 2 ** 30, historyBytes: 2 ** 30 } });
    await house.set("a", "a");
    await house.backup();
    // The first fills an object; the second is in the last one of the shipment.
    for (const value of ["x".repeat(OBJECT_BYTES), "x"]) {
      await write(house.engine, (batch) => put(batch, 0, "b", { value }));
    }
    dying.inject({ at: headsBehindLog(), do: "die" });
    await assert.rejects(Shipper.of(house.context, house.engine).ship());
    assert.equal((await allKeys(store, "log/")).length, 2);
    pastLeases(house);
    const after = await openOver(store, house.time.clock);
    assert.deepEqual((await verify(after)).problems, []);
    await Shipper.of(after, house.engine).ship();
    assert.equal((await allKeys(store, "log/")).length, 2);
    assert.deepEqual((await verify(after)).problems, []);
    const [range] = await rangesOf(after);
    assert.equal(range!.to.version, 3);
    await house.engine.close();
  });
});
