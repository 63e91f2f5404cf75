/**
 * The figures of a repository, and the facts by which its health is judged: gathered from manifests, heads, the listing of the
 * log, the audit log and proofs. No object is read.
 *
 * @module
 */
import type { BackupDocument } from "../../../format/repository/backup_document.ts";
import { type Proof, proof } from "../../../format/repository/house_documents.ts";
import { type BackupAttempt, readAttempts } from "../core/attempts.ts";
import type { RepositoryContext } from "../core/context.ts";
import { isBase } from "../restoring/coverage.ts";
import { readAllDocuments } from "../core/documents.ts";
import { readFacts, type RepositoryFacts } from "../restoring/facts.ts";
import { type CheckedHealthPolicy, type HealthFacts, type HealthReport, judgeHealth } from "./health.ts";
import { PART } from "../core/layout.ts";
import { isOnPath, lineagePath } from "../log/lineage_path.ts";
import type { ReplicationLag, RepositoryStats } from "./stats_types.ts";

/** So many attempts make a rate: a month of hourly backups. */
const ATTEMPTS_MAX = 1000;

/** Counts and sizes. `replications`: those that run into this repository, as far as the caller knows. */
export async function repositoryStats(
  context: RepositoryContext,
  replications: readonly ReplicationLag[] = [],
): Promise<RepositoryStats> {
  const [facts, attempts] = await Promise.all([
    readFacts(context),
    readAttempts(context, { since: -Infinity, count: ATTEMPTS_MAX }),
  ]);
  const { backups } = facts;
  const newest = latest(backups);
  const succeeded = attempts.filter(({ ok }) => ok);
  return {
    backups: {
      full: backups.filter(({ type }) => type === "full").length,
      incremental: backups.filter(({ type }) => type === "incremental").length,
      snapshot: backups.filter(({ type }) => type === "snapshot").length,
    },
    totalBytes: backups.reduce((sum, { totalBytes }) => sum + totalBytes, 0),
    ...sizesOf(facts),
    lastBackup: newest === undefined
      ? undefined
      : { id: newest.id, at: newest.createdAt, durationMs: newest.durationMs },
    lastSuccessAt: succeeded.at(-1)?.at ?? newest?.createdAt,
    lastFailureAt: attempts.findLast(({ ok }) => !ok)?.at,
    successRate: attempts.length === 0 ? undefined : succeeded.length / attempts.length,
    durations: durationsOf(succeeded, backups),
    lag: lagOf(replications),
  };
}

type Sizes = Pick<
  RepositoryStats,
  "storedBytes" | "compressionSavedBytes" | "sharingSavedBytes" | "objects" | "logObjects" | "logBytes"
>;

function sizesOf({ backups, heads, logs }: RepositoryFacts): Sizes {
  const objects = new Map<string, { size: number; stored: number }>();
  let referred = 0;
  const note = (file: { object: string; size: number; stored: number }): void => {
    referred += file.stored;
    objects.set(file.object, file);
  };
  // Within one backup too, two files may be one object; that saves as much.
  for (const { base } of backups) base?.files.forEach(note);
  for (const { ingests } of heads) for (const { files } of ingests) files.forEach(note);
  let logObjects = 0;
  let logBytes = 0;
  for (const index of logs.values()) {
    for (const { size } of index.objects) {
      logObjects++;
      logBytes += size;
    }
  }
  let stored = 0;
  let raw = 0;
  for (const object of objects.values()) {
    stored += object.stored;
    raw += object.size;
  }
  return {
    storedBytes: stored + logBytes,
    // What seals an object costs a little; where nothing was compressed that is no saving below nothing.
    compressionSavedBytes: Math.max(0, raw - stored),
    sharingSavedBytes: referred - stored,
    objects: objects.size,
    logObjects,
    logBytes,
  };
}

function latest(backups: readonly BackupDocument[]): BackupDocument | undefined {
  return backups.reduce<BackupDocument | undefined>(
    (last, one) => last === undefined || one.createdAt >= last.createdAt ? one : last,
    undefined,
  );
}

/** By the audit log, which also tells of backups that are gone; without it, by the manifests. */
function durationsOf(
  succeeded: readonly BackupAttempt[],
  backups: readonly BackupDocument[],
): { median: number; max: number } | undefined {
  const told = succeeded.flatMap(({ durationMs }) => durationMs ?? []);
  const durations = (told.length > 0 ? told : backups.map(({ durationMs }) => durationMs)).sort((a, b) => a - b);
  const max = durations.at(-1);
  return max === undefined ? undefined : { median: durations[durations.length >> 1]!, max };
}

function lagOf(replications: readonly ReplicationLag[]): number | undefined {
  return replications.length === 0 ? undefined : Math.max(...replications.map(({ lagMs }) => lagMs));
}

/**
 * Judges a repository. Where it holds several databases each is judged by itself, or the backups of one would hide that
 * another has none, and a small database would look like a large one that shrank.
 */
export async function repositoryHealth(
  context: RepositoryContext,
  policy: CheckedHealthPolicy,
  replications: readonly ReplicationLag[] = [],
): Promise<HealthReport> {
  const now = context.clock();
  const [facts, attempts, proofs, freeBytes] = await Promise.all([
    readFacts(context),
    readAttempts(context, { since: now - policy.window, count: Infinity }),
    readAllDocuments(context, "proof", PART.proofs, proof),
    freeSpace(context),
  ]);
  const parts: Parts = { facts, attempts, proofs: proofs.map(({ body }) => body), freeBytes, replications };
  const databases = [...new Set([...facts.backups, ...facts.heads].map(({ database }) => database))].sort();
  if (databases.length < 2) return judgeHealth(factsOf(parts, undefined), policy, now);
  const whole = judgeHealth(factsOf(parts, undefined), policy, now);
  // Free space and the rate are the repository's; all else is a database's.
  const findings = whole.findings.filter(({ code }) => code === "space-low" || code === "success-rate");
  for (const database of databases) {
    const name = facts.backups.findLast((backup) => backup.database === database)?.databaseName ?? database;
    for (const finding of judgeHealth(factsOf(parts, database), policy, now).findings) {
      if (finding.code === "space-low" || finding.code === "success-rate") continue;
      findings.push({ ...finding, message: `${name}: ${finding.message}` });
    }
  }
  findings.sort((a, b) => Number(b.severity === "error") - Number(a.severity === "error"));
  return { ...whole, ok: findings.length === 0, status: findings.length === 0 ? "OK" : "FINDINGS", findings };
}

interface Parts {
  facts: RepositoryFacts;
  attempts: readonly BackupAttempt[];
  proofs: readonly Proof[];
  freeBytes: number | undefined;
  replications: readonly ReplicationLag[];
}

/** The facts of one database; undefined: of all. */
function factsOf(
  { facts, attempts, proofs, freeBytes, replications }: Parts,
  database: string | undefined,
): HealthFacts {
  const isMeant = (one: { database?: string | undefined }): boolean =>
    database === undefined || one.database === database;
  const running = replications.filter(isMeant);
  // Who stopped it knows; who was stopped, by another writer, has a reason that must be heard.
  const broken = running.find(({ state, error }) => state === "stopped" && error !== undefined);
  return {
    backups: facts.backups.filter(isMeant),
    attempts: attempts.filter(isMeant),
    proofs: proofs.filter(isMeant),
    lagMs: lagOf(running),
    replicationError: broken === undefined ? undefined : messageOf(broken.error),
    gaps: facts.heads.filter(isMeant).flatMap((head) =>
      head.gaps.filter(({ to }) => !isCovered(facts.backups, head.database, head.lineage, to))
    ),
    freeBytes,
  };
}

/** Whether a complete backup stands behind a version of a history, in it or in one that went on from it. */
function isCovered(backups: readonly BackupDocument[], database: string, lineage: string, version: number): boolean {
  return backups.some((backup) =>
    isBase(backup) && backup.database === database && backup.version >= version &&
    isOnPath(lineagePath(backup.lineage, backup.parents), lineage, version)
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A store that can't tell is none whose space is low. */
async function freeSpace(context: RepositoryContext): Promise<number | undefined> {
  try {
    return await context.store.freeSpace?.();
  } catch {
    return undefined;
  }
}
