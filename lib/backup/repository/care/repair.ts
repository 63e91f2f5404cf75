/**
 * Repair of a repository: afterwards it lists, backs up and restores again, with all that could be saved.
 *
 * ```
 * leases ─► everything read ─► objects, log, documents healed or set aside ─► heads ─► lost backups set aside ─► told
 * ```
 *
 * It may be cut off anywhere and run again: nothing is removed before a copy of it lies below `damaged/`, and each step
 * finds what an earlier repair has done. It holds the lease of a pruning, so that nothing is pruned meanwhile, and marks what
 * goes as that does (`gc.ts`); backups and replication may go on.
 *
 * @module
 */
import { ReadOnlyError } from "../../../base/errors.ts";
import { throwIfAborted } from "../../../base/abort.ts";
import { ProgressReporter } from "../../../base/progress.ts";
import type { BackupDocument } from "../../../format/repository/backup_document.ts";
import type { LongWorkOptions } from "../../long_work.ts";
import { audited } from "../core/audit.ts";
import { blame, isRestorable, ownId } from "./check/affected.ts";
import { inspect } from "./check/inspect.ts";
import type { Inventory } from "./check/inventory.ts";
import type { RepositoryContext } from "../core/context.ts";
import { Coverages, isWhole } from "../restoring/coverage.ts";
import { backupKey, objectKey, pinKey } from "../core/layout.ts";
import { type Lease, takeLease } from "../core/lease.ts";
import type { RecoveryRange } from "../restoring/recovery_points.ts";
import { giveUp } from "../core/given_up.ts";
import { Aside } from "./repairing/aside.ts";
import { freeLeases, healHouse, healIdentity, healManifests, healMisplacedHeads } from "./repairing/documents.ts";
import { healLog, healObjects } from "./repairing/heal.ts";
import { lossOf, lostRanges, rangesOf, withHoles } from "./repairing/losses.ts";
import { Patient } from "./repairing/patient.ts";
import { rebuildHeads } from "./repairing/rebuild_heads.ts";

/** What a repair of a repository did. */
export interface RepositoryRepairReport {
  /** What was put right, one sentence each. */
  repaired: string[];
  /**
   * Backups that are not listed any more, and why. Their manifests lie below `damaged/`. Where an older base and the log lead
   * to its version all the same, that stays a point in time.
   */
  lostBackups: { id: string; detail: string }[];
  /** Points in time that can't be restored any more. Times within them are those of the nearest state that is known. */
  lostPoints: RecoveryRange[];
  /** Keys of objects that were set aside below `damaged/`. */
  setAside: string[];
  /** How long it took, ms. */
  durationMs: number;
}

type Losses = Pick<RepositoryRepairReport, "lostBackups" | "lostPoints">;

/** Repairs a repository. With `dryRun` it says what it would do and writes nothing. */
export async function repairRepository(
  context: RepositoryContext,
  options: { dryRun: boolean } & LongWorkOptions,
): Promise<RepositoryRepairReport> {
  const { dryRun, signal, onProgress } = options;
  throwIfAborted(signal);
  if (context.keyless || (context.readOnly && !dryRun)) {
    const how = context.keyless ? "without its key" : "read-only";
    throw new ReadOnlyError(`Cannot repair ${context.name}: it was opened ${how}; open it for writing (READ_ONLY)`);
  }
  const run = (): Promise<RepositoryRepairReport> =>
    context.activities.run(
      { kind: "repair", subject: context.name, startedAt: context.clock() },
      onProgress,
      (progress) =>
        repair(dryRun ? { ...context, readOnly: true } : context, dryRun, new ProgressReporter(progress), signal),
    );
  if (dryRun) return await run();
  return await audited(context, "repair", run, ({ repaired, lostBackups, setAside, durationMs }) => ({
    repaired: repaired.length,
    lostBackups: lostBackups.length,
    setAside: setAside.length,
    durationMs: Math.round(durationMs),
  }));
}

async function repair(
  context: RepositoryContext,
  dryRun: boolean,
  reporter: ProgressReporter,
  signal: AbortSignal | undefined,
): Promise<RepositoryRepairReport> {
  const started = context.monotonic();
  const leases = new Aside(context, dryRun);
  await freeLeases(context, (key) => leases.take(key));
  // Of its own name: a pruning and a repair never meet.
  const lease = await takeLease(context, { kind: "repair", name: "prune", holder: "repair", signal });
  try {
    const patient = await look(context, dryRun, reporter, lease, signal);
    reporter.start("repair");
    const before = rangesOf(withHoles(patient.seen.inventory.facts, patient.seen.findings.all), new Set());
    // From here on to its end: a signal ends it between steps, and the next repair goes on.
    for (
      const step of [healIdentity, healObjects, healLog, healManifests, healMisplacedHeads, rebuildHeads, healHouse]
    ) {
      throwIfAborted(signal);
      await step(patient);
      await lease.touch();
    }
    throwIfAborted(signal);
    const losses = await setLostAside(patient, before);
    // In a rehearsal nothing is written by this context.
    await giveUp(context, patient.givenUp);
    await patient.unmark();
    reporter.finish();
    return {
      repaired: patient.repaired,
      ...losses,
      setAside: [...leases.taken, ...patient.aside.taken].sort(),
      durationMs: context.monotonic() - started,
    };
  } finally {
    await lease.release();
  }
}

async function look(
  context: RepositoryContext,
  dryRun: boolean,
  reporter: ProgressReporter,
  lease: Lease,
  signal: AbortSignal | undefined,
): Promise<Patient> {
  const choose = ({ objects, log }: Inventory): Set<string> =>
    new Set([...objects.keys(), ...log.map(({ key }) => key)]);
  const seen = await inspect(context, { choose, auditInPart: false, reporter, lease, signal });
  return new Patient(context, seen, { dryRun, reporter, lease });
}

/** Sets the manifests of backups aside that nothing restores any more. */
async function setLostAside(patient: Patient, before: RecoveryRange[]): Promise<Losses> {
  const { facts, bad, seen, aside } = patient;
  const { findings, contents: { ingests } } = seen;
  const blamed = blame({ facts, findings, ingests });
  // One that lost objects of its own goes too, whatever else leads to its version: the next one would share them.
  const isBroken = ({ base }: BackupDocument): boolean => base !== null && !isWhole(base, bad);
  const coverages = new Coverages(facts, bad);
  const lost = patient.backups.filter((backup) => isBroken(backup) || !isRestorable(coverages, ingests, backup));
  const lostBackups = lost.map((backup) => {
    const own = new Set(backup.base?.files.map(({ object }) => objectKey(object)));
    const why = blamed.filter(({ finding, backups }) => backups.includes(backup.id) || own.has(finding.key));
    return { id: backup.id, detail: lossOf(backup, why.map(({ finding }) => finding)) };
  });
  // Those whose manifests are gone or useless.
  const gone = new Set<string>();
  for (const { key, kind, detail } of patient.findings("backups")) {
    const id = ownId(key)!;
    if (!patient.backups.some((backup) => backup.id === id) && !lostBackups.some((one) => one.id === id)) {
      lostBackups.push({ id, detail });
      if (kind === "missing") gone.add(id);
    }
  }
  await patient.mark(lostBackups.flatMap(({ id }) => gone.has(id) ? [] : [backupKey(id)]));
  for (const { id } of lostBackups) {
    // Under the id of one that is gone another may have been made meanwhile, and pinned.
    if (!gone.has(id)) await aside.take(backupKey(id));
    if (!gone.has(id) || seen.inventory.pins.includes(id)) await aside.take(pinKey(id));
    patient.givenUp.add(backupKey(id));
    await patient.lease.touch();
  }
  patient.backups = patient.backups.filter((backup) => !lost.includes(backup));
  const lostPoints = lostRanges(before, rangesOf(patient.facts, bad));
  return { lostBackups, lostPoints };
}
