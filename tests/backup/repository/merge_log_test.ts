/** Merging an archived log beside objects that no head counts. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { restoreTo } from "../../../lib/backup/restore_to.ts";
import { IntegrityError } from "../../../lib/base/errors.ts";
import { readHead } from "../../../lib/backup/repository/log/heads.ts";
import { mergeLog } from "../../../lib/backup/repository/log/merge.ts";
import { MergeMemory } from "../../../lib/backup/repository/log/merge_memory.ts";
import { type LinkedLogObject, planMerges } from "../../../lib/backup/repository/log/merge_plan.ts";
import type { LogObjectSent } from "../../../lib/backup/repository/log/shipment.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { HeadDocument } from "../../../lib/format/repository/head_document.ts";
import { openAt, put, settingsOf, write } from "../fixture.ts";
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

/** Commits to what was restored to `/fork`, which begins a history, and backs that up. */
async function backUpFork(house: House, count: number): Promise<void> {
  const fork = await openAt(house.fs, "/fork", { clock: house.time.clock });
  for (let i = 0; i < count; i++) await write(fork, (batch) => put(batch, 0, `of the fork ${i}`, { value: "1" }));
  await house.backup({}, fork);
  await fork.close();
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

  it("takes nothing from a restore to the newest state that has begun, though more is shipped meanwhile", async () => {
    let meanwhile: ((key: string) => Promise<void>) | undefined;
    const store = new FaultStore(new MemoryStore(), {
      delay: ({ operation, key }) => operation === "get" ? meanwhile?.(key) : undefined,
    });
    const house = await House.make({ store });
    await house.set("a", "1");
    await house.backup();
    const ship = async (key: string): Promise<void> => {
      await house.set(key, "2");
      await Shipper.of(house.context, house.engine).ship();
    };
    for (const key of ["b", "c"]) await ship(key);
    house.time.now += DAY;
    // Files are fetched once it is planned.
    meanwhile = async (asked) => {
      if (!asked.startsWith("objects/")) return;
      meanwhile = undefined;
      await ship("d");
      assert.equal((await mergeLog(house.context, await headOf(house), new MergeMemory())).made, 1);
    };
    const { contents } = await house.restore();
    assert.equal(meanwhile, undefined);
    assert.deepEqual(contents, house.states.get(4));
  });

  it("keeps nobody from being held against the log who has listed it before", async () => {
    let meanwhile: (() => Promise<void>) | undefined;
    const store = new FaultStore(new MemoryStore(), {
      delay: ({ operation, key }) => operation === "get" && key.startsWith("log/") ? meanwhile?.() : undefined,
    });
    const house = await House.make({ store });
    await house.set("a", "1");
    await house.backup();
    for (const key of ["b", "c"]) {
      if (key === "c") await house.copyDirectory("/copy");
      await house.set(key, "2");
      await Shipper.of(house.context, house.engine).ship();
    }
    house.time.now += DAY;
    meanwhile = async () => {
      meanwhile = undefined;
      assert.equal((await mergeLog(house.context, await headOf(house), new MergeMemory())).made, 1);
    };
    const reader = await openAt(house.fs, "/copy", { clock: house.time.clock, readOnly: true });
    await house.backup({ id: "of-the-reader" }, reader);
    await reader.close();
    assert.equal(meanwhile, undefined);
    assert.deepEqual((await house.restore({ backupId: "of-the-reader" })).contents, house.states.get(2));
  });

  it("gives who restores the newest state none of a history that began meanwhile, be it of the same version", async () => {
    for (const count of [1, 2]) {
      let meanwhile: (() => Promise<void>) | undefined;
      const store = new FaultStore(new MemoryStore(), {
        delay: ({ operation, key }) => operation === "get" && key.startsWith("objects/") ? meanwhile?.() : undefined,
      });
      const house = await House.make({ store });
      await house.set("a", "1");
      await house.backup();
      const settings = settingsOf({ clock: house.time.clock });
      await restoreTo(house.fs, settings, house.handle, "/fork");
      await house.set("b", "2");
      await Shipper.of(house.context, house.engine).ship();
      const [shipped] = await keysOf(store, "log/");
      meanwhile = async () => {
        meanwhile = undefined;
        house.time.now += DAY;
        await backUpFork(house, count);
        await store.delete(shipped!);
      };
      await assert.rejects(house.restore(), (error: Error) => error.message.includes(shipped!), `${count}`);
      assert.equal(meanwhile, undefined);
    }
  });

  for (const part of ["log/", "objects/"]) {
    it(`takes nothing from a restore that asks for ${part} while another history begins`, async () => {
      let meanwhile: (() => Promise<void>) | undefined;
      const store = new FaultStore(new MemoryStore(), {
        delay: ({ operation, key }) => operation === "get" && key.startsWith(part) ? meanwhile?.() : undefined,
      });
      const house = await House.make({ store });
      await house.set("a", "1");
      await house.backup();
      const settings = settingsOf({ clock: house.time.clock });
      await restoreTo(house.fs, settings, house.handle, "/fork");
      for (const key of ["b", "c"]) {
        await house.set(key, "2");
        await Shipper.of(house.context, house.engine).ship();
      }
      meanwhile = async () => {
        meanwhile = undefined;
        house.time.now += DAY;
        assert.equal((await mergeLog(house.context, await headOf(house), new MergeMemory())).made, 1);
        await backUpFork(house, 1);
      };
      assert.deepEqual((await house.restore()).contents, house.states.get(3));
      assert.equal(meanwhile, undefined);
    });
  }

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

  it("removes with the next what one that was cut off has left beside the merged", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    for (const key of ["b", "c", "d"]) {
      await house.set(key, "2");
      await Shipper.of(house.context, house.engine).ship();
    }
    house.time.now += DAY;
    const store = new FaultStore(house.store, {
      faults: [{ at: ({ operation }) => operation === "delete", do: "die" }],
    });
    const head = await headOf(house);
    await assert.rejects(mergeLog({ ...house.context, store }, head, new MergeMemory()));
    assert.equal((await keysOf(house.store, "log/")).length, 4);
    assert.deepEqual(await mergeLog(house.context, head, new MergeMemory()), { made: 0, removed: 3 });
    assert.equal((await keysOf(house.store, "log/")).length, 1);
    for (let version = 1; version <= 4; version++) {
      assert.deepEqual((await house.restore({ at: { version } })).contents, house.states.get(version));
    }
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

/** An object of one version, with the times of its first and last commit in seconds. */
function objectAt(version: number, from: number, to = from, size = 1): LinkedLogObject {
  const about = { key: `${version}`, first: version, last: version, chain: `c${version}`, previous: `c${version - 1}` };
  return { ...about, minTimestamp: from * 1000, maxTimestamp: to * 1000, size };
}

describe("planMerges()", () => {
  const MIB = 2 ** 20;
  const HOURS = 3600;

  /** The versions of each group. */
  function groups(now: number, ...objects: LinkedLogObject[]): number[][] {
    return planMerges(objects, now * 1000).map((group) => group.map(({ first }) => first));
  }

  it("makes one of each minute, hour and day that is over, and leaves the present minute", () => {
    const minutes = [
      objectAt(1, 0),
      objectAt(2, 59),
      objectAt(3, 60),
      objectAt(4, 119),
      objectAt(5, 120),
      objectAt(6, 130),
    ];
    assert.deepEqual(groups(139, ...minutes), [[1, 2], [3, 4]]);
    assert.deepEqual(groups(180, ...minutes), [[1, 2], [3, 4], [5, 6]]);
    assert.deepEqual(groups(HOURS - 1, ...minutes), [[1, 2], [3, 4], [5, 6]]);
    assert.deepEqual(groups(HOURS, ...minutes), [[1, 2, 3, 4, 5, 6]]);
    const hours = [objectAt(1, 0), objectAt(2, HOURS), objectAt(3, 24 * HOURS), objectAt(4, 25 * HOURS)];
    assert.deepEqual(groups(24 * HOURS - 1, ...hours.slice(0, 2)), []);
    assert.deepEqual(groups(26 * HOURS, ...hours), [[1, 2]]);
  });

  it("counts an object to the minute in which it ends", () => {
    assert.deepEqual(groups(200, objectAt(1, 50, 55), objectAt(2, 56, 61), objectAt(3, 62)), [[2, 3]]);
  });

  it("makes none larger than a restore may have to read for a second", () => {
    const sizes = [40, 24, 1, 30, 32, 2];
    const objects = sizes.map((size, i) => objectAt(i + 1, i < 3 ? i : 60 + i, undefined, size * MIB));
    assert.deepEqual(groups(200, ...objects), [[1, 2], [4, 5, 6]]);
  });
});

describe("what a replication knows of its log between merges", () => {
  const end = (version: number, chain = `c${version}`): HeadDocument => ({ version, chain }) as HeadDocument;
  const sent = (version: number, previous = `c${version - 1}`): LogObjectSent => {
    const { size: storedBytes, ...object } = objectAt(version, version);
    return { ...object, previous, storedBytes };
  };

  it("is of exactly one head, and goes on with what is shipped behind that", () => {
    const memory = new MergeMemory();
    assert.equal(memory.chainOf(end(2)), undefined);
    memory.remember(end(2), [objectAt(1, 1), objectAt(2, 2)]);
    assert.deepEqual(memory.chainOf(end(2))!.map(({ first }) => first), [1, 2]);
    assert.equal(memory.chainOf(end(2, "another")), undefined);
    assert.equal(memory.chainOf(end(3, "c2")), undefined);
    memory.shipped([sent(3), sent(4)]);
    assert.equal(memory.chainOf(end(2)), undefined);
    assert.deepEqual(memory.chainOf(end(4))!.map(({ first }) => first), [1, 2, 3, 4]);
  });

  it("is nothing once anything else was shipped, until it is listed anew", () => {
    const memory = new MergeMemory();
    memory.remember(end(2), [objectAt(1, 1), objectAt(2, 2)]);
    memory.shipped([sent(3, "another"), sent(4)]);
    assert.equal(memory.chainOf(end(4)), undefined);
    memory.remember(end(4), [objectAt(4, 4)]);
    assert.deepEqual(memory.chainOf(end(4))!.map(({ first }) => first), [4]);
  });
});
