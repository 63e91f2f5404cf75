import assert from "node:assert/strict";
import { describe, it } from "node:test";
import process from "node:process";
import fc from "fast-check";
import { planPrune, type PrunePlan } from "../../../lib/backup/repository/pruning/retention.ts";
import { checkPolicy, type RetentionPolicy } from "../../../lib/backup/repository/pruning/retention_policy.ts";
import type { RepositoryFacts } from "../../../lib/backup/repository/pruning/retention/facts.ts";
import { Recovery } from "../../../lib/backup/repository/pruning/retention/recovery.ts";
import { bruteForce, DAY, NOW, repositories } from "./retention_facts.ts";

const RUNS = process.env["HOLDFAST_LONG"] === "1" ? 40_000 : 400;

const plan = (facts: RepositoryFacts, policy: RetentionPolicy): PrunePlan =>
  planPrune(facts, checkPolicy("prune", policy), { now: NOW, timeZone: "UTC" });
const keptIds = ({ backups }: PrunePlan): string[] => backups.filter(({ keep }) => keep).map(({ id }) => id);
const keptKeys = (made: PrunePlan): string[] => made.log.filter(({ keep }) => keep).map(({ key }) => key);
const remaining = (facts: RepositoryFacts, made: PrunePlan): RepositoryFacts => ({
  backups: facts.backups.filter(({ id }) => keptIds(made).includes(id)),
  log: facts.log.filter(({ key }) => keptKeys(made).includes(key)),
  lineages: [...facts.lineages ?? [], ...facts.backups],
});

describe("planPrune(), for any repository", () => {
  const policies: fc.Arbitrary<RetentionPolicy> = fc.record({
    keepLast: fc.integer({ min: 0, max: 3 }),
    keepHourly: fc.integer({ min: 0, max: 2 }),
    keepDaily: fc.integer({ min: 0, max: 3 }),
    keepWeekly: fc.integer({ min: 0, max: 2 }),
    keepMonthly: fc.integer({ min: 0, max: 1 }),
    keepWithin: fc.constantFrom(0, DAY, 20 * DAY),
    maxBackups: fc.integer({ min: 1, max: 6 }),
    maxBytes: fc.constantFrom(10, 100, 10_000),
  }, { requiredKeys: ["maxBytes"] });
  const check = (name: string, holds: (facts: RepositoryFacts, policy: RetentionPolicy) => void): void => {
    it(name, () => fc.assert(fc.property(repositories, policies, holds), { numRuns: RUNS }));
  };

  check("the simulation tells what a count of single commits tells", (facts) => {
    const ranges = new Recovery("db", facts).ranges();
    const told = ranges.flatMap(({ lineage, from, to }) =>
      Array.from({ length: to - from + 1 }, (_, i) => `${lineage} ${from + i}`)
    );
    assert.deepEqual(told.sort(), [...bruteForce(facts)].sort());
  });

  check("pins, the last verified and the newest stay, and all that is kept restores as before", (facts, policy) => {
    const made = plan(facts, policy);
    const kept = new Set(keptIds(made));
    const before = new Recovery("db", facts);
    const sound = facts.backups.filter((each) => before.restores(each));
    const whole = sound.filter(({ selective }) => !selective);
    for (const { id, pinned } of facts.backups) if (pinned) assert.ok(kept.has(id));
    const proven = whole.filter(({ verified }) => verified);
    if (proven.length > 0) assert.ok(proven.some(({ id }) => kept.has(id)));
    for (const lineage of new Set(whole.map((each) => each.lineage))) {
      const own = whole.filter((each) => each.lineage === lineage);
      const newest = Math.max(...own.map(({ version }) => version));
      const continued = facts.backups.some(({ parents }) =>
        parents.some((parent) => parent.lineage === lineage && parent.version >= newest)
      );
      if (!continued) assert.ok(own.some(({ id, version }) => version === newest && kept.has(id)));
    }
    const after = new Recovery("db", remaining(facts, made));
    for (const each of sound) if (kept.has(each.id)) assert.ok(after.restores(each), each.id);
  });

  check("what the plan says to restore afterwards does", (facts, policy) => {
    const made = plan(facts, policy);
    const left = bruteForce(remaining(facts, made));
    for (const { lineage, from, to } of made.after) {
      for (let version = from; version <= to; version++) assert.ok(left.has(`${lineage} ${version}`));
    }
    // Of a history that nobody went on from, the latest version stays.
    const parents = new Set(facts.backups.flatMap((each) => each.parents.map(({ lineage }) => lineage)));
    const latest = new Map<string, number>();
    for (const name of bruteForce(facts)) {
      const [lineage = "", version] = name.split(" ");
      if (!parents.has(lineage)) latest.set(lineage, Math.max(latest.get(lineage) ?? 0, Number(version)));
    }
    for (const [lineage, version] of latest) assert.ok(left.has(`${lineage} ${version}`), `${lineage} ${version}`);
  });

  check("a second prune removes nothing", (facts, policy) => {
    const first = plan(facts, policy);
    const second = plan(remaining(facts, first), policy);
    assert.deepEqual(keptIds(second), keptIds(first));
    assert.deepEqual(keptKeys(second), keptKeys(first));
    assert.equal(second.freedBytes, 0);
  });

  check("a policy that asks for more keeps all that the other one did, and perhaps more", (facts, policy) => {
    const { maxBackups: _b, maxBytes: _m, ...rules } = policy;
    const less = { ...rules, keepLast: rules.keepLast || 1 };
    const more = { keepLast: less.keepLast + 1, keepDaily: (rules.keepDaily ?? 0) + 1, keepYearly: 2 };
    const small = plan(facts, less);
    const large = plan(facts, { ...less, ...more });
    assert.deepEqual(keptIds(small).filter((id) => !keptIds(large).includes(id)), []);
    assert.deepEqual(keptKeys(small).filter((key) => !keptKeys(large).includes(key)), []);
    const tight = plan(facts, policy);
    const loose = plan(facts, {
      ...policy,
      maxBackups: (policy.maxBackups ?? 1e9) + 1,
      maxBytes: policy.maxBytes! + 30,
    });
    assert.deepEqual(keptIds(tight).filter((id) => !keptIds(loose).includes(id)), []);
    assert.deepEqual(keptKeys(tight).filter((key) => !keptKeys(loose).includes(key)), []);
  });
});
