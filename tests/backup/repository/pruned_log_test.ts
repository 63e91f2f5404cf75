/** Log that a pruning let go: whoever finds it missing is to know that it is not lost. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exportDatabase } from "../../../lib/backup/export.ts";
import { restoreInto } from "../../../lib/backup/mod.ts";
import { headKey, PART } from "../../../lib/backup/repository/core/layout.ts";
import { readHead } from "../../../lib/backup/repository/log/heads.ts";
import { LogIndex } from "../../../lib/backup/repository/log/log_chain.ts";
import { tellPruned, trimHead } from "../../../lib/backup/repository/log/trim_head.ts";
import { historyOf, type RepositoryFacts } from "../../../lib/backup/repository/restoring/facts.ts";
import { sealDocument } from "../../../lib/format/repository/document.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { deleteBackup } from "../../../lib/backup/repository/pruning/prune.ts";
import type { HeadDocument } from "../../../lib/format/repository/head_document.ts";
import { dump, openAt } from "../fixture.ts";
import { repair, verify } from "./damage_fixture.ts";
import { House } from "./house.ts";
import { keysOf, prune } from "./prune_fixture.ts";

/** Backs up a copy that was exported earlier, opened again and never written to. */
async function backupOf(house: House, exported: string, id: string): Promise<void> {
  const copy = await openAt(house.fs, exported, { clock: house.time.clock });
  await house.backup({ id }, copy);
  assert.deepEqual((await house.restore({ backupId: id })).contents, dump(copy, true));
  await copy.close();
}

/** Neither `verify` nor `repair` finds anything. */
async function assertSound(context: House["context"]): Promise<void> {
  assert.deepEqual((await verify(context)).problems, []);
  const { repaired, lostBackups, lostPoints, setAside } = await repair(context);
  assert.deepEqual({ repaired, lostBackups, lostPoints, setAside }, {
    repaired: [],
    lostBackups: [],
    lostPoints: [],
    setAside: [],
  });
}

/** The head of a history. */
async function headOf(context: House["context"], database: string, lineage: string): Promise<HeadDocument> {
  return (await readHead(context, database, lineage))!.body;
}

/** Exported at version 1; log 2 to 3 was pruned, for all its backups were deleted; log from 4 on has no base yet. */
async function prunedBelow4(): Promise<House> {
  const house = await House.make();
  await house.set("a", "1");
  await exportDatabase(house.engine, "/exported");
  await house.backup({ id: "first" });
  for (const key of ["b", "c"]) await house.set(key, "2");
  await house.backup({ id: "second" });
  for (const id of ["second", "first"]) await deleteBackup(house.context, id);
  assert.deepEqual(await keysOf(house.store, "log/"), []);
  for (const key of ["d", "e", "f"]) {
    await house.set(key, "3");
    await Shipper.of(house.context, house.engine).ship();
  }
  return house;
}

describe("log that was pruned in the middle of a history", () => {
  it("is no loss when a copy puts a base before it, where its history was left for another one", async () => {
    const house = await House.make();
    const { lineage } = house.engine;
    await house.set("a", "1");
    await exportDatabase(house.engine, "/exported");
    await house.backup({ id: "full" });
    for (const key of ["b", "c"]) await house.set(key, "2");
    await house.backup({ id: "incremental" });
    await restoreInto(house.engine, house.handle, { backupId: "full" });
    await house.set("d", "3");
    await house.backup({ id: "later", type: "full" });
    const { logObjects } = await prune(house, { keepLast: 1 });
    assert.ok(logObjects > 0);
    assert.deepEqual((await headOf(house.context, house.engine.id, lineage)).gaps, []);
    await backupOf(house, "/exported", "of-the-copy");
    await assertSound(house.context);
    assert.deepEqual((await headOf(house.context, house.engine.id, lineage)).gaps, []);
  });

  it("is no loss when a copy puts a base before it, where its history goes on", async () => {
    const house = await prunedBelow4();
    await backupOf(house, "/exported", "of-the-copy");
    await assertSound(house.context);
    const { id, lineage } = house.engine;
    const { version, gaps } = await headOf(house.context, id, lineage);
    assert.deepEqual([version, gaps], [6, []]);
  });

  it("is no loss when log behind it is lost, which is found and noted by itself", async () => {
    const house = await prunedBelow4();
    const { id, lineage } = house.engine;
    await backupOf(house, "/exported", "of-the-copy");
    const [, fifth] = await keysOf(house.store, "log/");
    await house.store.delete(fifth!);
    const { problems } = await verify(house.context);
    assert.deepEqual(problems.map(({ detail }) => /versions \d to \d/.exec(detail)?.[0]), ["versions 5 to 5"]);
    await repair(house.context);
    const { gaps, pruned } = await headOf(house.context, id, lineage);
    assert.deepEqual([gaps.map(({ from, to }) => [from, to]), pruned], [[[5, 5]], 3]);
    await assertSound(house.context);
  });

  it("is no loss when an object that lies beside the log is damaged", async () => {
    const house = await prunedBelow4();
    const { id, lineage } = house.engine;
    const before = await headOf(house.context, id, lineage);
    const [fourth] = await keysOf(house.store, "log/");
    const beside = fourth!.replace(/[0-9a-f]{64}$/, "0".repeat(64));
    await house.store.put(beside, new Uint8Array(100));
    const { setAside } = await repair(house.context);
    assert.deepEqual(setAside, [beside]);
    assert.deepEqual(await headOf(house.context, id, lineage), before);
    await assertSound(house.context);
  });
});

/** A house whose head names files that joined at these versions, and what moves the head on before the next put of it. */
async function joinedAt(...versions: number[]): Promise<{ house: House; head: HeadDocument; moveOn: () => void }> {
  let moves = false;
  const inner = new MemoryStore();
  const store = new FaultStore(inner, {
    delay: async ({ operation, key }) => {
      if (!moves || operation !== "put" || !key.startsWith(PART.heads)) return;
      moves = false;
      const { body } = (await readHead(house.context, house.engine.id, house.engine.lineage))!;
      await inner.put(key, sealDocument("head", { ...body, timestamp: body.timestamp + 1 }));
    },
  });
  const house = await House.make({ store });
  await house.set("a", "1");
  await house.backup();
  const { id, lineage } = house.engine;
  const ingests = versions.map((version) => ({ version, files: [] }));
  const head = { ...await headOf(house.context, id, lineage), ingests };
  await store.put(headKey(id, lineage), sealDocument("head", head));
  return { house, head, moveOn: () => moves = true };
}

describe("trimHead()", () => {
  /** What a look at the log has found, which lies in two objects or one. */
  function look(house: House, ...bounds: [first: number, last: number][]): RepositoryFacts {
    const objects = bounds.map(([first, last]) => ({ key: `${first}`, first, last, chain: `${last}`, size: 1 }));
    const logs = new Map([[historyOf(house.engine.id, house.engine.lineage), new LogIndex(objects)]]);
    return { backups: [], heads: [], logs };
  }

  const versions = ({ ingests }: HeadDocument): number[] => ingests.map(({ version }) => version);

  it("lets go of files whose commit no log holds, by none of the looks, and writes that unless it only rehearses", async () => {
    const { house, head } = await joinedAt(4, 5, 8, 9, 12, 13);
    const { id, lineage } = house.engine;
    const looks = [look(house, [5, 8]), look(house, [12, 12])];
    for (const dryRun of [true, false]) {
      assert.deepEqual(versions(await trimHead(house.context, looks, head, dryRun)), [5, 8, 12]);
      assert.equal((await headOf(house.context, id, lineage)).ingests.length, dryRun ? 6 : 3);
    }
    const trimmed = await headOf(house.context, id, lineage);
    const { etag } = (await readHead(house.context, id, lineage))!;
    assert.equal(await trimHead(house.context, looks, trimmed, false), trimmed);
    assert.equal((await readHead(house.context, id, lineage))!.etag, etag, "nothing to write");
  });

  for (const when of ["before it is read", "before it is written"]) {
    it(`leaves a head that has moved on ${when} as it is`, async () => {
      const { house, head, moveOn } = await joinedAt(1);
      const { id, lineage } = house.engine;
      if (when === "before it is read") {
        await house.store.put(headKey(id, lineage), sealDocument("head", { ...head, timestamp: head.timestamp + 1 }));
      } else moveOn();
      assert.equal(await trimHead(house.context, [], head, false), head);
      assert.deepEqual(await headOf(house.context, id, lineage), { ...head, timestamp: head.timestamp + 1 });
    });
  }
});

describe("tellPruned()", () => {
  it("notes it in the head as it is by then, and nothing that is noted", async () => {
    const { house, head, moveOn } = await joinedAt(1);
    const { id, lineage } = house.engine;
    moveOn();
    await tellPruned(house.context, id, lineage, 7);
    assert.deepEqual(await headOf(house.context, id, lineage), { ...head, timestamp: head.timestamp + 1, pruned: 7 });
    const { etag } = (await readHead(house.context, id, lineage))!;
    for (const version of [6, 7]) await tellPruned(house.context, id, lineage, version);
    assert.equal((await readHead(house.context, id, lineage))!.etag, etag);
    await tellPruned(house.context, id, "0".repeat(32), 7);
    assert.equal(await readHead(house.context, id, "0".repeat(32)), undefined);
  });
});
