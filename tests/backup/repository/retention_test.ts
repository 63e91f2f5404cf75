import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planPrune, type PrunePlan } from "../../../lib/backup/repository/pruning/retention.ts";
import {
  checkPolicy,
  retention,
  type RetentionPolicy,
} from "../../../lib/backup/repository/pruning/retention_policy.ts";
import { calendarOf } from "../../../lib/backup/repository/pruning/retention/calendar.ts";
import type { BackupFact, LogFact, RepositoryFacts } from "../../../lib/backup/repository/pruning/retention/facts.ts";
import { backup, DAY, incremental, log, NOW } from "./retention_facts.ts";

function plan(facts: RepositoryFacts, policy: RetentionPolicy, now = NOW, timeZone = "UTC"): PrunePlan {
  return planPrune(facts, checkPolicy("prune", policy), { now, timeZone });
}
function planOf(backups: BackupFact[], policy: RetentionPolicy, archived: LogFact[] = [], timeZone = "UTC"): PrunePlan {
  return plan({ backups, log: archived }, policy, NOW, timeZone);
}
const keptIds = ({ backups }: PrunePlan): string[] => backups.filter(({ keep }) => keep).map(({ id }) => id);
const keptKeys = (made: PrunePlan): string[] => made.log.filter(({ keep }) => keep).map(({ key }) => key);
const reasons = (made: PrunePlan, name: string): string[] =>
  (made.backups.find(({ id }) => id === name) ?? made.log.find(({ key }) => key === name))!.reasons;
/** Whole backups of every day, the newest first: d0 of today, d1 of yesterday, ... */
const days = (count: number): BackupFact[] => Array.from({ length: count }, (_, i) => backup(`d${i}`, 1000 - i, i));

describe("checkPolicy()", () => {
  it("fills in what was left out", () => {
    assert.deepEqual(checkPolicy("prune", { keepDaily: 7, keepWithin: "30d" }), {
      keepLast: 0,
      keepHourly: 0,
      keepDaily: 7,
      keepWeekly: 0,
      keepMonthly: 0,
      keepYearly: 0,
      keepWithin: 30 * DAY,
      maxBackups: Infinity,
      maxBytes: Infinity,
    });
  });

  it("refuses a policy that says nothing", () => {
    for (const policy of [{}, undefined, { keepLast: 0 }, { keepWithin: "0d" }, { keepLast: undefined }]) {
      assert.throws(() => checkPolicy("prune", policy as RetentionPolicy), {
        name: "TypeError",
        message: /says nothing/,
      });
    }
  });

  it("names an unknown rule and the near one", () => {
    assert.throws(
      () => checkPolicy("prune", { keepDayly: 7 } as RetentionPolicy),
      /"keepDayly"; did you mean "keepDaily"/,
    );
  });

  it("refuses wrong values", () => {
    assert.throws(() => checkPolicy("prune", { keepLast: -1 }), RangeError);
    assert.throws(() => checkPolicy("prune", { keepLast: 1.5 }), RangeError);
    assert.throws(() => checkPolicy("prune", { maxBackups: 0 }), RangeError);
    assert.throws(() => checkPolicy("prune", { keepWithin: "a month" }), TypeError);
    assert.throws(() => checkPolicy("prune", { keepDaily: "7" } as unknown as RetentionPolicy), TypeError);
  });

  it("has a standard policy", () => {
    assert.doesNotThrow(() => checkPolicy("prune", retention.standard));
  });
});

describe("calendarOf()", () => {
  it("tells days by the zone", () => {
    const midnight = Date.UTC(2026, 10, 25, 23, 30);
    assert.equal(calendarOf("UTC")("day", midnight), "2026-11-25");
    assert.equal(calendarOf("Europe/Berlin")("day", midnight), "2026-11-26");
    assert.equal(calendarOf("America/New_York")("hour", midnight), "2026-11-25 18:00-05");
    assert.equal(calendarOf("Asia/Kolkata")("hour", midnight), "2026-11-26 05:00+05:30");
  });

  it("tells the hour that comes twice when summer ends", () => {
    const berlin = calendarOf("Europe/Berlin");
    assert.equal(berlin("hour", Date.UTC(2026, 9, 25, 0, 30)), "2026-10-25 02:00+02");
    assert.equal(berlin("hour", Date.UTC(2026, 9, 25, 1, 30)), "2026-10-25 02:00+01");
  });

  it("tells ISO weeks at the turn of the year", () => {
    const utc = calendarOf("UTC");
    for (
      const [date, week] of [
        ["2026-12-31", "2026-W53"],
        ["2027-01-03", "2026-W53"],
        ["2027-01-04", "2027-W01"],
        ["2024-12-30", "2025-W01"],
        ["2021-01-01", "2020-W53"],
      ] as const
    ) assert.equal(utc("week", Date.parse(date)), week, date);
    assert.equal(utc("month", Date.parse("2026-02-28")), "2026-02");
    assert.equal(utc("year", Date.parse("2026-02-28")), "2026");
  });

  it("refuses a zone that does not exist", () => assert.throws(() => calendarOf("Europe/Atlantis"), RangeError));
});

describe("planPrune() rules", () => {
  it("keeps the last ones", () => {
    const made = planOf(days(5), { keepLast: 2 });
    assert.deepEqual(keptIds(made), ["d1", "d0"]);
    assert.deepEqual(reasons(made, "d1"), ["last 2"]);
    assert.deepEqual(reasons(made, "d0"), ["newest backup", "last 2"]);
    assert.deepEqual(reasons(made, "d2"), ["no rule keeps it"]);
    assert.equal(made.freedBytes, 300);
  });

  it("keeps the newest of each hour, day, week, month and year", () => {
    const many = [
      backup("h0", 90, 0),
      backup("h1", 80, 1 / 48),
      backup("h2", 70, 1 / 24),
      backup("d1", 60, 1),
      backup("w1", 50, 6),
      backup("m1", 40, 30),
      backup("y1", 30, 360),
      backup("y2", 20, 800),
    ];
    const kept = (policy: RetentionPolicy): string[] => keptIds(planOf(many, policy)).reverse();
    assert.deepEqual(kept({ keepHourly: 2 }), ["h0", "h1"]);
    assert.deepEqual(kept({ keepDaily: 2 }), ["h0", "d1"]);
    assert.deepEqual(kept({ keepWeekly: 2 }), ["h0", "w1"]);
    assert.deepEqual(kept({ keepMonthly: 2 }), ["h0", "m1"]);
    assert.deepEqual(kept({ keepYearly: 3 }), ["h0", "y1", "y2"]);
    assert.deepEqual(reasons(planOf(many, { keepDaily: 1, keepWeekly: 2 }), "w1"), ["weekly 2026-W47"]);
    assert.deepEqual(reasons(planOf(many, { keepDaily: 1, keepYearly: 1 }), "h0"), [
      "newest backup",
      "daily 2026-11-25",
      "yearly 2026",
    ]);
  });

  it("counts days that have a backup, not days", () => {
    assert.deepEqual(keptIds(planOf([backup("a", 1, 100), backup("b", 2, 50), backup("c", 3, 0)], { keepDaily: 2 })), [
      "b",
      "c",
    ]);
  });

  it("tells days by the repository's zone", () => {
    const late = backup("late", 1, 14 / 24); // 23:00 UTC on the day before, 08:00 in Tokyo today.
    assert.deepEqual(keptIds(planOf([late, backup("now", 2, 0)], { keepDaily: 2 }, [], "UTC")), ["late", "now"]);
    assert.deepEqual(
      keptIds(planOf([late, backup("now", 2, 0)], { keepDaily: 2 }, [], "Asia/Tokyo")),
      ["late", "now"]
        .filter((id) => id === "now"),
    );
  });

  it("keeps what is no older", () => {
    const made = planOf(days(10), { keepWithin: "3d" });
    assert.deepEqual(keptIds(made), ["d3", "d2", "d1", "d0"]);
    assert.deepEqual(reasons(made, "d3"), ["within 3d"]);
  });

  it("keeps a commit that is no older, though the clock was set back before its backup was made", () => {
    const late = backup("late", 20, 9, { timestamp: NOW - DAY });
    const made = planOf([late, ...days(3).map((each) => ({ ...each, version: each.version + 20 }))], {
      keepWithin: "2d",
    });
    assert.deepEqual(reasons(made, "late"), ["within 2d"]);
  });

  it("keeps the newest even when no rule wants it", () => {
    assert.deepEqual(keptIds(plan({ backups: days(3), log: [] }, { keepWithin: "1d" }, NOW + 1000 * DAY)), ["d0"]);
  });

  it("keeps pins and the last verified backup", () => {
    const made = planOf([
      backup("old", 1, 9, { verified: true }),
      backup("proven", 2, 8, { verified: true }),
      backup("pin", 3, 7, { pinned: true }),
      ...days(2),
    ], { keepLast: 1 });
    assert.deepEqual(keptIds(made), ["proven", "pin", "d0"]);
    assert.deepEqual(reasons(made, "proven"), ["last verified backup"]);
    assert.deepEqual(reasons(made, "pin"), ["pinned"]);
  });

  it("looks at every database by itself", () => {
    const other = days(3).map((each) => ({ ...each, id: `o${each.id}`, database: "other", lineage: "O" }));
    assert.deepEqual(keptIds(planOf([...days(3), ...other], { keepLast: 1 })), ["d0", "od0"]);
  });

  it("never lets a selective backup take the place of a whole one", () => {
    const part = backup("part", 1001, 0, { selective: true, baseVersion: null });
    const older = backup("older", 1000, 0.1, { selective: true, baseVersion: null });
    const made = planOf([...days(2), part, older], { keepLast: 1 });
    assert.deepEqual(keptIds(made), ["d0", "part"]);
    assert.deepEqual(reasons(made, "part"), ["last 1"]);
  });

  it("keeps the last verified one where only parts are backed up", () => {
    const part = (id: string, daysAgo: number, verified: boolean): BackupFact =>
      backup(id, 10 - daysAgo, daysAgo, { selective: true, verified });
    const made = planOf(
      [part("old", 3, true), part("proven", 2, true), part("next", 1, false), part("new", 0, false)],
      {
        keepLast: 1,
      },
    );
    assert.deepEqual(keptIds(made), ["proven", "new"]);
  });
});

describe("planPrune() under a clock that lies", () => {
  it("keeps the newest by version, whatever its date", () => {
    const made = planOf([backup("a", 1, 2), backup("b", 2, 1), backup("newest", 3, 4000)], {
      keepLast: 1,
      keepDaily: 1,
    });
    assert.ok(keptIds(made).includes("newest"));
  });

  it("does not let backups dated into the future crowd out today's", () => {
    const future = Array.from({ length: 5 }, (_, i) => backup(`f${i}`, 10 + i, -400 - i));
    const made = planOf([...future, ...days(3)], { keepDaily: 3 });
    assert.deepEqual(keptIds(made), ["d2", "d1", "d0"]);
  });

  it("sees the same calendar once the selective backups that a wrong clock dated are gone", () => {
    const part = (id: string, version: number, daysAgo: number): BackupFact =>
      backup(id, version, daysAgo, { selective: true });
    const left = [part("b0", 1, 1), backup("b1", 2, 1), { ...part("b2", 3, 0), pinned: true }, part("b3", 4, -400)];
    const kept = keptIds(planOf([...left, part("b4", 5, 400)], { keepDaily: 2 }));
    assert.deepEqual(kept, ["b0", "b1", "b2", "b3"]);
    assert.deepEqual(keptIds(planOf(left, { keepDaily: 2 })), kept);
  });

  it("names days for a time beyond those that dates can have", () => {
    const beyond = backup("beyond", 2000, 0, { createdAt: Number.MAX_SAFE_INTEGER });
    assert.deepEqual(keptIds(planOf([...days(3), beyond], { keepDaily: 2 })), ["d0", "beyond"]);
  });

  it("keeps no base for log that goes no further than the base itself", () => {
    const made = planOf([backup("old", 1, 400), backup("new", 1, 0)], { keepWithin: "20d" }, [
      log(1, 1, { maxTimestamp: NOW }),
    ]);
    assert.deepEqual(keptIds(made), ["new"]);
  });

  it("keeps the days apart when the clock stands in the past", () => {
    assert.deepEqual(keptIds(plan({ backups: days(5), log: [] }, { keepDaily: 3 }, 0)), ["d2", "d1", "d0"]);
  });
});

describe("planPrune() needs", () => {
  const base = backup("full-1", 10, 6);
  const one = incremental("inc-1", base, 20, 5);
  const two = incremental("inc-2", one, 30, 4);
  const next = backup("full-2", 40, 3);
  const archived = [log(11, 15), log(16, 25), log(26, 30), log(31, 40), log(41, 50)];

  it("keeps parents, base and log of what is kept, and says for which", () => {
    const made = planOf([base, { ...one, pinned: true }, two, next], { keepLast: 1 }, archived);
    assert.deepEqual(keptIds(made), ["full-1", "inc-1", "full-2"]);
    assert.deepEqual(reasons(made, "full-1"), ["needed by inc-1 as its base"]);
    assert.deepEqual(keptKeys(made), ["log/A/11-15", "log/A/16-25", "log/A/41-50"]);
    assert.deepEqual(reasons(made, "log/A/16-25"), ["needed by inc-1"]);
    assert.deepEqual(reasons(made, "log/A/41-50"), ["points in time after full-2"]);
    assert.deepEqual(reasons(made, "log/A/26-30"), ["nothing that stays needs it"]);
  });

  it("tells what restores before and after", () => {
    const made = planOf([base, one, two, next], { keepLast: 1 }, archived);
    assert.deepEqual(made.before, [{ database: "db", lineage: "A", from: 10, to: 50 }]);
    assert.deepEqual(made.after, [{ database: "db", lineage: "A", from: 40, to: 50 }]);
    assert.equal(made.freedBytes, 140);
  });

  it("frees only what nothing kept shares", () => {
    const shared = { key: "objects/shared", size: 1000 };
    const old = backup("old", 1, 2, { objects: [shared, { key: "objects/own", size: 1 }] });
    assert.equal(planOf([old, backup("new", 2, 1, { objects: [shared] })], { keepLast: 1 }).freedBytes, 1);
  });

  it("counts files that joined with a commit where its log goes", () => {
    const joined = log(11, 15, { objects: [{ key: "objects/joined", size: 1000 }] });
    assert.equal(planOf([base, next], { keepLast: 1 }, [joined]).freedBytes, 1110);
  });

  it("keeps the points in time of keepWithin, with the base from before it", () => {
    const times = (each: LogFact, daysAgo: number): LogFact => ({ ...each, maxTimestamp: NOW - daysAgo * DAY });
    const logs = [times(log(11, 25), 5.5), times(log(26, 40), 3), times(log(41, 45), 2), times(log(46, 50), 0)];
    const made = planOf([base, next, backup("full-3", 45, 2)], { keepWithin: "2.5d" }, logs);
    assert.deepEqual(keptIds(made), ["full-2", "full-3"]);
    assert.deepEqual(reasons(made, "full-2"), ["base of points in time within 2.5d"]);
    assert.deepEqual(keptKeys(made), ["log/A/41-45", "log/A/46-50"]);
    assert.deepEqual(made.after, [{ database: "db", lineage: "A", from: 40, to: 50 }]);
    // Each end of that time belongs to it.
    assert.deepEqual(keptIds(planOf([base, next, backup("full-3", 45, 2)], { keepWithin: "3d" }, logs)), [
      "full-2",
      "full-3",
    ]);
    const last = planOf([base, next, backup("full-3", 45, 2)], { keepWithin: "2.5d" }, [times(log(41, 45), 2.5)]);
    assert.deepEqual(keptIds(last), ["full-2", "full-3"]);
    assert.deepEqual(keptKeys(last), ["log/A/41-45"]);
    // Of log that no head counts yet nobody knows that it is older.
    assert.deepEqual(keptIds(planOf([base, next, backup("full-3", 45, 2)], { keepWithin: "2.5d" }, [log(41, 45)])), [
      "full-2",
      "full-3",
    ]);
  });

  it("follows a history to where it forked", () => {
    const parents = [{ lineage: "A", version: 13 }];
    const fork = backup("fork", 60, 1, { lineage: "B", parents });
    const child = { ...incremental("child", { ...base, parents }, 55, 2), lineage: "B", parents, pinned: true };
    const made = planOf([base, next, fork, child], { keepLast: 1 }, [...archived, log(14, 55, { lineage: "B" })]);
    assert.deepEqual(keptIds(made), ["full-1", "full-2", "child", "fork"]);
    assert.deepEqual(reasons(made, "log/A/11-15"), ["needed by child"]);
    assert.equal(keptKeys(made).includes("log/A/16-25"), false);
    // Nobody went on from full-2: it alone still holds what came after the fork.
    assert.deepEqual(reasons(made, "full-2"), ["newest backup"]);
  });

  it("keeps nothing of a history from whose end another goes on", () => {
    const fork = backup("fork", 60, 1, { lineage: "B", parents: [{ lineage: "A", version: 50 }] });
    const made = planOf([base, next, fork], { keepLast: 1 }, [...archived, log(51, 60, { lineage: "B" })]);
    assert.deepEqual(keptIds(made), ["fork"]);
  });

  it("keeps the newest from before the fork for a history without a backup of its own", () => {
    const lineages = [{ database: "db", lineage: "B", parents: [{ lineage: "A", version: 32 }] }];
    const logs = [...archived, log(33, 35, { lineage: "B" })];
    const made = plan({ backups: [base, one, two, next], log: logs, lineages }, { keepLast: 1 });
    assert.deepEqual(reasons(made, "inc-2"), ["newest backup"]);
    assert.deepEqual(keptIds(made), ["full-1", "inc-1", "inc-2", "full-2"]);
  });

  it("keeps of every day one of each copy that goes on side by side", () => {
    const copy = days(4).map((each) => ({
      ...each,
      id: `copy-${each.id}`,
      lineage: "B",
      parents: [{ lineage: "A", version: 500 }],
    }));
    assert.deepEqual(keptIds(planOf([...days(4), ...copy], { keepDaily: 2 })), ["d1", "d0", "copy-d1", "copy-d0"]);
  });

  it("keeps log that no base came before: its backup is being made", () => {
    assert.deepEqual(reasons(planOf([], { keepLast: 1 }, archived), "log/A/11-15"), ["no base yet"]);
  });

  it("leaves what does not restore for a repair", () => {
    const made = planOf([base, one, two, next, ...days(1)], { keepLast: 1 }, [log(11, 15), log(26, 30)]);
    assert.deepEqual(reasons(made, "inc-2"), ["does not restore, left for repair"]);
    assert.deepEqual(keptIds(made), ["full-1", "inc-1", "inc-2", "d0"]);
  });
});

describe("planPrune() limits", () => {
  it("take the oldest first, as few as will do", () => {
    const made = planOf(days(6), { keepLast: 5, maxBackups: 3 });
    assert.deepEqual(keptIds(made), ["d2", "d1", "d0"]);
    assert.deepEqual(reasons(made, "d3"), ["the oldest beyond maxBackups 3"]);
    assert.deepEqual(reasons(made, "d5"), ["no rule keeps it"]);
    assert.deepEqual(keptIds(planOf(days(6), { maxBytes: 299 })), ["d1", "d0"]);
    assert.deepEqual(keptIds(planOf(days(6), { maxBytes: 300 })), ["d2", "d1", "d0"]);
    assert.deepEqual(reasons(planOf(days(6), { maxBytes: 299, maxBackups: 2 }), "d3"), [
      "the oldest beyond maxBackups 2 and maxBytes 299",
    ]);
  });

  it("keep all when nothing else is said and nothing is over them", () => {
    const made = planOf(days(6), { maxBackups: 6 });
    assert.equal(keptIds(made).length, 6);
    assert.deepEqual(reasons(made, "d5"), ["within the limits"]);
  });

  it("leave pins, the last verified and the newest even when those are too many", () => {
    const pinned = backup("pin", 1, 30, { pinned: true });
    const proven = backup("proven", 2, 20, { verified: true });
    assert.deepEqual(keptIds(planOf([pinned, proven, ...days(4)], { maxBackups: 1, maxBytes: 1 })), [
      "pin",
      "proven",
      "d0",
    ]);
  });

  it("leave the chain of a kept increment", () => {
    const base = backup("base", 1, 3);
    const one = incremental("one", base, 2, 2);
    const two = incremental("two", one, 3, 1);
    assert.deepEqual(
      keptIds(planOf([backup("old", 0, 4), base, one, two], { maxBackups: 1 }, [log(2, 2), log(3, 3)])),
      [
        "base",
        "one",
        "two",
      ],
    );
  });
});
