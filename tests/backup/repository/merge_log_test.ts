/** Merging an archived log beside objects that no head counts. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IntegrityError } from "../../../lib/base/errors.ts";
import { readHead } from "../../../lib/backup/repository/log/heads.ts";
import { mergeLog } from "../../../lib/backup/repository/log/merge.ts";
import { MergeMemory } from "../../../lib/backup/repository/log/merge_memory.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { HeadDocument } from "../../../lib/format/repository/head_document.ts";
import { openAt, put, write } from "../fixture.ts";
import { collect } from "../helpers.ts";
import { House } from "./house.ts";
import { keysOf } from "./prune_fixture.ts";

const DAY = 86_400_000;

/** Ships log, and is cut off before the head counts it; `claim`: behind the writer's claim of the history. */
async function shipWithoutHead(house: House, engine = house.engine, claim = false): Promise<void> {
  let heads = 0;
  const store = new FaultStore(house.store, {
    faults: [{
      at: ({ operation, key }) => operation === "put" && key.startsWith("heads/") && ++heads > (claim ? 1 : 0),
      do: "die",
    }],
  });
  await assert.rejects(Shipper.of({ ...house.context, store }, engine).ship());
}

async function headOf(house: House): Promise<HeadDocument> {
  return (await readHead(house.context, house.engine.id, house.engine.lineage))!.body;
}

describe("merging an archived log", () => {
  it("leaves an object that no head counts and that reaches over the beginning of the chain", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    for (const key of ["b", "c"]) await house.set(key, "2");
    await house.copyDirectory("/twin");
    await house.set("d", "3");
    await shipWithoutHead(house);
    // A twin keeps none of the log behind its slot, and notes a gap.
    const twin = await openAt(house.fs, "/twin", { clock: house.time.clock, historyBytes: 0, archiveBytes: 0 });
    await twin.compact();
    await house.backup({ type: "full" }, twin);
    await twin.close();
    await house.engine.close();
    await house.open();
    await house.set("e", "4");
    const { head } = await Shipper.of(house.context, house.engine).ship();
    assert.deepEqual([head.start, head.version, head.gaps.length], [4, 5, 1]);
    await house.set("f", "5");
    await Shipper.of(house.context, house.engine).ship();
    assert.equal((await keysOf(house.store, "log/")).length, 3);
    house.time.now += DAY;
    const merged = await mergeLog(house.context, await headOf(house), new MergeMemory());
    assert.equal(merged.made, 1);
    for (let version = 4; version <= 6; version++) {
      const { contents } = await house.restore({ at: { version } });
      assert.deepEqual(contents, house.states.get(version), `version ${version}`);
    }
    assert.deepEqual((await verifyRepository(house.context, undefined, { read: "all" })).problems, []);
  });

  it("keeps what it merged where the merged object does not read back", async () => {
    const store = new MemoryStore();
    const house = await House.make({ store });
    await house.set("a", "1");
    await house.backup();
    for (const key of ["b", "c"]) {
      await house.set(key, "2");
      await Shipper.of(house.context, house.engine).ship();
    }
    const before = await keysOf(store, "log/");
    assert.equal(before.length, 2);
    house.time.now += DAY;
    const put = store.put.bind(store);
    store.put = async (key, body, options) => {
      const made = await put(key, body, options);
      const bytes = (await collect((await store.get(key))!.body)).slice();
      bytes[bytes.length >> 1]! ^= 1;
      await put(key, bytes);
      return made;
    };
    await assert.rejects(mergeLog(house.context, await headOf(house), new MergeMemory()), IntegrityError);
    const left = await keysOf(store, "log/");
    assert.deepEqual(before.filter((key) => !left.includes(key)), []);
  });

  it("takes none of a writer that was overtaken, though its object reaches further back", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    await Shipper.of(house.context, house.engine).ship({ heartbeat: true });
    await house.copyDirectory("/twin");
    const twin = await openAt(house.fs, "/twin", { clock: house.time.clock });
    for (const key of ["x", "y"]) await write(twin, (batch) => put(batch, 0, key, { value: "of the twin" }));
    await shipWithoutHead(house, twin, true);
    // The original claims its history again.
    await house.engine.close();
    const shipper = Shipper.of(house.context, await house.open());
    for (const key of ["b", "c", "d"]) {
      await house.set(key, "2");
      await shipper.ship();
    }
    assert.equal((await keysOf(house.store, "log/")).length, 4);
    house.time.now += DAY;
    const merged = await mergeLog(house.context, await headOf(house), new MergeMemory());
    assert.deepEqual(merged, { made: 1, removed: 3 });
    for (let version = 1; version <= 4; version++) {
      const { contents } = await house.restore({ at: { version } });
      assert.deepEqual(contents, house.states.get(version), `version ${version}`);
    }
    await twin.close();
  });

  it("takes none that reaches over the head where what the head counts last is lost", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    const shipper = Shipper.of(house.context, house.engine);
    for (const key of ["b", "c"]) {
      await house.set(key, "2");
      await shipper.ship({ heartbeat: true });
    }
    await house.copyDirectory("/twin");
    const twin = await openAt(house.fs, "/twin", { clock: house.time.clock });
    for (const key of ["x", "y"]) await write(twin, (batch) => put(batch, 0, key, { value: "of the twin" }));
    await shipWithoutHead(house, twin, true);
    await house.engine.close();
    const before = new Set(await keysOf(house.store, "log/"));
    const engine = await house.open();
    await house.set("d", "3");
    await Shipper.of(house.context, engine).ship();
    const last = (await keysOf(house.store, "log/")).filter((key) => !before.has(key));
    assert.equal(last.length, 1);
    await house.store.delete(last[0]!);
    house.time.now += DAY;
    const merged = await mergeLog(house.context, await headOf(house), new MergeMemory());
    assert.deepEqual(merged, { made: 0, removed: 0 });
    assert.deepEqual(new Set(await keysOf(house.store, "log/")), before);
    await twin.close();
  });
});
