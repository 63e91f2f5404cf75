/** What a head lists beyond its version: it stays while it may be counted, and nobody relies on it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { headBeforeLog, mergeHeads } from "../../../lib/backup/repository/care/copy/head_relation.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { allKeys, writeDocument } from "../../../lib/backup/repository/core/documents.ts";
import { headKey, logPrefix, PART } from "../../../lib/backup/repository/core/layout.ts";
import { logObjects } from "../../../lib/backup/repository/log/log_chain.ts";
import { headBehindGap, readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { trimHead } from "../../../lib/backup/repository/log/trim_head.ts";
import { readFacts } from "../../../lib/backup/repository/restoring/facts.ts";
import type { ArchivedIngest, ArchiveGap, HeadDocument } from "../../../lib/format/repository/head_document.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { openOver, rangesOf } from "./copy_fixture.ts";
import { repair, verify } from "./damage_fixture.ts";
import { joined, prunedCopy } from "./joined_fixture.ts";

const ingest = (version: number, stored = 1): ArchivedIngest => ({
  version,
  files: [{ kind: "table", number: version, size: 9, object: `ab/${"ab".repeat(32)}`, stored }],
});

const headAt = (version: number, ...ingests: ArchivedIngest[]): HeadDocument => ({
  database: "d".repeat(32),
  lineage: "e".repeat(32),
  parents: [],
  version,
  timestamp: 1000,
  chain: `${version % 10}`.repeat(64),
  start: 1,
  coveredUntil: 1000,
  epoch: 1,
  writer: "ab",
  gaps: [],
  ingests,
});

describe("files that a head lists beyond its version", () => {
  it("give way to those of who counts their commit", () => {
    const [target, source] = [headAt(40, ingest(30), ingest(50, 1)), headAt(60, ingest(50, 2))];
    const stretches = [{ from: 1, to: 60, chain: source.chain, minTimestamp: 1 }];
    const head = mergeHeads({ source, target, relation: "behind", stretches, held: [], strays: [] });
    assert.deepEqual(head.ingests, [ingest(30), ingest(50, 2)]);
    assert.deepEqual(headBeforeLog(target, [], source.ingests).ingests, [ingest(30), ingest(50, 2)]);
    assert.equal(headBeforeLog(target, [], [ingest(30, 2)]), target);
  });

  it("are told to be lost where neither has them, before log arrives that names them", () => {
    const gap = (from: number, to: number): ArchiveGap => ({ from, to, after: 1, before: 2, chain: "a".repeat(64) });
    const gaps = [gap(5, 6), gap(12, 13), gap(20, 21), gap(30, 31), gap(40, 41)];
    const before = { ...headAt(40), gaps: [gap(10, 14), gap(25, 26)], start: 27 };
    const head = headBeforeLog(before, [], [], gaps, [{ from: 15, to: 20 }]);
    assert.deepEqual(head.gaps, [gap(5, 6), gap(10, 14), gap(25, 26), gap(30, 31)]);
    assert.equal(head.start, 32);
    assert.equal(headBeforeLog(head, [], [], gaps, [{ from: 15, to: 20 }]), head);
  });

  it("are forgotten where the log that names them is lost", () => {
    const now = { version: 60, timestamp: 2000, moment: 3000 };
    const old = headAt(40, ingest(30), ingest(50));
    assert.deepEqual(headBehindGap(old, old, now).ingests, [ingest(30)]);
  });

  it("are missed by nobody", async () => {
    const { house, before, object } = await joined();
    await writeDocument(house.context, "head", headKey(before.database, before.lineage), before);
    await house.store.delete(object);
    assert.deepEqual((await verify(house.context)).problems.map(({ key }) => key), []);
  });

  it("are not copied, though the target has counted them", async () => {
    const { house, before, object } = await joined();
    const { clock } = house.time;
    const target = new MemoryStore();
    await copyRepository(house.context, await openOver(target, clock), {});
    const points = await rangesOf(await openOver(target, clock));
    await writeDocument(house.context, "head", headKey(before.database, before.lineage), before);
    await house.store.delete(object);
    const to = await openOver(target, clock);
    await copyRepository(house.context, to, {});
    assert.deepEqual(await rangesOf(to), points);
    assert.deepEqual((await verify(to)).problems, []);
    // Also where the target has let go of them.
    const [counted] = (await readHeads(to)).filter(({ lineage }) => lineage === before.lineage);
    await writeDocument(to, "head", headKey(before.database, before.lineage), { ...counted!, ingests: [] });
    await target.delete(object);
    await copyRepository(house.context, to, {});
  });

  it("are known to a check beside a copy that brings the log back which names them", async () => {
    const { house, inner } = await prunedCopy();
    const { clock } = house.time;
    let brought = 0;
    const store = new FaultStore(inner, {
      delay: async ({ operation, key }) => {
        if (operation !== "list" || !key.startsWith(PART.log) || brought > 0) return;
        brought = (await copyRepository(house.context, await openOver(inner, clock), {})).logObjects;
      },
    });
    assert.deepEqual((await verify(await openOver(store, clock))).problems, []);
    assert.equal(brought, 1);
  });

  it("are known to be lost to a check beside a copy that brings the log back which names them", async () => {
    const { house, inner, version } = await prunedCopy();
    const { clock } = house.time;
    const source = (await readHeads(house.context)).find(({ ingests }) => ingests.length > 0)!;
    const [last] = logObjects(await allKeys(house.store, logPrefix(source.database, source.lineage)))
      .filter((object) => object.last === version - 1);
    const times = { after: source.timestamp - 1, before: source.timestamp };
    const gaps = [{ from: version, to: version, chain: last!.chain, ...times }];
    await writeDocument(house.context, "head", headKey(source.database, source.lineage), {
      ...source,
      ingests: [],
      gaps,
      start: version + 1,
    });
    const problems: string[][] = [];
    let brought = false;
    const store = new FaultStore(inner, {
      delay: async ({ operation, key }) => {
        if (operation !== "put") return;
        brought ||= key.startsWith(PART.log);
        if (!brought || !key.startsWith(PART.heads)) return;
        problems.push((await verify(await openOver(inner, clock))).problems.map(({ detail }) => detail));
      },
    });
    await copyRepository(house.context, await openOver(store, clock), {});
    assert.deepEqual(problems, [[]]);
    const target = (await readHeads(await openOver(inner, clock))).find(({ lineage }) => lineage === source.lineage)!;
    assert.deepEqual([target.gaps, target.start], [gaps, version + 1]);
  });

  it("stay listed, though a pruning looked for the log just before a copy brought it", async () => {
    const { house, inner } = await prunedCopy();
    const { clock } = house.time;
    let letGo!: () => void;
    const gate = new Promise<void>((resolve) => letGo = resolve);
    let trimming: Promise<unknown> | undefined;
    /** Reads the head, looks for the log, and is about to write. */
    const lookAndStand = (): Promise<void> =>
      new Promise((resolve) => {
        const slow = new FaultStore(inner, {
          delay: async ({ operation }) => {
            if (operation !== "put") return;
            resolve();
            await gate;
          },
        });
        trimming = openOver(slow, clock).then(async (context) => {
          const none = { ...await readFacts(context), logs: new Map() };
          const head = none.heads.find(({ ingests }) => ingests.length > 0)!;
          await trimHead(context, [none, none], head, false);
        });
      });
    const store = new FaultStore(inner, {
      delay: async ({ operation, key }) => {
        if (operation === "put" && key.startsWith(PART.log)) await lookAndStand();
      },
    });
    await copyRepository(house.context, await openOver(store, clock), {});
    letGo();
    await trimming!;
    assert.deepEqual((await verify(await openOver(inner, clock))).problems, []);
  });

  it("are not counted by a repair without a look", async () => {
    const { house, version, before, object } = await joined();
    await house.backup({ id: "behind", type: "incremental" });
    await writeDocument(house.context, "head", headKey(before.database, before.lineage), before);
    await house.store.delete(object);
    const { lostPoints } = await repair(house.context);
    assert.deepEqual((await verify(house.context)).problems, []);
    assert.deepEqual(lostPoints.map(({ from, to }) => [from.version, to.version]), [[version, version]]);
    const { contents } = await house.restore({ at: { version: version - 1 }, lineage: before.lineage });
    assert.deepEqual(contents, house.states.get(version - 1));
  });
});
