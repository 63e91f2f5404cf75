import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { blame } from "../../../lib/backup/repository/care/check/affected.ts";
import { Findings } from "../../../lib/backup/repository/care/check/findings.ts";
import { neededLog } from "../../../lib/backup/repository/care/check/structure.ts";
import { backupKey } from "../../../lib/backup/repository/core/layout.ts";
import { LogIndex } from "../../../lib/backup/repository/log/log_chain.ts";
import {
  type BaseDocument,
  type Coverage,
  coverageOf,
  reachOf,
} from "../../../lib/backup/repository/restoring/coverage.ts";
import { type History, historyOf, type RepositoryFacts } from "../../../lib/backup/repository/restoring/facts.ts";
import { recoveryRanges } from "../../../lib/backup/repository/restoring/recovery_points.ts";
import type { BackupDocument } from "../../../lib/format/repository/backup_document.ts";
import type { HeadDocument } from "../../../lib/format/repository/head_document.ts";

/** A history whose log ends where its newest base stands. */
function coverage(end: { version: number; coveredUntil: number }, to = Infinity): Coverage {
  const history = { database: "d", lineage: "l", parents: [] };
  return {
    history: history as unknown as Coverage["history"],
    path: [{ lineage: "l", from: 0, to }],
    bases: [],
    covers: [{ from: 1, to: end.version, timestamp: 100, coveredUntil: end.coveredUntil, objects: [] }],
    ingests: [],
    heads: [],
  };
}

const base = { lineage: "l", version: 5, timestamp: 100, coveredUntil: 110 } as BaseDocument;

describe("what is known of the time behind a base", () => {
  it("is what anything knows that stands exactly there, the end of a log too", () => {
    for (const [version, expected] of [[5, 150], [4, 110]] as const) {
      const found = reachOf({ ...coverage({ version, coveredUntil: 150 }), bases: [base] }, base);
      assert.deepEqual(found, { version: 5, timestamp: 100, coveredUntil: expected });
    }
  });

  it("is the most that anything knows", () => {
    const found = reachOf({ ...coverage({ version: 5, coveredUntil: 90 }), bases: [base] }, base);
    assert.deepEqual(found, { version: 5, timestamp: 100, coveredUntil: 110 });
  });

  it("is also that the next commit is a base of its own", () => {
    for (const [version, expected] of [[6, 199], [7, 110]] as const) {
      const next = { ...base, version, timestamp: 200, coveredUntil: 210 };
      const found = reachOf({ ...coverage({ version: 4, coveredUntil: 90 }), bases: [base, next] }, base);
      assert.deepEqual(found, { version: 5, timestamp: 100, coveredUntil: expected });
    }
  });

  it("is nothing at a fork, whatever is known in the history that was left there", () => {
    const found = reachOf({ ...coverage({ version: 5, coveredUntil: 150 }, 5), bases: [base] }, base);
    assert.deepEqual(found, { version: 5, timestamp: 100, coveredUntil: 99 });
  });
});

describe("coverageOf()", () => {
  /** Log objects by their bounds; the chain of each is named for its last version. */
  function logOf(...bounds: [first: number, last: number][]): LogIndex {
    return new LogIndex(
      bounds.map(([first, last]) => ({ key: `${first}-${last}`, first, last, chain: `c${last}`, size: 1 })),
    );
  }

  function headOf(lineage: string, version: number, more: Partial<HeadDocument> = {}): HeadDocument {
    const times = { timestamp: version * 10, coveredUntil: version * 10 + 5 };
    const about = { database: "d", lineage, parents: [], version, chain: `c${version}`, gaps: [], ingests: [] };
    return { ...about, ...times, ...more } as unknown as HeadDocument;
  }

  function backupAt(version: number, chain: string, coveredUntil: number): BackupDocument {
    const log = { from: version, to: version, chain };
    const times = { timestamp: version * 10, coveredUntil };
    return {
      database: "d",
      lineage: "l",
      parents: [],
      version,
      base: null,
      log,
      ...times,
    } as unknown as BackupDocument;
  }

  function covers(
    facts: Partial<RepositoryFacts>,
    parents: History["parents"] = [],
    avoid?: ReadonlySet<string>,
  ): unknown[] {
    const history = { database: "d", lineage: parents.length === 0 ? "l" : "m", parents };
    const found = coverageOf({ backups: [], heads: [], ...facts } as RepositoryFacts, history as History, avoid);
    return found.covers.map((
      { from, to, timestamp, coveredUntil, objects },
    ) => [[from, to], [timestamp, coveredUntil], objects.map(({ key }) => key).join(" ")]);
  }

  const logs = new Map([[historyOf("d", "l"), logOf([1, 4], [5, 8], [9, 12], [13, 20])]]);

  it("passes no gap that lies within the log, and knows of each what it says of the time before it", () => {
    const gap = (from: number, to: number): HeadDocument["gaps"][number] =>
      ({ from, to, after: from * 10 - 6, timestamp: from * 10 - 10, chain: "x" }) as HeadDocument["gaps"][number];
    const heads = [headOf("l", 20, { gaps: [gap(6, 7), gap(11, 12), gap(20, 20)] })];
    assert.deepEqual(covers({ heads, logs }), [
      [[1, 5], [50, 54], "1-4 5-8"],
      [[8, 10], [100, 104], "5-8 9-12"],
      [[13, 19], [190, 194], "13-20"],
    ]);
    const ends = [headOf("l", 20, { gaps: [gap(1, 4), gap(5, 8)] })];
    assert.deepEqual(covers({ heads: ends, logs }), [[[9, 20], [200, 205], "9-12 13-20"]]);
    // Nor does one that lies further back say that log begins right behind it.
    const pruned = new Map([[historyOf("d", "l"), logOf([9, 12], [13, 20])]]);
    const before = [headOf("l", 20, { gaps: [gap(3, 4)] })];
    assert.deepEqual(covers({ heads: before, logs: pruned }), [[[9, 20], [200, 205], "9-12 13-20"]]);
  });

  it("passes no hole, be it of one version, and takes no gap behind it for log before it", () => {
    const gaps = [{ from: 7, to: 9, after: 64, timestamp: 60, chain: "x" }] as HeadDocument["gaps"];
    for (const [from, noted] of [[10, gaps], [6, []]] as const) {
      const holed = new Map([[historyOf("d", "l"), logOf([1, 4], [from, 20])]]);
      const found = covers({
        heads: [headOf("l", 20, { gaps: [...noted] })],
        backups: [backupAt(4, "c4", 42)],
        logs: holed,
      });
      assert.deepEqual(found, [[[1, 4], [40, 42], "1-4"], [[from, 20], [200, 205], `${from}-20`]]);
    }
  });

  it("has what lies before a damaged object, of whose times nothing is known, and what lies behind it", () => {
    assert.deepEqual(covers({ heads: [headOf("l", 20)], logs }, [], new Set(["5-8"])), [
      [[1, 4], [0, 0], "1-4"],
      [[9, 20], [200, 205], "9-12 13-20"],
    ]);
  });

  it("knows of the end what those say that have the same chain there", () => {
    const heads = [headOf("l", 20)];
    const backups = [backupAt(20, "c20", 220), backupAt(20, "another", 290)];
    assert.deepEqual(covers({ heads, backups, logs }), [[[1, 20], [200, 220], "1-4 5-8 9-12 13-20"]]);
  });

  it("knows of a fork what a backup there says, though its log was merged with what comes behind", () => {
    const parents = [{ lineage: "l", version: 6 }];
    const left = new Map([[historyOf("d", "l"), logOf([1, 4], [5, 9])]]);
    for (const backups of [[backupAt(6, "c6", 65)], []]) {
      const times = backups.length > 0 ? [60, 59] : [0, 0];
      assert.deepEqual(covers({ heads: [headOf("l", 20)], backups, logs: left }, parents), [[
        [1, 6],
        times,
        "1-4 5-9",
      ]]);
    }
  });

  it("takes none of a parent's log that begins behind the fork", () => {
    const behind = new Map([[historyOf("d", "l"), logOf([7, 9], [10, 20])]]);
    for (const gaps of [[], [{ from: 5, to: 8, after: 44, timestamp: 40, chain: "x" }]] as HeadDocument["gaps"][]) {
      const facts = { heads: [headOf("l", 20, { gaps })], logs: behind };
      assert.deepEqual(covers(facts, [{ lineage: "l", version: 6 }]), []);
    }
  });

  it("takes no head for what is known of a time where it stands at a fork, on either side", () => {
    const history = { database: "d", lineage: "m", parents: [{ lineage: "l", version: 6 }] } as unknown as History;
    for (const [versions, expected] of [[[6, 6], []], [[5, 7], [5, 7]]] as const) {
      const heads = [headOf("l", versions[0]), headOf("m", versions[1])];
      const found = coverageOf({ backups: [], heads, logs: new Map() } as unknown as RepositoryFacts, history);
      assert.deepEqual(found.heads.map(({ version }) => version), expected);
    }
  });
});

describe("neededLog()", () => {
  const backupAt = (version: number, from: number | undefined, base: unknown = null): BackupDocument =>
    ({
      id: `b${version}`,
      parentId: null,
      database: "d",
      lineage: "l",
      parents: [],
      version,
      timestamp: version,
      coveredUntil: version,
      selective: false,
      base,
      log: from === undefined ? null : { from, to: version, chain: `c${version}` },
    }) as unknown as BackupDocument;
  const neededBy = (...backups: BackupDocument[]): [number, number][] =>
    neededLog({ facts: { backups, heads: [], logs: new Map() } }).map(({ from, to }) => [from, to]);
  const base = { files: [] };

  it("is all behind the newest base before a backup, also what it has not brought itself", () => {
    assert.deepEqual(neededBy(backupAt(2, undefined, base), backupAt(9, 8)), [[3, 9]]);
    assert.deepEqual(
      neededBy(
        backupAt(2, undefined, base),
        backupAt(5, undefined, base),
        backupAt(9, 8),
        backupAt(12, undefined, base),
      ),
      [[6, 9]],
    );
  });

  it("is what a backup has brought itself where no base is left, and nothing where it brought none", () => {
    assert.deepEqual(neededBy(backupAt(9, 8)), [[8, 9]]);
    assert.deepEqual(neededBy(backupAt(9, undefined)), []);
  });
});

describe("a thousand backups of one history, made on top of each other", () => {
  /** The first has a base; `reads` counts how often anything goes through all. */
  function thousand(base: BackupDocument["base"]): RepositoryFacts & { reads: number } {
    const backups = Array.from({ length: 1000 }, (_, i) => ({
      id: `b${i}`,
      parentId: i === 0 ? null : `b${i - 1}`,
      database: "d",
      lineage: "l",
      parents: [],
      version: i + 1,
      timestamp: i,
      coveredUntil: i,
      selective: false,
      base: i === 0 ? base : null,
      log: i === 0 ? null : { from: i + 1, to: i + 1, chain: `c${i}` },
    })) as unknown as BackupDocument[];
    return {
      reads: 0,
      heads: [],
      logs: new Map(),
      get backups() {
        this.reads++;
        return backups;
      },
    };
  }

  it("are gone through a few times to tell which of them need what", () => {
    const facts = thousand({ files: [] } as unknown as BackupDocument["base"]);
    assert.equal(neededLog({ facts }).length, 999);
    assert.ok(facts.reads < 20, `${facts.reads} times`);
  });

  it("are gone through a few times to tell which are lost, and by what", () => {
    const facts = thousand(null);
    const findings = new Findings();
    const key = backupKey("b5");
    findings.add({ key, kind: "damaged", detail: "gone" });
    const found = blame({ facts, findings, ingests: new Map() }).find(({ finding }) => finding.key === key);
    // Itself, and all that were made on top of it.
    assert.equal(found!.backups.length, 995);
    assert.ok(facts.reads < 20, `${facts.reads} times`);
  });
});

describe("a thousand bases of one history, without log", () => {
  it("are gone through once to tell what each of them reaches", () => {
    let reads = 0;
    const backups = Array.from({ length: 1000 }, (_, i) => ({
      id: `b${i}`,
      parentId: null,
      database: "d",
      lineage: "l",
      parents: [],
      get version() {
        reads++;
        return i + 1;
      },
      timestamp: 10 * i,
      coveredUntil: 10 * i + 3,
      selective: false,
      base: { files: [] },
      log: null,
    })) as unknown as BackupDocument[];
    const [range, ...others] = recoveryRanges({ backups, heads: [], logs: new Map() });
    assert.deepEqual(others, []);
    assert.deepEqual([range!.from.version, range!.to.version, range!.coveredUntil], [1, 1000, 9993]);
    assert.ok(reads < 20_000, `${reads} looks`);
  });
});
