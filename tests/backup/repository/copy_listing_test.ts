/** Copies by a listing that lacks what is there, and behind a copy that was cut off. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IntegrityError, StorageError } from "../../../lib/base/errors.ts";
import { restoreInto } from "../../../lib/backup/mod.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { backupKey, PART } from "../../../lib/backup/repository/core/layout.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { MergeMemory } from "../../../lib/backup/repository/log/merge_memory.ts";
import { mergeLog } from "../../../lib/backup/repository/log/merge.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { readFacts } from "../../../lib/backup/repository/restoring/facts.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import {
  assertBackupsRestore,
  assertSamePoints,
  contentsOf,
  openOver,
  pastLeases,
  rangesOf,
  smallSource,
} from "./copy_fixture.ts";
import { verify } from "./damage_fixture.ts";
import { turns } from "./fake_timers.ts";
import type { RecoveryRange } from "../../../lib/backup/repository/restoring/recovery_points.ts";
import { House } from "./house.ts";
import { copyOf, DAY, keysOf, prune } from "./prune_fixture.ts";

const hides: { what: string; prefix: string; hidden: (key: string) => boolean; error: RegExp }[] = [
  {
    what: "the parent of a backup",
    prefix: "backups/",
    hidden: (key) => key === "backups/snap-1.json",
    error: /backups\/snap-1\.json is there and was not listed/,
  },
  {
    what: "a pinned backup",
    prefix: "backups/",
    hidden: (key) => key === "backups/full-1.json",
    error: /backups\/full-1\.json is there and was not listed/,
  },
  {
    what: "a head",
    prefix: "heads/",
    hidden: () => true,
    error: /heads\/.* is there and was not listed/,
  },
  {
    what: "log that a backup needs",
    prefix: "log/",
    hidden: () => true,
    error: /versions \d+ to \d+ of lineage [0-9a-f]+ are in no object/,
  },
];

/** A backup, log behind it, and what can be restored of both. */
async function shipped(): Promise<{ house: House; shipper: Shipper; wanted: RecoveryRange[] }> {
  const house = await House.make();
  await house.set("a", "1");
  await house.backup({ id: "base", type: "full" });
  await house.set("b", "2");
  const shipper = Shipper.of(house.context, house.engine);
  await shipper.ship();
  return { house, shipper, wanted: await rangesOf(house.context) };
}

describe("copyRepository, by a listing of the source that lacks", () => {
  for (const { what, prefix, hidden, error } of hides) {
    for (const times of [1, Infinity]) {
      it(`${what} ${times === 1 ? "once, is whole" : "for good, writes no backup and names it"}`, async () => {
        const { house, states } = await smallSource();
        const source = new FaultStore(house.store);
        const from = await openOver(source, house.time.clock);
        const store = new MemoryStore();
        const to = await openOver(store, house.time.clock);
        source.inject({
          at: ({ operation, key }) => operation === "list" && key.startsWith(prefix),
          do: "hide",
          hidden,
          times,
        });
        const done = copyRepository(from, to, {});
        if (times === 1) {
          await done;
          await assertSamePoints(from, to, states);
        } else {
          await assert.rejects(done, (thrown) => thrown instanceof IntegrityError && error.test(thrown.message));
          assert.equal((await contentsOf(store, "backups/")).size, 0);
          assert.equal((await contentsOf(store, "heads/")).size, 0);
        }
      });
    }
  }
});

describe("copyRepository", () => {
  it("knows backups again that the target's listing lacks", async () => {
    const { house, states } = await smallSource();
    const store = new MemoryStore();
    await copyRepository(house.context, await openOver(store, house.time.clock), {});
    const target = new FaultStore(store);
    const to = await openOver(target, house.time.clock);
    target.inject({
      at: ({ operation, key }) => operation === "list" && key.startsWith("backups/"),
      do: "hide",
      hidden: () => true,
      times: Infinity,
    });
    await copyRepository(house.context, to, {});
    await assertSamePoints(house.context, await openOver(store, house.time.clock), states);
  });

  it("takes no backup that a pruning deletes with its base while their manifests are read", async () => {
    const { house, states } = await smallSource();
    const { clock } = house.time;
    const inner = await copyOf(house.store);
    const bases = ["full-1", "snap-0"];
    let pruned: Promise<void> | undefined;
    const source = new FaultStore(inner, {
      delay: ({ operation, key }) => {
        if (operation !== "get" || !bases.some((id) => key === backupKey(id))) return;
        return pruned ??= (async () => {
          // The others are read by then. What builds on a backup goes before it.
          await turns(20);
          for (const id of ["inc-1", ...bases]) await inner.delete(backupKey(id));
        })();
      },
    });
    const from = await openOver(source, clock);
    const to = await openOver(new MemoryStore(), clock);
    await copyRepository(from, to, {});
    assert.ok(pruned);
    await assertBackupsRestore(to, states);
    const { backups } = await readFacts(to);
    assert.deepEqual(backups.map(({ id }) => id).sort(), ["full-2", "inc-2", "snap-1"]);
  });

  it("brings log, too, that is archived while it lists", async () => {
    const { house, shipper, wanted } = await shipped();
    // Before heads are listed more log is archived, so that the log that was listed is behind.
    let archived = 0;
    const source = new FaultStore(house.store, {
      delay: async ({ operation, key }) => {
        if (operation !== "list" || !key.startsWith("heads/")) return;
        archived++;
        await house.set("c", "more");
        await shipper.ship();
      },
    });
    const from = await openOver(source, house.time.clock);
    const target = await House.make();
    await copyRepository(from, target.context, {});
    assert.ok(archived >= 2);
    const [range] = await rangesOf(target.context);
    // Also what came behind the first list of the log, for the heads count it.
    assert.deepEqual([range!.from.version, range!.to.version], [1, wanted[0]!.to.version + archived]);
    assert.deepEqual((await verify(target.context)).problems, []);
    await copyRepository(house.context, target.context, {});
    assert.deepEqual(await rangesOf(target.context), await rangesOf(house.context));
    assert.deepEqual((await verify(target.context)).problems, []);
  });

  it("brings what was listed where more log is archived meanwhile, of which a store that lags lists nothing", async () => {
    const { house, shipper, wanted } = await shipped();
    const known = new Set(await keysOf(house.store, PART.log));
    let isArchived = false;
    const lagging = new FaultStore(house.store, {
      // Behind a first look at the heads.
      delay: async ({ operation, key }) => {
        if (operation !== "list" || key !== PART.log || isArchived) return;
        isArchived = true;
        await house.set("c", "more");
        await shipper.ship();
      },
    });
    lagging.inject({
      at: ({ operation, key }) => operation === "list" && key.startsWith(PART.log),
      do: "hide",
      hidden: (key) => !known.has(key),
      times: Infinity,
    });
    const to = await openOver(new MemoryStore(), house.time.clock);
    await copyRepository(await openOver(lagging, house.time.clock), to, {});
    assert.ok(isArchived);
    assert.deepEqual(await rangesOf(to), wanted);
    assert.deepEqual((await verify(to)).problems, []);
    await house.engine.close();
  });

  for (const more of [0, 2]) {
    it(`passes over log that an earlier copy left behind its head and ${more} good objects, and that the source let go`, async () => {
      const house = await House.make();
      await house.set("a", "1");
      await house.backup({ id: "base", type: "full" });
      for (let n = 0; n < more; n++) {
        house.time.now += 1000;
        await house.set("a", `more ${n}`);
        await house.backup({ type: "incremental" });
      }
      const { visibleVersion: version, visibleTimestamp: timestamp } = house.engine;
      house.time.now += 1000;
      await restoreInto(house.engine, house.handle, { backupId: "base" });
      await house.set("b", "2");
      await house.backup({ id: "second", type: "incremental" });
      const store = new MemoryStore();
      const target = new FaultStore(store);
      const to = await openOver(target, house.time.clock);
      let isBehind = false;
      const remove = target.inject({
        at: ({ operation, key }) => {
          if (operation === "put") isBehind ||= key.startsWith("log/");
          return isBehind && operation === "put" && key.startsWith("heads/");
        },
        do: "refuse",
        times: Infinity,
      });
      await assert.rejects(copyRepository(house.context, to, {}), StorageError);
      remove();
      const left = await contentsOf(store, "log/");
      assert.ok(left.size > 0);
      for (const { start, version } of await readHeads(to)) assert.equal(version, start - 1, "it counts nothing");
      assert.deepEqual((await verify(to)).problems, []);
      pastLeases(house);
      await house.backup({ id: "newest", type: "full" });
      await prune(house, { keepLast: 1 });
      assert.equal((await contentsOf(house.store, "log/")).size, 0);
      for (let i = 0; i < 2; i++) {
        await copyRepository(house.context, to, {});
        assert.deepEqual((await verify(to)).problems, []);
        assert.deepEqual(await contentsOf(store, "log/"), left);
        const ranges = await rangesOf(to);
        assert.deepEqual(ranges.map(({ from, to }) => [from.version, to.version]), [[1, version], [
          version + 2,
          version + 2,
        ]]);
        assert.deepEqual(ranges[0]!.to, { version, timestamp });
      }
    });
  }

  it("that is cut off brings no log of a file that the target has let go of before that file is known again", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "base", type: "full" });
    await house.set("b", "2");
    await restoreInto(house.engine, house.handle, { backupId: "base", mode: "merge" });
    house.note();
    await house.set("c", "3");
    await house.backup({ id: "joined", type: "incremental" });
    await house.engine.compact();
    const second = new MemoryStore();
    const from = await openOver(second, house.time.clock);
    await copyRepository(house.context, from, {});
    await house.set("d", "4");
    await house.backup({ id: "newest", type: "full" });
    await prune(house, { keepLast: 1 });
    assert.deepEqual(await keysOf(house.store, PART.log), []);
    assert.deepEqual((await readHeads(house.context))[0]?.ingests, []);
    const pruned = await copyOf(house.store);
    const whole = new FaultStore(await copyOf(pruned));
    await copyRepository(from, await openOver(whole, house.time.clock), {});
    for (let at = 1; at <= whole.calls.length; at++) {
      const store = await copyOf(pruned);
      const dies = new FaultStore(store, { faults: [{ at, do: "dieAfter" }] });
      await openOver(dies, house.time.clock).then((to) => copyRepository(from, to, {})).catch(() => {});
      house.context = await openOver(store, house.time.clock);
      assert.deepEqual((await verify(house.context)).problems, [], `cut off behind call ${at}`);
      for (const { to } of await rangesOf(house.context)) {
        const { contents } = await house.restore({ at: { version: to.version } });
        assert.deepEqual(contents, house.states.get(to.version), `cut off behind call ${at}: version ${to.version}`);
      }
    }
  });

  it("of one backup whose log was merged with what came behind knows the files that joined there", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "base", type: "full" });
    await house.set("b", "2");
    await house.backup({ id: "before", type: "incremental" });
    await restoreInto(house.engine, house.handle, { backupId: "base", mode: "merge" });
    house.note();
    await house.set("c", "3");
    await house.backup({ id: "behind", type: "incremental" });
    await house.engine.compact();
    const from = await openOver(new MemoryStore(), house.time.clock);
    const fresh = await openOver(new MemoryStore(), house.time.clock);
    await copyRepository(house.context, from, {});
    house.time.now += DAY;
    const [head] = await readHeads(from);
    assert.equal((await mergeLog(from, head!, new MergeMemory())).made, 1);
    await house.set("d", "4");
    await house.backup({ id: "newest", type: "full" });
    await prune(house, { keepLast: 1 });
    assert.deepEqual((await readHeads(house.context))[0]?.ingests, []);
    for (const to of [house.context, fresh]) {
      await copyRepository(from, to, { backups: ["before"] });
      assert.deepEqual((await verify(to)).problems, []);
      house.context = to;
      for (const { from, to } of await house.points()) {
        for (let version = from.version; version <= to.version; version++) {
          const { contents } = await house.restore({ at: { version } });
          assert.deepEqual(contents, house.states.get(version), `version ${version}`);
        }
      }
    }
    // One that does not count what joined needs none of its files.
    assert.deepEqual((await readHeads(fresh)).map(({ version, ingests }) => [version, ingests]), [[2, []]]);
  });
});
