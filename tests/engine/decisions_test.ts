import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeText } from "../../lib/base/bytes.ts";
import { CorruptionError, ExistsError } from "../../lib/base/errors.ts";
import { planRetention } from "../../lib/engine/log/log_retention.ts";
import { applyEdit, copyState, emptyState, stateAsEdit } from "../../lib/engine/manifest/manifest_state.ts";
import { classifyDirectory } from "../../lib/engine/recovery/open_directory.ts";
import { decideSegment } from "../../lib/engine/recovery/recovery.ts";
import { RowFilter } from "../../lib/engine/background/row_filter.ts";
import { SnapshotList, Stripes } from "../../lib/engine/version/snapshots.ts";
import { decideStall } from "../../lib/engine/writing/stall.ts";
import { DELETE_CELL } from "../../lib/format/cell.ts";
import type { LogMeta } from "../../lib/format/manifest/manifest_edit.ts";
import type { TableMeta } from "../../lib/format/table/table_meta.ts";
import { RangeTombstones } from "../../lib/tree/range_tombstones.ts";

const SET = new Uint8Array([5, 1]);
const a = encodeText("a");
const b = encodeText("b");

describe("decideSegment()", () => {
  const bad = { kind: "bad", offset: 100, detail: "payload checksum" } as const;
  const cases = [
    ["row 3: exactly at the known end", 100, { kind: "end", offset: 100 }, false, "accept"],
    ["row 4: cut before the known end", 100, { kind: "end", offset: 90 }, false, "damaged"],
    ["row 4: bad before the known end", 200, bad, false, "damaged"],
    ["row 5: at the file's end", undefined, { kind: "end", offset: 100 }, false, "accept"],
    ["row 5: at a footer", undefined, { kind: "footer", offset: 100 }, false, "accept"],
    ["row 6: bad, though synced", undefined, bad, true, "damaged"],
    ["row 7: a torn tail", undefined, bad, false, "cut"],
  ] as const;
  for (const [name, knownEnd, stop, laterSynced, verdict] of cases) {
    it(name, () => assert.equal(decideSegment({ knownEnd, stop, laterSynced }).verdict, verdict));
  }
});

describe("classifyDirectory()", () => {
  it("tells a database, room for one, damage and other people's files apart", () => {
    assert.equal(classifyDirectory("d", ["CURRENT", "MANIFEST-000001", "LOCK"]), "database");
    assert.equal(classifyDirectory("d", []), "empty");
    assert.equal(classifyDirectory("d", ["LOCK", "LOCK.owner", "MANIFEST-000001", "CURRENT.1"]), "empty");
    assert.throws(() => classifyDirectory("d", ["MANIFEST-000001", "000002.log"]), CorruptionError);
    assert.throws(() => classifyDirectory("d", ["000002.sst"]), CorruptionError);
    assert.throws(() => classifyDirectory("d", ["notes.txt"]), ExistsError);
  });
});

describe("decideStall()", () => {
  const calm = { level0: 0, level0Tables: 4, sealed: 0, memtableShare: 0, bytes: 1024 * 1024 };
  it("lets writers go while level 0 is short", () => {
    assert.equal(decideStall({ ...calm, level0: 7 }).kind, "none");
  });
  it("slows them more and more from twice the limit on, and stops them at three times", () => {
    const delays = [8, 9, 10, 11].map((level0) => {
      const stall = decideStall({ ...calm, level0 });
      assert.equal(stall.kind, "delay");
      return stall.kind === "delay" ? stall.ms : 0;
    });
    assert.deepEqual(delays, delays.toSorted((x, y) => x - y));
    assert.ok(delays[0]! < delays[3]!);
    assert.deepEqual(decideStall({ ...calm, level0: 12 }), { kind: "stop", reason: "level0" });
  });
  it("slows them more and more as the memtable fills up while two wait, and stops them when it is full", () => {
    assert.equal(decideStall({ ...calm, sealed: 2, memtableShare: 0.5 }).kind, "none");
    assert.equal(decideStall({ ...calm, sealed: 1, memtableShare: 0.9 }).kind, "none");
    const delays = [0.51, 0.7, 0.9, 0.99].map((memtableShare) => {
      const stall = decideStall({ ...calm, sealed: 2, memtableShare });
      assert.ok(stall.kind === "delay" && stall.reason === "memtables");
      return stall.ms;
    });
    assert.deepEqual(delays, delays.toSorted((x, y) => x - y));
    assert.ok(delays[0]! < 40 && delays[3]! > 500);
    assert.deepEqual(decideStall({ ...calm, sealed: 2, memtableShare: 1 }), { kind: "stop", reason: "memtables" });
  });
});

describe("decideStall() for two reasons", () => {
  it("takes the longer delay", () => {
    const facts = { level0Tables: 4, sealed: 2, bytes: 2 ** 20 };
    for (const [level0, memtableShare, reason] of [[8, 0.95, "memtables"], [11, 0.6, "level0"]] as const) {
      const stall = decideStall({ ...facts, level0, memtableShare });
      assert.ok(stall.kind === "delay");
      assert.equal(stall.reason, reason);
    }
  });
});

describe("planRetention()", () => {
  const log = (number: number, firstVersion: number, lastVersion: number): LogMeta => ({
    number,
    end: 100,
    firstVersion,
    lastVersion,
    minTimestamp: 0,
    maxTimestamp: 0,
    lineage: "",
  });
  const logs = [log(1, 1, 10), log(2, 11, 20), log(3, 21, 30), log(4, 31, 40)];
  const facts = { logs, lastVersion: 30, slots: [], historyBytes: 100, archiveBytes: 250, onFull: "gap" } as const;
  const slot = { id: "s", repository: "r", version: 15, createdAt: 0 };

  it("keeps what is not in tables and as much history as asked for, newest first", () => {
    assert.deepEqual(planRetention(facts), { remove: [2, 1], gaps: [], stop: false });
    assert.deepEqual(planRetention({ ...facts, historyBytes: 0 }).remove, [3, 2, 1]);
    assert.deepEqual(planRetention({ ...facts, lastVersion: 0 }).remove, []);
  });
  it("keeps what a repository lacks", () => {
    assert.deepEqual(planRetention({ ...facts, slots: [slot] }), { remove: [1], gaps: [], stop: false });
    // As many bytes as may be are not too many.
    assert.deepEqual(planRetention({ ...facts, slots: [slot], archiveBytes: 200 }).remove, [1]);
  });
  it("drops it when the archive is full, and says what is lost", () => {
    assert.deepEqual(planRetention({ ...facts, slots: [slot], archiveBytes: 150 }), {
      remove: [2, 1],
      gaps: [{ from: 16, to: 20, slot: "s" }],
      stop: false,
    });
  });
  it("asks for writes to stop instead, where that was chosen", () => {
    const plan = planRetention({ ...facts, slots: [slot], archiveBytes: 150, onFull: "stop" });
    assert.deepEqual(plan, { remove: [1], gaps: [], stop: true });
  });
});

describe("Stripes", () => {
  it("cut versions at the snapshots", () => {
    const stripes = new Stripes([5, 9], 100);
    assert.deepEqual([1, 5, 6, 9, 10].map((version) => stripes.of(version)), [0, 0, 1, 1, 2]);
    assert.equal(stripes.end(0), 5);
    assert.equal(stripes.end(2), Number.MAX_SAFE_INTEGER);
  });
  it("come from the snapshots held, each version once, judged by the earliest moment", () => {
    const list = new SnapshotList();
    const first = list.take(3, 0, 50);
    list.take(3, 0, 60);
    list.take(7, 0, 70);
    assert.equal(list.stripes(100).count, 3);
    assert.equal(list.stripes(100).moment, 50);
    first.release();
    first.release();
    assert.equal(list.stripes(100).moment, 60);
    assert.equal(list.size, 2);
  });
});

describe("RowFilter", () => {
  const none = new RangeTombstones();
  const fates = (filter: RowFilter, rows: [Uint8Array, number, Uint8Array][]): string[] => {
    return rows.map(([key, version, cell]) => filter.decide(key, version, cell));
  };
  it("keeps one row of a key for each stripe", () => {
    const filter = new RowFilter(new Stripes([5], 0), none, () => true);
    assert.deepEqual(fates(filter, [[a, 9, SET], [a, 7, SET], [a, 5, SET], [a, 2, SET], [b, 1, SET]]), [
      "keep",
      "drop",
      "keep",
      "drop",
      "keep",
    ]);
  });
  it("drops a delete only at the bottom and below every snapshot", () => {
    const rows: [Uint8Array, number, Uint8Array][] = [[a, 9, DELETE_CELL], [a, 3, DELETE_CELL], [a, 2, SET]];
    assert.deepEqual(fates(new RowFilter(new Stripes([5], 0), none, () => true), rows), ["keep", "drop", "drop"]);
    assert.deepEqual(fates(new RowFilter(new Stripes([5], 0), none, () => false), rows), ["keep", "keep", "drop"]);
  });
  it("drops what a range tombstone of the same stripe covers, and nothing else", () => {
    const tombstones = new RangeTombstones();
    tombstones.add({ start: a, end: b, version: 7, timestamp: 0 });
    const rows: [Uint8Array, number, Uint8Array][] = [[a, 7, SET], [a, 6, SET], [a, 4, SET], [b, 4, SET]];
    const filter = new RowFilter(new Stripes([5], 0), tombstones, () => true);
    assert.deepEqual(fates(filter, rows), ["keep", "drop", "keep", "keep"]);
  });
  it("turns what has expired for everyone into a delete, so that it goes on hiding older rows", () => {
    const expiring = new Uint8Array([5 | 0x40, 100, 1]);
    const at = (moment: number, bottom: boolean): string => {
      return new RowFilter(new Stripes([], moment), none, () => bottom).decide(a, 1, expiring);
    };
    assert.deepEqual([at(99, true), at(100, true), at(100, false)], ["keep", "drop", "delete"]);
  });
  it("asks about tag rows at the bottom only", () => {
    const stale = new RowFilter(new Stripes([], 0), none, () => true, () => true);
    assert.equal(stale.decide(a, 1, SET), "drop");
    const above = new RowFilter(new Stripes([], 0), none, () => false, () => true);
    assert.equal(above.decide(a, 1, SET), "keep");
  });
});

describe("ManifestState", () => {
  const table = { number: 4, size: 10 } as TableMeta;
  it("is the same when it goes through one edit", () => {
    const state = emptyState();
    state.database = { id: "x", lineage: "y", keyEncoding: "bytes", createdAt: 1, parents: [] };
    state.tables.set(4, { level: 2, run: 4, table });
    state.openLog = { number: 3, end: null };
    state.lastVersion = 17;
    state.nextNumber = 9;
    const again = emptyState();
    assert.equal(applyEdit(again, stateAsEdit(state)), undefined);
    assert.deepEqual(again, state);
  });
  it("says what does not fit", () => {
    const state = emptyState();
    assert.match(applyEdit(state, { removeTables: [{ level: 0, number: 4 }] })!, /removes table 4/);
    applyEdit(state, { addTables: [{ level: 0, table }] });
    assert.match(applyEdit(state, { addTables: [{ level: 1, table }] })!, /adds table 4 twice/);
    assert.equal(
      applyEdit(state, { removeTables: [{ level: 0, number: 4 }], addTables: [{ level: 1, table }] }),
      undefined,
    );
    assert.equal(state.tables.get(4)!.level, 1);
  });
  it("copies share nothing that edits change", () => {
    const state = emptyState();
    const copy = copyState(state);
    applyEdit(state, {
      addTables: [{ level: 0, table }],
      setSlots: [{ id: "s", repository: "r", version: 0, createdAt: 0 }],
    });
    assert.equal(copy.tables.size, 0);
    assert.equal(copy.slots.size, 0);
  });
});
