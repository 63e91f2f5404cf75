/**
 * A pruning whose clock is so far ahead that every lease has run out by it, at each call by which others publish: they may be
 * told to start again, but whatever a head or a manifest then names is there.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HoldfastError, RepositoryLockedError } from "../../../lib/base/errors.ts";
import { restoreInto } from "../../../lib/backup/mod.ts";
import { allKeys } from "../../../lib/backup/repository/core/documents.ts";
import { logObjects } from "../../../lib/backup/repository/log/log_chain.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import type { RepositoryContext } from "../../../lib/backup/repository/core/context.ts";
import { PART } from "../../../lib/backup/repository/core/layout.ts";
import { LEASE_MS } from "../../../lib/backup/repository/core/lease.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { pinBackup } from "../../../lib/backup/repository/core/pins.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { pruneRepository } from "../../../lib/backup/repository/pruning/prune.ts";
import { checkPolicy } from "../../../lib/backup/repository/pruning/retention_policy.ts";
import type { RecoveryRange } from "../../../lib/backup/repository/restoring/recovery_points.ts";
import { readBackups } from "../../../lib/backup/repository/core/catalog.ts";
import { FaultStore, type StoreFault } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { openOver, rangesOf } from "./copy_fixture.ts";
import { House } from "./house.ts";
import { prunedCopy } from "./joined_fixture.ts";
import { assertAllRestore, copyOf, daily, keysOf } from "./prune_fixture.ts";

/** The store in which a pruning runs at the `nth` call; whether it came to that. */
function prunedAt(
  inner: ObjectStore,
  clock: () => number,
  nth: number,
  faults: StoreFault[] = [],
): { store: FaultStore; ran: () => boolean } {
  let ran = false;
  const store: FaultStore = new FaultStore(inner, {
    faults,
    delay: async () => {
      if (ran || store.calls.length < nth) return;
      ran = true;
      const ahead = await openOver(inner, () => clock() + LEASE_MS + 1);
      await pruneRepository(ahead, checkPolicy("prune", { keepLast: 1 }), {});
    },
  });
  return { store, ran: () => ran };
}

/** Runs it; failing for what went under its hands is none. */
async function attempt(work: () => Promise<unknown>): Promise<void> {
  await work().catch((error) => assert.ok(error instanceof HoldfastError, String(error.stack)));
}

async function assertWhole(context: RepositoryContext, about: string): Promise<void> {
  const report = await verifyRepository(context, undefined, { read: "all" });
  assert.deepEqual(report.problems, [], about);
}

describe("a pruning whose clock is far ahead", () => {
  it("takes no files that joined from a head which names them", async () => {
    let nth = 1;
    for (;; nth++) {
      const inner = new MemoryStore();
      const house = await House.make({ store: inner });
      await house.set("a", "1");
      await house.backup({ id: "full" });
      await restoreInto(house.engine, house.handle, { backupId: "full" });
      house.note();
      await house.set("b", "2");
      const { store, ran } = prunedAt(inner, house.time.clock, nth);
      const { engine } = house;
      house.context = await openOver(store, house.time.clock);
      await attempt(() => Shipper.of(house.context, engine).ship());
      const isLast = !ran();
      house.context = await openOver(inner, house.time.clock);
      await assertWhole(house.context, `call ${nth}`);
      const { head } = await Shipper.of(house.context, engine).ship();
      assert.equal(head.version, engine.visibleVersion);
      assert.equal((await readHeads(house.context)).flatMap(({ ingests }) => ingests).length, 1);
      await assertWhole(house.context, `call ${nth}, again`);
      for (const [version, contents] of house.states) {
        assert.deepEqual(
          (await house.restore({ at: { version } })).contents,
          contents,
          `call ${nth}: version ${version}`,
        );
      }
      await engine.close();
      if (isLast) break;
    }
    assert.ok(nth > 20, `${nth} calls`);
  });

  /** Kills a program right behind a manifest that it put. */
  const killed = (): StoreFault => ({
    at: ({ operation, key }) => operation === "put" && key.startsWith(PART.backups),
    do: "dieAfter",
  });

  for (const type of ["full", "incremental"] as const) {
    it(`takes nothing from a backup (${type}) that was published by a program which was killed then`, async () => {
      let nth = 1;
      let published = 0;
      for (;; nth++) {
        const inner = new MemoryStore();
        const house = await House.make({ store: inner });
        for (let i = 0; i < 2; i++) {
          await house.set("a", `${i}`);
          await house.backup({ type: "full" });
        }
        await house.set("a", "last");
        const { store, ran } = prunedAt(inner, house.time.clock, nth, [killed()]);
        house.context = await openOver(store, house.time.clock);
        await attempt(() => house.backup({ type }));
        const context = await openOver(inner, house.time.clock);
        await assertWhole(context, `call ${nth}`);
        published += (await readBackups(context)).filter(({ version }) => version === 3).length;
        await house.engine.close();
        if (!ran()) break;
      }
      assert.ok(nth > 15 && published > 1, `${nth} calls, ${published} published`);
    });
  }

  for (const [pruned, built] of [[0, 1], [1, 1], [1, 2]] as const) {
    it(`takes no base from a backup that is made on another: calls ${pruned} and ${built} from its publication`, async () => {
      const inner = new MemoryStore();
      const house = await House.make({ store: inner });
      const { clock } = house.time;
      await house.set("a", "1");
      let calls = -1;
      const store = new FaultStore(inner, {
        delay: async ({ operation, key }) => {
          if (calls < 0 && !(operation === "put" && key.startsWith(PART.backups))) return;
          const call = ++calls;
          if (call === pruned) {
            const ahead = await openOver(inner, () => clock() + LEASE_MS + 1);
            await pruneRepository(ahead, checkPolicy("prune", { keepLast: 1 }), {});
          }
          if (call !== built) return;
          house.context = await openOver(inner, clock);
          await house.set("a", "2");
          await house.backup({ id: "next" });
        },
      });
      house.context = await openOver(store, clock);
      await attempt(() => house.backup({ id: "first", type: "full" }));
      house.context = await openOver(inner, clock);
      await assertWhole(house.context, "at once");
      assert.ok((await assertAllRestore(house)).includes("next"));
      for (let i = 0; i < 2; i++) await pruneRepository(house.context, checkPolicy("prune", { keepLast: 9 }), {});
      assert.deepEqual(await keysOf(inner, PART.marks), []);
      assert.ok((await assertAllRestore(house)).includes("next"));
    });
  }

  it("takes nothing from what a copy published that was killed then", async () => {
    const house = await House.make();
    const { clock } = house.time;
    const first = new MemoryStore();
    for (const type of ["full", "incremental", "full", "incremental"] as const) {
      await house.set("a", type);
      await house.backup({ type });
      if (type === "full") await copyRepository(house.context, await openOver(first, clock), {});
    }
    let published = 0;
    for (let nth = 1;; nth++) {
      const inner = await copyOf(first);
      const { store, ran } = prunedAt(inner, clock, nth, [killed()]);
      await attempt(async () => await copyRepository(house.context, await openOver(store, clock), {}));
      const target = await openOver(inner, () => clock() + 2 * LEASE_MS);
      await assertWhole(target, `call ${nth}`);
      published += (await readBackups(target)).filter(({ version }) => version === 4).length;
      // What the first leaves marked goes by the next, or else a copy that brings it once more has to wait for that.
      for (let i = 0; i < 2; i++) await pruneRepository(target, checkPolicy("prune", { keepLast: 1 }), {});
      await copyRepository(house.context, target, {});
      await assertWhole(target, `call ${nth}, again`);
      if (!ran()) break;
    }
    assert.ok(published > 1, `${published} published`);
  });

  for (const broken of [true, false]) {
    it(`is told of by a check that finds something gone${broken ? "" : ", and another loss is not"}`, async () => {
      const house = await House.make();
      await daily(house, 1);
      const [lost] = await keysOf(house.store, PART.objects);
      const store = new FaultStore(house.store, {
        delay: async ({ operation, key }) => {
          if (operation !== "list" || key !== PART.objects) return;
          await house.store.delete(lost!);
          if (broken) { for (const key of await keysOf(house.store, PART.locks)) await house.store.delete(key); }
        },
      });
      const checking = verifyRepository(await openOver(store, house.time.clock), undefined, { read: "all" });
      if (broken) await assert.rejects(checking, RepositoryLockedError);
      else assert.deepEqual((await checking).problems.map(({ key }) => key), [lost]);
    });
  }

  it("takes nothing from a copy that brings log back which the target counts and had let go", async () => {
    for (let nth = 1;; nth++) {
      const { house, inner, version } = await prunedCopy();
      const { clock } = house.time;
      const { store, ran } = prunedAt(inner, clock, nth);
      await attempt(async () => await copyRepository(house.context, await openOver(store, clock), {}));
      await assertWhole(await openOver(inner, clock), `call ${nth}`);
      await house.engine.close();
      if (ran()) continue;
      assert.ok(nth > 30, `${nth} calls`);
      const log = logObjects(await allKeys(inner, PART.log));
      assert.ok(log.some(({ last }) => last === version));
      break;
    }
  });

  for (const other of [false, true]) {
    it(`takes nothing from a copy that names it, ${other ? "beside another database" : "where one was before"}`, async () => {
      const house = await House.make();
      const { clock } = house.time;
      await house.set("a", "1");
      await house.backup({ id: "full" });
      const first = new MemoryStore();
      const before = other ? await otherHouse(clock) : house;
      await copyRepository(before.context, await openOver(first, clock), {});
      await pinBackup(house.context, "full");
      await restoreInto(house.engine, house.handle, { backupId: "full" });
      await house.set("b", "2");
      await Shipper.of(house.context, house.engine).ship();
      const { id: database } = house.engine;
      const points = async (context: RepositoryContext): Promise<RecoveryRange[]> =>
        (await rangesOf(context)).filter((range) => range.database === database);
      let nth = 1;
      for (;; nth++) {
        const inner = await copyOf(first);
        const { store, ran } = prunedAt(inner, clock, nth);
        await attempt(async () => await copyRepository(house.context, await openOver(store, clock), {}));
        const isLast = !ran();
        const target = await openOver(inner, clock);
        await assertWhole(target, `call ${nth}`);
        await copyRepository(house.context, target, {});
        await assertWhole(target, `call ${nth}, again`);
        assert.deepEqual(await points(target), await points(house.context));
        assert.deepEqual(await keysOf(inner, PART.pins), [`${PART.pins}full`]);
        if (isLast) break;
      }
      assert.ok(nth > 30, `${nth} calls`);
    });
  }
});

/** A repository of another database, with a backup. */
async function otherHouse(clock: () => number): Promise<House> {
  const house = await House.make({ now: clock(), engine: { randomId: () => new Uint8Array(16).fill(9) } });
  await house.set("other", "1");
  await house.backup({ id: "other" });
  return house;
}
