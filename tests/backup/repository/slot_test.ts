/** A database's slot for a repository, dropped and made anew. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { headKey } from "../../../lib/backup/repository/core/layout.ts";
import { LEASE_MS } from "../../../lib/backup/repository/core/lease.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { ensureSlot } from "../../../lib/backup/repository/log/slots.ts";
import { restoreTo } from "../../../lib/backup/restore_to.ts";
import type { RecoveryRange } from "../../../lib/backup/repository/restoring/recovery_points.ts";
import { GapError, LineageError } from "../../../lib/base/errors.ts";
import { yieldToLoop } from "../../../lib/base/yield.ts";
import { Batch } from "../../../lib/format/log/batch.ts";
import type { HeadDocument } from "../../../lib/format/repository/head_document.ts";
import type { SlotMeta } from "../../../lib/format/manifest/manifest_edit.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { collect } from "../helpers.ts";
import { openAt, put, settingsOf, write } from "../fixture.ts";
import { repair, verify } from "./damage_fixture.ts";
import { House } from "./house.ts";
import { keysOf } from "./prune_fixture.ts";

/** Drops it, in an earlier run of the program. */
async function dropped(house: House): Promise<void> {
  await house.engine.dropSlot(house.context.id);
  await house.engine.close();
  await house.open();
}

describe("a slot that was dropped", () => {
  for (const type of ["full", "incremental"] as const) {
    it(`is made anew by a backup, ${type}, that goes on where the archive ends`, async () => {
      const house = await House.make();
      await house.set("a", "1");
      await house.backup();
      await dropped(house);
      for (const key of ["b", "c", "d"]) await house.set(key, "2");
      await house.backup({ type });
      for (let version = 1; version <= 4; version++) {
        const { contents } = await house.restore({ at: { version } });
        assert.deepEqual(contents, house.states.get(version));
      }
    });
  }

  it("leaves a gap where the log went meanwhile", async () => {
    const house = await House.make({ engine: { historyBytes: 0 } });
    await house.set("a", "1");
    await house.backup();
    await dropped(house);
    for (const key of ["b", "c"]) await house.set(key, "2");
    await house.engine.compact();
    await house.set("d", "3");
    for (let i = 0; i < 2; i++) {
      const { id, version } = await house.backup();
      assert.equal(version, 4);
      assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(4));
    }
    await assert.rejects(house.restore({ at: { version: 2 } }), GapError);
    assert.deepEqual((await house.restore({ at: { version: 1 } })).contents, house.states.get(1));
  });

  it("is made anew behind such a gap once the head says so, also in the same run of the program", async () => {
    const house = await House.make({ engine: { historyBytes: 0 } });
    await house.set("a", "1");
    await house.backup();
    const shipper = Shipper.of(house.context, house.engine);
    await shipper.detach();
    await house.engine.dropSlot(house.context.id);
    for (const key of ["b", "c"]) await house.set(key, "2");
    await house.engine.compact();
    await ensureSlot(house.engine, house.context, shipper);
    const [head] = await readHeads(house.context);
    assert.deepEqual([head!.version, head!.gaps.map(({ from, to }) => [from, to])], [3, [[2, 3]]]);
    assert.equal(house.engine.slots()[0]!.version, 3);
  });
});

describe("a slot that is ahead of where a new head begins", () => {
  it("is taken back to there, so that log is kept though archiving was cut off", async () => {
    const house = await House.make({ engine: { historyBytes: 0 } });
    for (const key of ["a", "b"]) await house.set(key, "1");
    await house.backup();
    await house.engine.close();
    const settings = settingsOf({ clock: house.time.clock });
    await restoreTo(house.fs, settings, house.handle, "/fork", { at: { version: 2 } });
    await house.open("/fork");
    for (const key of ["c", "d"]) await house.set(key, "2");
    // The slot is made at version 4, and the head of the new history begins at the fork.
    const { context } = house;
    const store = new FaultStore(house.store, {
      faults: [{ at: ({ operation, key }) => operation === "put" && key.startsWith("log/"), do: "die" }],
    });
    house.context = { ...context, store };
    await assert.rejects(house.backup());
    house.context = context;
    assert.deepEqual(house.engine.slots().map(({ version }) => version), [2]);
    await house.engine.close();
    await house.open("/fork");
    await house.engine.compact();
    await house.set("e", "3");
    house.time.now += LEASE_MS + 1;
    await house.backup();
    const { lineage } = house.engine;
    for (let version = 2; version <= 5; version++) {
      const { contents } = await house.restore({ lineage, at: { version } });
      assert.deepEqual(contents, house.states.get(version), `version ${version}`);
    }
  });
});

/** Replicates and writes: what was flushed is a point, and every point restores. */
async function assertArchivesOn(house: House): Promise<void> {
  const replication = await house.replicate();
  for (const key of ["d", "e"]) await house.set(key, "anew");
  await replication.flush();
  const { visibleVersion } = house.engine;
  const [{ from, to }] = await house.points() as [RecoveryRange];
  const { archivedVersion } = replication.status();
  assert.deepEqual([archivedVersion, to.version], [visibleVersion, visibleVersion], "what a flush archives is a point");
  for (let version = from.version; version <= to.version; version++) {
    const { contents } = await house.restore({ at: { version } });
    assert.deepEqual(contents, house.states.get(version), `version ${version}`);
  }
  await replication.stop();
}

describe("a slot that is made while commits wait for their sync", () => {
  for (const durability of ["interval", "buffered"] as const) {
    it(`counts none that a power cut may take, ${durability}`, async () => {
      const before = await House.make();
      const { fs, store, time, engine } = before;
      await before.set("a", "1");
      for (const key of ["b", "c"]) {
        const batch = new Batch();
        put(batch, 0, key, { value: "2" });
        await engine.commit(batch, { durability });
      }
      await ensureSlot(engine, before.context, Shipper.of(before.context, engine));
      const image = fs.crash({ keep: "none" });
      await engine.close().catch(() => {});
      const house = await House.make({ fs: image, store, now: time.now });
      const [{ version }] = house.engine.slots() as [SlotMeta];
      const { visibleVersion } = house.engine;
      assert.ok(version <= visibleVersion, `the slot is at ${version}, the database at ${visibleVersion}`);
      house.note();
      await assertArchivesOn(house);
    });
  }
});

describe("a slot that is ahead of its database", () => {
  it("is taken back to where that stands, and what comes next is archived", async () => {
    const house = await House.make();
    for (const key of ["a", "b", "c"]) await house.set(key, "1");
    const { id } = house.context;
    await house.engine.setSlot({ id, repository: id, version: 7, createdAt: house.time.now });
    // At once: archiving may be cut off before it has come that far.
    await Shipper.of(house.context, house.engine).claim();
    assert.equal(house.engine.slots()[0]!.version, 3);
    await assertArchivesOn(house);
  });
});

describe("a commit in the same millisecond as a backup before it", () => {
  it("has a later time, so that the time of the backup means what it shows", async () => {
    const house = await House.make();
    const at = house.time.now;
    await house.set("a", "1");
    const { timestamp } = await house.backup();
    assert.equal(timestamp, at);
    await house.set("b", "2");
    assert.equal(house.engine.visibleTimestamp, at + 1);
    assert.deepEqual((await house.restore({ at })).contents, house.states.get(1), "before it is archived");
    await assert.rejects(house.restore({ at: at + 1 }), GapError);
    await house.backup();
    assert.deepEqual((await house.restore({ at })).contents, house.states.get(1));
    assert.deepEqual((await house.restore({ at: at + 1 })).contents, house.states.get(2));
    await house.set("c", "3");
    assert.equal(house.engine.visibleTimestamp, at + 2);
    await assert.rejects(house.restore({ at: at + 2 }), GapError);
  });
});

describe("a slot that a shipment moves on", () => {
  it("is where the head is once that has come to its end", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const shipper = Shipper.of(house.context, house.engine);
    await ensureSlot(house.engine, house.context, shipper);
    await house.set("b", "2");
    const { head } = await shipper.ship({ heartbeat: true });
    assert.deepEqual([head.version, house.engine.slots()[0]!.version], [2, 2]);
  });
});

describe("archiving after a restart of the program", () => {
  it("goes on behind its head, though the log up to there is gone", async () => {
    const house = await House.make({ engine: { historyBytes: 0 } });
    await house.set("a", "1");
    await house.backup();
    await house.engine.compact();
    await house.engine.close();
    await house.open();
    await house.set("b", "2");
    await house.engine.close();
    await house.open();
    const { head, gap } = await Shipper.of(house.context, house.engine).ship();
    assert.deepEqual([head.version, head.gaps, gap], [2, [], undefined]);
  });

  it("goes on behind a head that was only just begun, in the midst of the log", async () => {
    const house = await House.make();
    for (const key of ["a", "b", "c"]) await house.set(key, "1");
    assert.equal(await Shipper.of(house.context, house.engine).claim(1), 1);
    await house.engine.close();
    await house.open();
    const { head, gap } = await Shipper.of(house.context, house.engine).ship();
    assert.deepEqual([head.start, head.version, head.gaps, gap], [2, 3, [], undefined]);
  });

  it("begins behind a gap as a writer of its own, and notes all that is known of it, each time", async () => {
    const house = await House.make({ engine: { historyBytes: 0, archiveBytes: 0 } });
    await house.set("a", "1");
    await house.backup();
    const gaps: HeadDocument["gaps"] = [];
    for (let round = 0; round < 2; round++) {
      const [before] = await readHeads(house.context);
      await house.engine.close();
      await house.open();
      for (const key of ["b", "c"]) await house.set(key, "2");
      await house.engine.compact();
      const { head, gap } = await Shipper.of(house.context, house.engine).ship();
      const { version, timestamp, coveredUntil, chain } = before!;
      assert.deepEqual([gap, head.epoch], [{ from: version + 1, to: version + 2 }, before!.epoch + 1]);
      assert.notEqual(head.writer, before!.writer);
      const present = house.engine.visibleTimestamp;
      gaps.push({ from: version + 1, to: version + 2, after: coveredUntil, before: present, chain, timestamp });
      assert.deepEqual([head.gaps, head.timestamp], [gaps, present]);
      await house.set("d", "3");
      assert.equal(head.coveredUntil, house.engine.visibleTimestamp - 1, "a commit may come next");
      await Shipper.of(house.context, house.engine).ship();
    }
  });
});

describe("a slot that a backup moves on", () => {
  it("lets files of log go once the backup is done, its audit line as well", async () => {
    const house = await House.make({ engine: { historyBytes: 0 } });
    const logs = async (): Promise<string[]> => (await house.fs.list("/db")).filter((name) => name.endsWith(".log"));
    await house.set("a", "1");
    await house.backup();
    await house.set("b", "2");
    await house.engine.compact();
    const before = await logs();
    let atAudit: Promise<string[]> | undefined;
    const isAudit = ({ operation, key }: { operation: string; key: string }): boolean => {
      if (operation === "put" && key.startsWith("audit/")) atAudit = logs();
      return false;
    };
    house.context = {
      ...house.context,
      store: new FaultStore(house.store, { faults: [{ at: isAudit, do: "refuse" }] }),
    };
    await house.backup({ type: "incremental" });
    assert.deepEqual(await atAudit, before);
    for (let i = 0; i < 20; i++) await yieldToLoop();
    assert.ok((await logs()).length < before.length);
    await house.engine.close();
  });
});

describe("a slot that is ahead of a head that a repair made", () => {
  /** Archived up to version 4; then the head is lost, and the log from version 3 on. */
  async function repaired(house: House): Promise<void> {
    await house.set("a", "1");
    await house.backup();
    for (const key of ["b", "c", "d"]) {
      await house.set(key, "2");
      await Shipper.of(house.context, house.engine).ship({ heartbeat: true });
    }
    for (const key of (await keysOf(house.store, "log/")).slice(1)) await house.store.delete(key);
    await house.store.delete(headKey(house.engine.id, house.engine.lineage));
    await repair(house.context);
    const [head] = await readHeads(house.context);
    assert.deepEqual([head!.version, house.engine.slots()[0]!.version], [2, 4]);
  }

  for (const isNew of [false, true]) {
    it(`goes back to it where the log is there${isNew ? ", in another process" : ""}, and leaves no hole`, async () => {
      const house = await House.make();
      await repaired(house);
      if (isNew) {
        await house.engine.close();
        await house.open();
        // At once: archiving may be cut off before it has come that far.
        await Shipper.of(house.context, house.engine).claim();
        assert.equal(house.engine.slots()[0]!.version, 2);
      }
      await house.set("e", "3");
      await house.backup({ type: "incremental" });
      assert.deepEqual((await verify(house.context)).problems, []);
      for (let version = 1; version <= 5; version++) {
        const { contents } = await house.restore({ at: { version } });
        assert.deepEqual(contents, house.states.get(version));
      }
      await house.engine.close();
    });
  }

  it("is left to be dropped where the log has gone", async () => {
    const house = await House.make({ engine: { historyBytes: 0 } });
    await repaired(house);
    await house.engine.compact();
    await house.set("e", "3");
    await assert.rejects(house.backup(), /version 4 was archived there.*db\.dropSlot/);
    await house.engine.dropSlot(house.context.id);
    const { version } = await house.backup();
    assert.equal(version, 5);
    assert.deepEqual((await verify(house.context)).problems, []);
    await assert.rejects(house.restore({ at: { version: 3 } }), GapError);
    assert.deepEqual((await house.restore({ at: { version: 2 } })).contents, house.states.get(2));
    await house.engine.close();
  });

  it("does not go back to a head that tells of another copy's commits", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    await house.copyDirectory("/copy");
    for (const key of ["b", "c"]) await house.set(key, "2");
    await Shipper.of(house.context, house.engine).ship({ heartbeat: true });
    const lose = async (...prefixes: string[]): Promise<void> => {
      for (const prefix of prefixes) {
        for (const key of await keysOf(house.store, prefix)) await house.store.delete(key);
      }
    };
    await lose("heads/", "log/");
    const copy = await openAt(house.fs, "/copy", { clock: house.time.clock });
    await write(copy, (batch) => put(batch, 0, "b", { value: "of the copy" }));
    await house.backup({ type: "incremental" }, copy);
    await lose("heads/");
    await repair(house.context);
    assert.equal((await readHeads(house.context))[0]!.version, 2);
    await house.set("d", "3");
    await assert.rejects(house.backup({ type: "incremental" }), LineageError);
    for (const engine of [copy, house.engine]) await engine.close();
  });
});

describe("a head that was put back from an earlier run of the program", () => {
  for (const isBehind of [false, true]) {
    it(isBehind ? "is told to be older than the slot" : "is gone on from, where it counts all the same", async () => {
      const house = await House.make();
      await house.set("a", "1");
      await house.backup();
      const key = headKey(house.engine.id, house.engine.lineage);
      const older = await collect((await house.store.get(key))!.body);
      await house.engine.close();
      await house.open();
      if (isBehind) await house.set("b", "2");
      await house.backup({ type: "full" });
      await house.store.put(key, older);
      await house.set("c", "3");
      if (isBehind) await assert.rejects(house.backup(), /an older state of the repository has been put back/);
      else {
        const { id, version } = await house.backup({ type: "incremental" });
        assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(version));
      }
      await house.engine.close();
    });
  }
});
