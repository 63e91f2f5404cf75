/**
 * Pruning by a policy, and deleting one backup: what goes is decided here, `pruning.ts` carries it out.
 *
 * @module
 */
import { HoldfastError, NotFoundError, ReadOnlyError, RepositoryLockedError } from "../../../base/errors.ts";
import { ProgressReporter } from "../../../base/progress.ts";
import type { LongWorkOptions } from "../../long_work.ts";
import { audited } from "../core/audit.ts";
import type { RepositoryContext } from "../core/context.ts";
import { takeLease, withLease } from "../core/lease.ts";
import type { PruneState } from "./prune_facts.ts";
import { type Decision, type PruneReport, Pruning } from "./pruning.ts";
import { planPrune } from "./retention.ts";
import type { CheckedPolicy } from "./retention_policy.ts";

export type { PruneReport } from "./pruning.ts";

/**
 * Prunes by a policy, under the lease `prune`. Backups of a database that is being backed up right now stay this time, and
 * what a running restore may read goes with a later pruning. A dry run writes nothing at all.
 *
 * Rejects, having deleted nothing, with `RepositoryLockedError` while another pruning runs, with `IntegrityError` naming it
 * when a manifest or head is damaged, and when a listing fails; with the signal's reason at any step. Cut off, it leaves a
 * repository of which every backup listed restores; the next pruning goes on.
 */
export async function pruneRepository(
  context: RepositoryContext,
  policy: CheckedPolicy,
  options: { dryRun?: boolean | undefined } & LongWorkOptions,
): Promise<PruneReport> {
  // One moment for all of it: what is within a policy's time does not move while the pruning runs.
  const at = { now: context.clock(), timeZone: context.timeZone };
  const decide = ({ plan }: PruneState): Decision => planPrune(plan, policy, at);
  const { dryRun = false } = options;
  if (dryRun) {
    const lease = await takeLease({ ...context, readOnly: true }, { kind: "prune", holder: "" });
    const reporter = new ProgressReporter(options.onProgress);
    return await new Pruning(context, lease, decide, { ...options, dryRun, reporter }).run();
  }
  return await carryOut(context, "prune", context.name, options, decide, {});
}

/**
 * Removes one backup, and what only it needed: its log too where no other backup's points in time lead through it. The last
 * backup of a database goes as well, for it was asked for by name.
 *
 * Rejects with `NotFoundError` for an id there is none of; with `HoldfastError` (`NEEDED`) naming them when others build on
 * it, and when it is pinned; with `RepositoryLockedError` while another pruning runs, or a backup of its database, which may
 * build on it; otherwise as `pruneRepository`.
 */
export async function deleteBackup(
  context: RepositoryContext,
  id: string,
  options: LongWorkOptions = {},
): Promise<PruneReport> {
  const decide = (state: PruneState): Decision => planDelete(context, state, id);
  return await carryOut(context, "delete", id, options, decide, { id }, (leases) => {
    throw new RepositoryLockedError(
      `Cannot delete backup ${id} of ${context.name}: a backup of its database is being made, which may build on it ` +
        `(${leases.join(", ")}); wait for it (REPOSITORY_LOCKED)`,
    );
  });
}

async function carryOut(
  context: RepositoryContext,
  action: "prune" | "delete",
  subject: string,
  options: LongWorkOptions,
  decide: (state: PruneState) => Decision,
  about: { id?: string },
  onBusy?: (holders: string[]) => never,
): Promise<PruneReport> {
  if (context.readOnly) {
    throw new ReadOnlyError(`Cannot ${action} in ${context.name}: it was opened read-only (READ_ONLY)`);
  }
  const { signal } = options;
  const run = (): Promise<PruneReport> =>
    context.activities.run(
      { kind: "prune", subject, startedAt: context.clock() },
      options.onProgress,
      (onProgress) =>
        withLease(context, { kind: "prune", name: "prune", holder: action, signal }, (lease) =>
          new Pruning(context, lease, decide, {
            dryRun: false,
            signal,
            reporter: new ProgressReporter(onProgress),
            onBusy,
          })
            .run()),
    );
  return await audited(context, action, run, (report) => {
    const removed = report.backups.filter(({ keep }) => !keep).map((each) => each.id);
    return {
      backups: removed.length,
      removed: removed.length > SHOWN ? `${removed.slice(0, SHOWN).join(" ")} ...` : removed.join(" "),
      logObjects: report.logObjects,
      objects: report.objects,
      freedBytes: report.freedBytes,
      pendingBytes: report.pendingBytes,
    };
  }, { ...about });
}

/** Backups named in a line of the audit log, which must stay small. */
const SHOWN = 100;

/** Keeps whatever restores: a policy of which nothing is ever too old. */
const KEEP_ALL: CheckedPolicy = {
  keepLast: Number.MAX_SAFE_INTEGER,
  keepHourly: 0,
  keepDaily: 0,
  keepWeekly: 0,
  keepMonthly: 0,
  keepYearly: 0,
  keepWithin: Number.MAX_SAFE_INTEGER,
  maxBackups: Infinity,
  maxBytes: Infinity,
};

function planDelete(context: RepositoryContext, { plan, pins }: PruneState, id: string): Decision {
  const backup = plan.backups.find((each) => each.id === id);
  if (backup === undefined) {
    throw new NotFoundError(`Cannot delete backup ${id}: ${context.name} has none of that id; see list() (NOT_FOUND)`);
  }
  const refuse = (why: string): HoldfastError =>
    new HoldfastError("NEEDED", `Cannot delete backup ${id} of ${context.name}: ${why} (NEEDED)`);
  if (pins.has(id)) throw refuse("it is pinned; unpin it first");
  const children = plan.backups.filter(({ parentId }) => parentId === id).map((each) => each.id);
  if (children.length === 1) throw refuse(`${children[0]} builds on it; delete that first`);
  if (children.length > 1) throw refuse(`${children.join(", ")} build on it; delete those first`);
  const backups = plan.backups.filter((each) => each !== backup);
  const left = planPrune({ ...plan, backups }, KEEP_ALL, { now: context.clock(), timeZone: context.timeZone });
  // Log that no backup came before may be that of the first one, which is being made. Not here, where one has been.
  const last = !backups.some(({ database }) => database === backup.database);
  const own = new Set(plan.log.filter(({ database }) => last && database === backup.database).map(({ key }) => key));
  return {
    backups: plan.backups.map((each) => ({
      id: each.id,
      keep: each !== backup,
      reasons: [each === backup ? "deleted by its id" : "was not asked for"],
    })),
    log: left.log.map((each) =>
      own.has(each.key) ? { ...each, keep: false, reasons: ["its database has no backup any more"] } : each
    ),
  };
}
