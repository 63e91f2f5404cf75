/** Which head a repair makes of what is left, and where log is missing. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { holesBelow } from "../../../lib/backup/repository/care/check/structure.ts";
import { headOf, type HeadSources } from "../../../lib/backup/repository/care/repairing/rebuild_heads.ts";
import { LogIndex, type LogObject } from "../../../lib/backup/repository/log/log_chain.ts";
import { genesisChain } from "../../../lib/format/repository/archived_log.ts";
import type { BackupDocument } from "../../../lib/format/repository/backup_document.ts";
import type { HeadDocument } from "../../../lib/format/repository/head_document.ts";

const hex = (digit: string): string => digit.repeat(64);
const [database, lineage] = ["d".repeat(32), "e".repeat(32)];
const BEGIN = genesisChain(database, lineage, 1);

/** A log object, with what is read of it. */
interface Read {
  object: LogObject;
  previous: string;
  within: [number, string][];
}

/** From `first` on behind the chain `previous`, and the chains at versions in it, of which the last is its own. */
function log(first: number, previous: string, ...chains: [number, string][]): Read {
  const [last, chain] = chains.at(-1)!;
  return { object: { key: `log/${first}-${last}-${chain}`, size: 1, first, last, chain }, previous, within: chains };
}

/** A history with this log, of which nothing else is left unless it is given. */
function sources(all: readonly Read[], changes: Partial<HeadSources> = {}): HeadSources {
  const read = all.map(({ object, previous, within }) =>
    [object.key, { previous, minTimestamp: 1000, maxTimestamp: 2000, chainAt: new Map(within) }] as const
  );
  return {
    database,
    lineage,
    old: undefined,
    stale: false,
    backups: [],
    parents: [],
    log: all.map(({ object }) => object),
    read: new Map(read),
    ingests: [],
    lost: [],
    epoch: 1,
    ...changes,
  };
}

const headBefore = (changes: Partial<HeadDocument>): HeadDocument => ({
  database,
  lineage,
  parents: [],
  version: 4,
  timestamp: 2000,
  chain: hex("4"),
  start: 1,
  coveredUntil: 2000,
  epoch: 1,
  writer: "ab",
  gaps: [],
  ingests: [],
  ...changes,
});

const place = (head: HeadDocument | undefined): unknown[] => [head?.version, head?.chain];

describe("headOf()", () => {
  it("stands where two histories part, and goes on where they are one", () => {
    const first = log(1, BEGIN, [4, hex("4")]);
    const short = log(5, hex("4"), [6, hex("6")]);
    const other = log(5, hex("4"), [6, hex("a")], [8, hex("b")]);
    assert.deepEqual(place(headOf(sources([first, short, other]))), [4, hex("4")]);
    const merged = log(5, hex("4"), [6, hex("6")], [8, hex("8")]);
    assert.deepEqual(place(headOf(sources([first, short, merged]))), [8, hex("8")]);
  });

  it("goes on from a base behind a hole, and by no log of another chain that begins before where it stands", () => {
    const first = log(1, BEGIN, [4, hex("4")]);
    const base = { version: 4, base: { version: 4 }, log: null, coveredUntil: 2000 } as BackupDocument;
    const stray = log(4, hex("a"), [9, hex("b")]);
    assert.deepEqual(place(headOf(sources([first, stray], { backups: [base] }))), [4, hex("4")]);
    const behind = log(7, hex("6"), [9, hex("9")]);
    assert.deepEqual(place(headOf(sources([first, behind]))), [4, hex("4")]);
    const later = { ...base, version: 6 };
    assert.deepEqual(place(headOf(sources([first, behind], { backups: [later] }))), [9, hex("9")]);
  });

  it("knows files up to where it stands, and what a pruning let go of", () => {
    const ingests = [3, 5].map((version) => ({ version, files: [] }));
    const old = headBefore({ pruned: 2 });
    const head = headOf(sources([log(3, hex("2"), [4, hex("4")])], { old, ingests }))!;
    assert.deepEqual(head.ingests.map(({ version }) => version), [3]);
    assert.equal(head.pruned, 2);
    assert.deepEqual(head.gaps, []);
  });
});

describe("holesBelow()", () => {
  it("gives one hole where an object lies in it that is not to be used", () => {
    const objects = [[1, 4], [5, 6], [8, 9]].map(([first, last]) => log(first!, BEGIN, [last!, hex(`${last}`)]).object);
    const top = { version: 9, chain: hex("9") };
    assert.deepEqual(holesBelow(new LogIndex(objects), top, 1), [{ from: 7, to: 7 }]);
    assert.deepEqual(holesBelow(new LogIndex(objects), top, 1, new Set([objects[1]!.key])), [{ from: 5, to: 7 }]);
  });
});
