/** Facts to plan with: short to write, and at random. */
import fc from "fast-check";
import type {
  BackupFact,
  LogFact,
  ParentFact,
  RepositoryFacts,
} from "../../../lib/backup/repository/pruning/retention/facts.ts";

export const DAY = 86_400_000;
/** A Wednesday, 13:00 UTC. */
export const NOW: number = Date.UTC(2026, 10, 25, 13);

/** A whole backup of 100 bytes of its own, unless stated. */
export function backup(id: string, version: number, daysAgo: number, more: Partial<BackupFact> = {}): BackupFact {
  const time = NOW - daysAgo * DAY;
  return {
    id,
    type: "full",
    parentId: null,
    database: "db",
    lineage: "A",
    parents: [],
    version,
    timestamp: time,
    createdAt: time,
    pinned: false,
    selective: false,
    verified: false,
    baseVersion: version,
    log: null,
    objects: [{ key: `objects/${id}`, size: 100 }],
    ...more,
  };
}

/** An incremental backup of the log after its parent. */
export function incremental(id: string, parent: BackupFact, version: number, daysAgo: number): BackupFact {
  const log = { from: parent.version + 1, to: version };
  return backup(id, version, daysAgo, {
    type: "incremental",
    parentId: parent.id,
    baseVersion: null,
    log,
    objects: [],
  });
}

/** Archived log of 10 bytes. */
export function log(first: number, last: number, more: Partial<LogFact> = {}): LogFact {
  const lineage = more.lineage ?? "A";
  return { key: `log/${lineage}/${first}-${last}`, database: "db", lineage, first, last, size: 10, ...more };
}

/** A repository with forks, chains, shared objects, holes in its log, and clocks that lie. */
export const repositories: fc.Arbitrary<RepositoryFacts> = fc.array(
  fc.record({
    what: fc.constantFrom("full", "snapshot", "incremental", "incremental", "log", "log", "fork", "selective"),
    commits: fc.integer({ min: 0, max: 4 }),
    hours: fc.integer({ min: 0, max: 60 }),
    clock: fc.constantFrom(0, 0, 0, 0, -400 * DAY, 400 * DAY),
    pinned: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    verified: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
    lost: fc.integer({ min: 0, max: 11 }).map((n) => n === 0),
    back: fc.integer({ min: 0, max: 6 }),
    times: fc.boolean(),
  }),
  { minLength: 1, maxLength: 24 },
).map((steps) => {
  const facts = { backups: [] as BackupFact[], log: [] as LogFact[] };
  let at = {
    lineage: "A",
    parents: [] as ParentFact[],
    version: 0,
    archived: 0,
    last: undefined as BackupFact | undefined,
  };
  let time = NOW - steps.reduce((sum, { hours }) => sum + hours, 0) * DAY / 24;
  steps.forEach((step, i) => {
    time += step.hours * DAY / 24;
    at.version += step.commits;
    const own = { lineage: at.lineage, parents: [...at.parents] };
    const archive = (): void => {
      if (at.version === at.archived) return;
      const fact = log(at.archived + 1, at.version, { ...own, key: `log-${i}`, size: 1 + i });
      // Only sometimes is the time known; sometimes the object is lost.
      if (step.times) fact.maxTimestamp = time;
      if (!step.lost) facts.log.push(fact);
      at.archived = at.version;
    };
    const list = (more: Partial<BackupFact>): void => {
      const made = backup(`b${i}`, at.version, 0, {
        ...own,
        timestamp: time,
        createdAt: time + step.clock,
        pinned: step.pinned,
        verified: step.verified,
        objects: [{ key: `o${i}`, size: 1 + i }, { key: `shared${i >> 2}`, size: 7 }],
        ...more,
      });
      facts.backups.push(made);
      if (!made.selective) at.last = made;
    };
    const { last } = at;
    if (step.what === "fork") {
      const version = Math.max(0, at.version - step.back);
      const from = at.lineage;
      at = {
        lineage: `L${i}`,
        parents: [...at.parents, { lineage: from, version }],
        version: version + 1, // A fork begins with its first commit.
        archived: version,
        last: undefined,
      };
    } else if (step.what === "log") archive();
    else if (step.what === "selective") list({ selective: true });
    else if (step.what === "incremental" && last !== undefined) {
      archive();
      const log = at.version === last.version ? null : { from: last.version + 1, to: at.version };
      list({ type: "incremental", parentId: last.id, baseVersion: null, log, objects: [] });
    } else {
      // Its files end before its version; the rest is its tail, or archived log.
      const baseVersion = Math.max(at.parents.at(-1)?.version ?? 0, at.version - step.back);
      if (step.times || baseVersion === at.version) {
        list({ type: step.what === "full" ? "full" : "snapshot", baseVersion });
      } else {
        archive();
        list({ type: "snapshot", baseVersion, log: { from: baseVersion + 1, to: at.version } });
      }
    }
  });
  return facts;
});

/** Every version that restores, as "lineage version": told commit by commit, without anything of the library. */
export function bruteForce({ backups, log, lineages = [] }: RepositoryFacts): Set<string> {
  const parentsOf = new Map([...log.map((each) => ({ ...each, parents: [] })), ...lineages, ...backups].map((each) => {
    return [each.lineage, each.parents as readonly ParentFact[]];
  }));
  const lineageOf = (lineage: string, version: number): string => {
    const parents = parentsOf.get(lineage) ?? [];
    let found = lineage;
    for (let i = parents.length - 1; i >= 0 && version <= parents[i]!.version; i--) found = parents[i]!.lineage;
    return found;
  };
  const hasCommit = (lineage: string, version: number): boolean =>
    log.some((each) => each.lineage === lineageOf(lineage, version) && each.first <= version && version <= each.last);
  const hasCommits = (lineage: string, from: number, to: number): boolean => {
    for (let version = from; version <= to; version++) if (!hasCommit(lineage, version)) return false;
    return true;
  };
  const out = new Set<string>();
  const greatest = Math.max(0, ...backups.map(({ version }) => version), ...log.map(({ last }) => last));
  for (const base of backups) {
    if (base.type === "incremental" || base.selective) continue;
    if (base.log !== null && !hasCommits(base.lineage, base.log.from, base.log.to)) continue;
    for (let version = base.baseVersion!; version <= base.version; version++) out.add(`${base.lineage} ${version}`);
    for (const lineage of parentsOf.keys()) {
      if (lineageOf(lineage, base.version) !== base.lineage) continue;
      for (let version = base.version + 1; version <= greatest && hasCommit(lineage, version); version++) {
        if (lineageOf(lineage, version) === lineage) out.add(`${lineage} ${version}`);
      }
    }
  }
  return out;
}
