/**
 * Checking a repository: what there is against what must be there, and as much of the bytes as is asked for.
 *
 * | `read` | what is read | what is found |
 * |---|---|---|
 * | `"none"` | documents and listings | what is missing, what is not of the length it was written with |
 * | `"sample"` | a tenth of the bytes as well, an object of each backup at least, others each time | with luck, more |
 * | `"all"` | every byte | everything; without the key, accidents only |
 *
 * @module
 */
import { NotFoundError, RepositoryLockedError } from "../../../base/errors.ts";
import { throwIfAborted } from "../../../base/abort.ts";
import { ProgressReporter } from "../../../base/progress.ts";
import type { BackupDocument } from "../../../format/repository/backup_document.ts";
import type { LongWorkOptions } from "../../long_work.ts";
import { writeAudit } from "../core/audit.ts";
import { blame, isRestorable, ownId } from "./check/affected.ts";
import type { Finding } from "./check/findings.ts";
import { inspect, type Inspection, referencedObjects } from "./check/inspect.ts";
import type { Inventory } from "./check/inventory.ts";
import { sampleOf } from "./check/sample.ts";
import type { RepositoryContext } from "../core/context.ts";
import { backupKey, objectKey } from "../core/layout.ts";
import type { Lease } from "../core/lease.ts";
import { runPool, SMALL_REQUESTS } from "../core/pool.ts";
import { writeProof } from "../core/proofs.ts";
import { Coverages } from "../restoring/coverage.ts";
import { planRestore } from "../restoring/restore_plan.ts";
import { withReaderLease } from "../restoring/source.ts";

/** One problem found in a repository. */
export interface RepositoryProblem {
  /** The object concerned. */
  key: string;
  /** What does not hold. */
  detail: string;
  /** The backups that can't be restored because of it. */
  backups: string[];
}

/** What a check of a repository found; damage is reported, not thrown. */
export interface RepositoryVerifyReport {
  /** Whether nothing was found. */
  ok: boolean;
  /** All that was found. */
  problems: RepositoryProblem[];
  /** Backups checked. */
  backups: number;
  /** Objects that were looked at (`"none"`) or read. */
  objects: number;
  /** Log objects among them. */
  logObjects: number;
  /** Bytes read. */
  bytes: number;
  /** How much was read. */
  read: "all" | "sample" | "none";
  /** How long it took, ms. */
  durationMs: number;
}

/** How a repository is checked. */
export interface VerifyOptions extends LongWorkOptions {
  /**
   * `"all"` (default): every byte. `"sample"`: some objects, others each time. `"none"`: what there is, not what is in it.
   * An audit log of more than 500 lines is read whole by `"all"` without an id, else its newest 250 lines and as many
   * others.
   */
  read?: "all" | "sample" | "none" | undefined;
}

/**
 * Checks all of a repository, or only what one backup needs. `NotFoundError` when there is no such backup. Notes the result
 * in the audit log, and as a proof for each backup: a good one only after all of it was read. `RepositoryLockedError` when a
 * pruning whose clock is far ahead took what was to be looked at.
 */
export async function verifyRepository(
  context: RepositoryContext,
  id: string | undefined,
  options: Required<Pick<VerifyOptions, "read">> & LongWorkOptions,
): Promise<RepositoryVerifyReport> {
  const { read, signal, onProgress } = options;
  throwIfAborted(signal);
  const started = context.monotonic();
  const subject = id ?? "all backups";
  return await context.activities.run(
    { kind: "verify", subject, startedAt: context.clock() },
    onProgress,
    (progress) =>
      withReaderLease(context, "verify", subject, async (lease) => {
        const verification = { id, read: read ?? "all", lease, reporter: new ProgressReporter(progress), signal };
        const { report, inspection } = await verify(context, verification);
        verification.reporter.finish();
        const durationMs = context.monotonic() - started;
        await record(context, id, { ...report, durationMs }, inspection);
        return { ...report, durationMs };
      }, signal),
  );
}

/** Problems are none of the repository's where a pruning broke the lease meanwhile. */
async function assertNotPruned(lease: Lease): Promise<void> {
  await lease.assertHeld().catch((error) => {
    // Whoever may not write, or not now, has found what is reported all the same.
    if (error instanceof RepositoryLockedError) throw error;
  });
}

interface Verification {
  id: string | undefined;
  read: "all" | "sample" | "none";
  lease: Lease;
  reporter: ProgressReporter;
  signal: AbortSignal | undefined;
}

type Report = Omit<RepositoryVerifyReport, "durationMs">;

async function verify(
  context: RepositoryContext,
  { id, read, ...options }: Verification,
): Promise<{ report: Report; inspection: Inspection }> {
  let wanted = new Set<string>();
  const choose = (inventory: Inventory): Set<string> => {
    wanted = neededFor(inventory, id);
    if (read === "none") return new Set();
    return read === "all" ? wanted : sampleOf(context, inventory, wanted);
  };
  const auditInPart = read !== "all" || id !== undefined;
  const inspection = await inspect(context, { ...options, choose, auditInPart });
  const { inventory: { facts, log }, findings, contents } = inspection;
  const isKnown = id === undefined || facts.backups.some((backup) => backup.id === id) ||
    findings.of(backupKey(id)) !== undefined;
  if (!isKnown) {
    throw new NotFoundError(`Cannot verify backup ${id}: ${context.name} has none of that id; see list() (NOT_FOUND)`);
  }
  const problems = blame({ facts, findings, ingests: contents.ingests })
    .filter(({ finding, backups }) => id === undefined || backups.includes(id) || wanted.has(finding.key))
    .map(({ finding, backups }) => ({ key: finding.key, detail: finding.detail, backups }));
  if (problems.length > 0) await assertNotPruned(options.lease);
  const looked = read === "none" ? wanted : contents.read;
  const report = {
    ok: problems.length === 0,
    problems,
    backups: id === undefined ? facts.backups.length : 1,
    objects: looked.size,
    logObjects: log.filter(({ key }) => looked.has(key)).length,
    bytes: contents.bytes,
    read,
  };
  return { report, inspection };
}

/** The keys of all data that there is, or that a backup needs. */
function neededFor(inventory: Inventory, id: string | undefined): Set<string> {
  const { facts, objects, log } = inventory;
  if (id === undefined) {
    return new Set([
      ...objects.keys(),
      ...log.map(({ key }) => key),
      ...referencedObjects(inventory),
    ]);
  }
  const coverages = new Coverages(facts);
  const backup = coverages.backup(id);
  const keys = new Set(backup?.base?.files.map(({ object }) => objectKey(object)));
  if (backup === undefined || !isRestorable(coverages, new Map(), backup)) return keys;
  const wish = {
    point: { backupId: id },
    database: undefined,
    lineage: undefined,
    allowEarlier: false,
    replayLog: true,
  };
  const plan = planRestore("verify", "", coverages, wish);
  if ("entries" in plan) return keys;
  for (const { object } of plan.base.base.files) keys.add(objectKey(object));
  for (const { key } of plan.log) keys.add(key);
  for (const { object } of plan.ingests.flatMap(({ files }) => files)) keys.add(objectKey(object));
  return keys;
}

/** Notes what was found. */
async function record(
  context: RepositoryContext,
  id: string | undefined,
  report: RepositoryVerifyReport,
  { inventory: { facts }, findings }: Inspection,
): Promise<void> {
  const { ok, problems, read, bytes, durationMs } = report;
  const at = context.clock();
  const ms = Math.round(durationMs);
  const about = { problems: problems.length, read, bytes, durationMs: ms, ...id === undefined ? {} : { id } };
  await writeAudit(context, "verify", ok ? "ok" : "failed", about).catch(() => {});
  const prove = async (backup: BackupDocument | undefined, where: Place, count: number): Promise<void> => {
    const { version = 0, timestamp = 0 } = backup ?? {};
    await writeProof(context, {
      kind: "verify",
      at,
      backupId: where.backupId,
      database: where.database,
      lineage: where.lineage,
      version,
      timestamp,
      ok: count === 0,
      problems: count,
      entries: null,
      contentChecksum: null,
      durationMs: ms,
    });
  };
  const ids = new Set(facts.backups.map((backup) => backup.id));
  const blamed = new Map<string, number>();
  for (const { backups } of problems) for (const each of backups) blamed.set(each, (blamed.get(each) ?? 0) + 1);
  const byKey = new Map(problems.map((problem) => [problem.key, problem]));
  await runPool(facts.backups, SMALL_REQUESTS, async (backup) => {
    if (id !== undefined && backup.id !== id) return;
    const own = new Set(backup.base?.files.map(({ object }) => objectKey(object)));
    const others = [...own].filter((key) => byKey.get(key)?.backups.includes(backup.id) === false).length;
    const count = (blamed.get(backup.id) ?? 0) + others;
    if (count > 0 || read === "all") await prove(backup, { ...backup, backupId: backup.id }, count);
  });
  const rest = problems.filter(({ backups }) => !backups.some((each) => ids.has(each)));
  for (const { key } of rest.slice(0, 1)) await prove(undefined, placeOf(facts.backups, findings.of(key)), rest.length);
  if (rest.length === 0 && id === undefined && read === "all") {
    // So that what was wrong with the whole at an earlier time counts no more.
    await prove(undefined, placeOf(facts.backups, undefined), 0);
  }
}

type Place = { backupId: string | null; database: string; lineage: string };

/** Which history a finding is about, as far as it says. */
function placeOf(backups: readonly BackupDocument[], finding: Finding | undefined): Place {
  const key = finding?.key ?? "";
  const backupId = ownId(key) ?? null;
  const [, database, lineage] = /^(?:log|heads)\/([0-9a-f]{32})\/([0-9a-f]{32})/.exec(key) ?? [];
  if (database !== undefined) return { backupId, database, lineage: lineage! };
  const { database: only, lineage: its } = backups.at(-1) ?? { database: NOBODY, lineage: NOBODY };
  return { backupId, database: only, lineage: its };
}

/** Stands where no history is known. */
const NOBODY = "0".repeat(32);
