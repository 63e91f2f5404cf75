/** Which head follows from those of two repositories. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  headBeforeLog,
  type HeadRelation,
  mergeHeads,
  relateHeads,
} from "../../../lib/backup/repository/care/copy/head_relation.ts";
import { allKeys } from "../../../lib/backup/repository/core/documents.ts";
import { logPrefix } from "../../../lib/backup/repository/core/layout.ts";
import { LogIndex, logObjects } from "../../../lib/backup/repository/log/log_chain.ts";
import { putLogObject } from "../../../lib/backup/repository/log/log_object.ts";
import { genesisChain, logName, nextChain, writeLogHead } from "../../../lib/format/repository/archived_log.ts";
import { PieceWriter } from "../../../lib/format/repository/piece_writer.ts";
import { House } from "./house.ts";
import { REPAIR_WRITER } from "../../../lib/backup/repository/log/heads.ts";
import type { ArchiveGap, HeadDocument } from "../../../lib/format/repository/head_document.ts";

const hex = (digit: string): string => digit.repeat(64);

const headOf = (changes: Partial<HeadDocument>): HeadDocument => ({
  database: "d".repeat(32),
  lineage: "e".repeat(32),
  parents: [],
  version: 0,
  timestamp: 1000,
  chain: hex("0"),
  start: 1,
  coveredUntil: 1000,
  epoch: 1,
  writer: "ab",
  gaps: [],
  ingests: [],
  ...changes,
});

const gapOf = (from: number, to: number): ArchiveGap => ({ from, to, after: 1, before: 2, chain: hex("9") });
const stretch = (from: number, to: number, digit = "7") => ({ from, to, chain: hex(digit), minTimestamp: 5000 + from });
const ranges = (head: HeadDocument): number[][] => head.gaps.map(({ from, to }) => [from, to]);

describe("relateHeads", () => {
  /** Puts log of one piece, and gives the chain behind it. */
  async function putLog(house: House, previous: string, first: number, last: number, salt = 0): Promise<string> {
    return (await putPieces(house, previous, first, [last], salt)).at(-1)!;
  }

  /** Puts log of pieces that end at these versions, and gives the chain behind each. */
  async function putPieces(
    house: House,
    previous: string,
    first: number,
    ends: number[],
    salt = 0,
  ): Promise<string[]> {
    const { database, lineage } = headOf({});
    const pieces: Uint8Array[] = [];
    const chains: string[] = [];
    let version = first;
    for (const end of ends) {
      const writer = new PieceWriter();
      while (version <= end) writer.add(version++, 1000, Uint8Array.of(0, salt));
      pieces.push(writer.take().bytes);
      chains.push(nextChain(chains.at(-1) ?? previous, pieces.at(-1)!));
    }
    const last = ends.at(-1)!;
    const about = { database, lineage, previous, first, last, minTimestamp: 1000, maxTimestamp: 1000 };
    const key = logPrefix(database, lineage) + logName(first, last, chains.at(-1)!);
    await putLogObject(house.context, key, async function* () {
      yield await Promise.resolve(writeLogHead(about));
      yield* pieces;
    }, {});
    return chains;
  }

  async function relation(house: House, head: HeadDocument, other: HeadDocument): Promise<HeadRelation[]> {
    const { context } = house;
    const index = new LogIndex(logObjects(await allKeys(context.store, "log/")));
    const [one, two] = [{ context, head, index }, { context, head: other, index }];
    return [await relateHeads(one, two, undefined), await relateHeads(two, one, undefined)];
  }

  it("goes by the chain, whatever log lies beside it", async () => {
    const { database, lineage } = headOf({});
    const start = genesisChain(database, lineage, 5);
    // Behind a gap up to 4 a run begins; log of before was left by a writer who was overtaken.
    const house = await House.make();
    const chain = await putLog(house, start, 5, 9);
    await putLog(house, hex("7"), 2, 5);
    await putLog(house, hex("7"), 2, 4, 1);
    const gaps = [gapOf(2, 4)];
    const newest = headOf({ version: 9, chain, start: 5, gaps });
    const atGap = headOf({ version: 4, chain: start, start: 5, gaps });
    assert.deepEqual(await relation(house, newest, atGap), ["behind", "ahead"]);
    assert.deepEqual(await relation(house, newest, { ...atGap, chain: hex("8") }), ["diverged", "diverged"]);
    // Where a head knows the chain itself, as before a gap, no log is needed to tell histories apart.
    const before = headOf({ version: 1, chain: gaps[0]!.chain! });
    assert.deepEqual(await relation(house, newest, before), ["behind", "ahead"]);
    assert.deepEqual(await relation(house, newest, { ...before, chain: hex("8") }), ["diverged", "diverged"]);
    // Further on: beside the right object one of another chain ends, and one goes on beyond it.
    const middle = await putLog(house, chain, 10, 12);
    const end = await putLog(house, middle, 13, 14);
    await putLog(house, hex("6"), 8, 12);
    await putLog(house, hex("6"), 9, 13);
    for (const [version, its] of [[9, chain], [12, middle]] as const) {
      const older = headOf({ version, chain: its, start: 5, gaps });
      assert.deepEqual(await relation(house, headOf({ ...newest, version: 14, chain: end }), older), [
        "behind",
        "ahead",
      ]);
      const strange = { ...older, chain: hex("8") };
      assert.deepEqual(await relation(house, headOf({ ...newest, version: 14, chain: end }), strange), [
        "diverged",
        "diverged",
      ]);
    }
  });

  it("goes on to the object that has the head's chain where a shorter one holds its version as well", async () => {
    const house = await House.make();
    const { database, lineage } = headOf({});
    const chain = await putLog(house, genesisChain(database, lineage, 1), 1, 4);
    const [middle] = await putPieces(house, chain, 5, [6, 8]);
    await putLog(house, hex("6"), 5, 7, 1);
    const head = headOf({ version: 6, chain: middle! });
    assert.deepEqual(await relation(house, head, headOf({ version: 4, chain })), ["behind", "ahead"]);
    const strange = headOf({ version: 4, chain: hex("8") });
    assert.deepEqual(await relation(house, head, strange), ["diverged", "diverged"]);
  });
});

describe("headBeforeLog", () => {
  it("is nobody's and of a later epoch where log is to come behind it", () => {
    const head = headOf({ version: 5, epoch: 7 });
    const upTo = (last: number) => [{ key: "log/a", size: 1, first: 5, last, chain: hex("9") }];
    assert.equal(headBeforeLog(head, upTo(5), []), head);
    const ahead = headBeforeLog(head, upTo(6), []);
    assert.deepEqual(ahead, { ...head, writer: REPAIR_WRITER, epoch: 8 });
    assert.equal(headBeforeLog(ahead, upTo(6), []), ahead, "once");
  });
});

describe("mergeHeads", () => {
  it("takes the source's where there is none, as nobody's", () => {
    const source = headOf({ version: 9, epoch: 4 });
    const head = mergeHeads({
      source,
      target: undefined,
      relation: undefined,
      stretches: [stretch(1, 9)],
      held: [],
      strays: [],
    });
    assert.deepEqual(head, { ...source, writer: REPAIR_WRITER });
  });

  it("moves one that is behind on, under a later epoch", () => {
    const target = headOf({ version: 5, epoch: 7, coveredUntil: 3000, writer: "cd" });
    const source = headOf({ version: 9, chain: hex("9"), coveredUntil: 2000 });
    const head = mergeHeads({
      source,
      target,
      relation: "behind",
      stretches: [stretch(1, 9)],
      held: [stretch(1, 5)],
      strays: [],
    });
    assert.deepEqual(head, { ...source, epoch: 8, coveredUntil: 3000, writer: REPAIR_WRITER });
  });

  it("notes a gap around log that nobody counts, unless there is one already", () => {
    const source = headOf({ version: 40, gaps: [gapOf(20, 25)], start: 26 });
    const merge = { source, target: undefined, relation: undefined, stretches: [stretch(26, 40)], held: [] };
    const head = mergeHeads({ ...merge, strays: [gapOf(4, 6), gapOf(22, 24)] });
    assert.deepEqual(ranges(head), [[4, 6], [20, 25]]);
  });

  it("notes what lies between as a gap, with the chain before and the time behind it", () => {
    const target = headOf({ version: 5, chain: hex("5"), coveredUntil: 3000 });
    const source = headOf({ version: 40, gaps: [gapOf(20, 25)], start: 26 });
    const stretches = [stretch(10, 19), stretch(26, 40)];
    const head = mergeHeads({ source, target, relation: "behind", stretches, held: [stretch(1, 5)], strays: [] });
    const gap = { from: 6, to: 9, after: 3000, before: 5010, chain: hex("5"), timestamp: target.timestamp };
    assert.deepEqual(head.gaps, [gap, gapOf(20, 25)]);
    assert.equal(head.start, 26);
    // All of the source's log is gone: what comes next begins behind its head.
    const bare = mergeHeads({ source, target, relation: "behind", stretches: [], held: [stretch(1, 5)], strays: [] });
    assert.deepEqual([ranges(bare), bare.start], [[[6, 40]], 41]);
  });

  it("notes the time before a gap behind log that came along: up to its last commit, of whose time there may be more", () => {
    const target = headOf({ version: 5, chain: hex("5"), coveredUntil: 3000 });
    const source = headOf({ version: 40 });
    for (const [maxTimestamp, after] of [[4000, 3999], [0, 0]] as const) {
      const stretches = [{ ...stretch(6, 9), maxTimestamp }, stretch(26, 40)];
      const head = mergeHeads({ source, target, relation: "behind", stretches, held: [stretch(1, 5)], strays: [] });
      assert.deepEqual(head.gaps, [
        { from: 10, to: 25, after, before: 5026, chain: hex("7"), timestamp: maxTimestamp },
      ]);
    }
  });

  it("closes a gap by log that came since, and keeps one where files are missing", () => {
    const target = headOf({ version: 40, gaps: [gapOf(6, 9), gapOf(20, 25)], start: 26 });
    const source = headOf({ version: 40, gaps: [gapOf(20, 25)], start: 26 });
    const closed = mergeHeads({
      source,
      target,
      relation: "equal",
      stretches: [stretch(1, 40)],
      held: [stretch(10, 40)],
      strays: [],
    });
    assert.deepEqual([ranges(closed), closed.start, closed.writer], [[[20, 25]], 26, "ab"]);
    const all = mergeHeads({
      source: headOf({ version: 40 }),
      target: headOf({ version: 40, gaps: [gapOf(6, 9)], start: 10 }),
      relation: "equal",
      stretches: [stretch(1, 40)],
      held: [stretch(10, 40), stretch(1, 5)],
      strays: [],
    });
    assert.deepEqual([ranges(all), all.start], [[], 1]);
  });

  it("keeps of a gap what no log fills, in the target as in the source", () => {
    const timed = { ...stretch(20, 29), chain: hex("2"), maxTimestamp: 4000 };
    const wide = gapOf(10, 39);
    const [whole, pierced] = [headOf({ version: 60, start: 40 }), headOf({ version: 60, gaps: [wide], start: 40 })];
    const parts = [
      { ...wide, to: 19 },
      { from: 30, to: 39, after: 3999, before: wide.before, chain: timed.chain, timestamp: 4000 },
    ];
    const common = { relation: "equal", strays: [] } as const;
    const log = [timed, stretch(40, 60)];
    assert.deepEqual(mergeHeads({ ...common, source: whole, target: pierced, stretches: log, held: [] }).gaps, parts);
    assert.deepEqual(mergeHeads({ ...common, source: pierced, target: whole, stretches: [], held: log }).gaps, parts);
  });

  it("does not claim log behind a gap that stays", () => {
    // The source was pruned, and its head still tells where its chain once began.
    const source = headOf({ version: 40, start: 1 });
    const target = headOf({ version: 40, gaps: [gapOf(6, 9)], start: 10 });
    const head = mergeHeads({
      source,
      target,
      relation: "equal",
      stretches: [stretch(30, 40)],
      held: [stretch(10, 40)],
      strays: [],
    });
    assert.deepEqual([ranges(head), head.start], [[[6, 9]], 10]);
  });

  it("learns of older gaps when the log before them comes, but not of those that it has no part in", () => {
    const source = headOf({ version: 40, gaps: [gapOf(6, 9), gapOf(20, 25)], start: 26 });
    const target = headOf({ version: 40, start: 10 });
    const stretches = [stretch(1, 5), stretch(10, 19), stretch(26, 40)];
    const head = mergeHeads({ source, target, relation: "equal", stretches, held: [stretch(10, 40)], strays: [] });
    assert.deepEqual(ranges(head), [[6, 9]]);
  });

  it("notes up to where log was let go in the target, or in the source, unless the target has it", () => {
    const pruned = (
      own: readonly [pruned: number, ...log: ReturnType<typeof stretch>[]],
      theirs: readonly [pruned: number, ...log: ReturnType<typeof stretch>[]],
      relation: "behind" | "equal",
    ): number | undefined => {
      const [[before, ...stretches], [after, ...held]] = [own, theirs];
      const source = headOf({ version: 9, pruned: before });
      const target = headOf({ version: relation === "equal" ? 9 : 5, pruned: after });
      return mergeHeads({ source, target, relation, stretches, held, strays: [] }).pruned;
    };
    assert.equal(pruned([4, stretch(1, 1), stretch(5, 9)], [4, stretch(5, 9)], "equal"), 4);
    assert.equal(pruned([4, stretch(5, 9)], [0, stretch(1, 9)], "equal"), undefined);
    assert.equal(pruned([4, stretch(5, 9)], [3, stretch(4, 5)], "behind"), 3);
    // A pruning may be about to delete it.
    assert.equal(pruned([0, stretch(1, 9)], [3, stretch(1, 5)], "behind"), 3);
    // What is lost in the target is no pruning's, and stays to be found.
    assert.equal(pruned([4, stretch(5, 9)], [0, stretch(3, 5)], "behind"), undefined);
    const chosen = { source: headOf({ version: 9 }), stretches: [stretch(1, 2), stretch(7, 9)], held: [], strays: [] };
    assert.equal(mergeHeads({ ...chosen, target: undefined, relation: undefined }).pruned, 6);
  });

  it("leaves one that is ahead where it is, with what joined it", () => {
    const ingest = (version: number) => ({ version, files: [] });
    const target = headOf({ version: 60, ingests: [ingest(50)], start: 45, gaps: [gapOf(42, 44)] });
    const source = headOf({ version: 40, ingests: [ingest(30)], coveredUntil: 9000 });
    const head = mergeHeads({
      source,
      target,
      relation: "ahead",
      stretches: [stretch(1, 40)],
      held: [stretch(45, 60)],
      strays: [],
    });
    assert.deepEqual(head, { ...target, ingests: [ingest(30), ingest(50)] });
  });
});
