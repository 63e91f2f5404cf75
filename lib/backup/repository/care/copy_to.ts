/**
 * A copy of a repository's backups in another one: in another kind of store, under other keys, compressed otherwise.
 *
 * ```
 * plan ─► objects and manifests of complete backups ─► heads of nobody's ─► log ─► heads ─► manifests of incremental backups
 * ```
 *
 * (1) What a document of the target names is there, whole and read back, before the document is.
 * (2) Ids and histories are compared before anything is written: a copy that can't be finished leaves nothing.
 * (3) Interrupted, it goes on where it was: what lies there is read, checked and used.
 * (4) A second copy sends what is new. Nothing in the target is removed or replaced but a head by a later one of its chain.
 *
 * @module
 */
import { DecryptionError, NotFoundError, ReadOnlyError } from "../../../base/errors.ts";
import { throwIfAborted } from "../../../base/abort.ts";
import type { OnProgress } from "../../../base/progress.ts";
import { ProgressReporter } from "../../../base/progress.ts";
import { withPartial } from "../../partial.ts";
import { audited } from "../core/audit.ts";
import type { RepositoryContext } from "../core/context.ts";
import type { CopyOptions, CopyReport } from "./copy/copy_report.ts";
import { CopyRun } from "./copy/copy_run.ts";
import { wishAll, wishChosen } from "./copy/copy_plan.ts";
import { MisfitError } from "./copy/log_copier.ts";
import type { RepositoryFacts } from "../restoring/facts.ts";
import { assertHeadsListed, assertLogListed, readSource, UnsettledError, withTimes } from "./copy/source_facts.ts";
import { PART } from "../core/layout.ts";
import { HeadTouchedError } from "../log/heads.ts";
import { type Lease, withLease } from "../core/lease.ts";
import { withReaderLease } from "../restoring/source.ts";

export type { CopyOptions, CopyReport } from "./copy/copy_report.ts";

/** How often a copy plans anew when log is merged under its hands, or a stray object of log was met. */
const PLANS_MAX = 20;

/**
 * Copies backups, their log, heads and pins. A damaged object of the source is an `IntegrityError` that names it; an id that
 * another backup has in the target is an `ExistsError`, a history that went on there by itself a `LineageError`.
 */
export async function copyRepository(
  from: RepositoryContext,
  to: RepositoryContext,
  options: CopyOptions,
): Promise<CopyReport> {
  assertCopyable(from, to);
  throwIfAborted(options.signal);
  const activity = (subject: string, context: RepositoryContext): Parameters<typeof context.activities.run>[0] => ({
    kind: "copy",
    subject,
    startedAt: context.clock(),
  });
  const run = (onProgress: OnProgress): Promise<CopyReport> =>
    withReaderLease(
      from,
      "copy",
      to.name,
      (lease) => copyUnderLease(from, to, options, onProgress, lease),
      options.signal,
    );
  return await audited(
    from,
    "copy",
    () =>
      audited(
        to,
        "copy",
        () =>
          from.activities.run(activity(to.name, from), options.onProgress, (onProgress) =>
            to.activities.run(activity(from.name, to), onProgress, run)),
        detailOf,
        { from: from.id },
      ),
    detailOf,
    { to: to.id },
  );
}

function detailOf({ backups, objects, logObjects, storedBytes, durationMs }: CopyReport): Record<string, number> {
  return { backups: backups.length, objects, logObjects, storedBytes, durationMs: Math.round(durationMs) };
}

function assertCopyable(from: RepositoryContext, to: RepositoryContext): void {
  if (from.id === to.id) throw new TypeError(`copyTo: ${from.name} and ${to.name} are one repository; choose another`);
  for (const { keyless, name } of [from, to]) {
    if (keyless) {
      throw new DecryptionError(
        `Cannot copy from ${from.name} to ${to.name}: ${name} is opened without its key; open it with its key (DECRYPTION)`,
      );
    }
  }
  if (to.readOnly) {
    throw new ReadOnlyError(
      `Cannot copy into ${to.name}: it is opened read-only; open it without option "readOnly" (READ_ONLY)`,
    );
  }
}

async function copyUnderLease(
  from: RepositoryContext,
  to: RepositoryContext,
  options: CopyOptions,
  onProgress: OnProgress,
  lease: Lease,
): Promise<CopyReport> {
  const started = to.monotonic();
  const reporter = new ProgressReporter(onProgress);
  const report: CopyReport = { backups: [], objects: 0, logObjects: 0, storedBytes: 0, reused: 0, durationMs: 0 };
  reporter.start("plan");
  const facts = await readSettled(from);
  // One at a time with backups of the same database there: both look for objects that nobody refers to.
  const databases = [...new Set([...facts.backups, ...facts.heads].map(({ database }) => database))].sort();
  await withPartial(
    reporter,
    () =>
      withLeases(
        to,
        databases,
        from.name,
        [lease],
        options.signal,
        (leases) => copyFacts(from, to, facts, options, reporter, leases, report),
      ),
  );
  report.durationMs = to.monotonic() - started;
  return report;
}

async function withLeases(
  to: RepositoryContext,
  databases: readonly string[],
  holder: string,
  held: Lease[],
  signal: AbortSignal | undefined,
  work: (leases: Lease[]) => Promise<void>,
): Promise<void> {
  const [database, ...others] = databases;
  if (database === undefined) return await work(held);
  const lease = { kind: "backup", name: `backup-${database}`, holder: `copy from ${holder}`, signal };
  await withLease(to, lease, (one) => withLeases(to, others, holder, [...held, one], signal, work));
}

async function copyFacts(
  from: RepositoryContext,
  to: RepositoryContext,
  first: RepositoryFacts,
  options: CopyOptions,
  reporter: ProgressReporter,
  leases: Lease[],
  report: CopyReport,
): Promise<void> {
  const avoid = new Set<string>();
  const seen = new Set<string>();
  let facts = first;
  for (let plans = 1;; plans++) {
    const { backups, signal } = options;
    try {
      if (backups === undefined) assertLogListed(from, facts, avoid);
      const wish = backups === undefined
        ? wishAll(facts, avoid)
        : await withTimes(from, wishChosen(from.name, facts, backups, avoid), signal);
      assertHeadsListed(from, facts, wish);
      return await new CopyRun(from, to, { wish, reporter, leases, report, signal }).run();
    } catch (error) {
      if (plans === PLANS_MAX || !(isPlannable(error, avoid) || isNew(error, seen))) throw error;
    }
    reporter.start("plan");
    facts = await readSettled(from);
  }
}

/** The facts of a source whose listing is whole; the same key missing twice is an error. */
async function readSettled(from: RepositoryContext): Promise<RepositoryFacts> {
  const seen = new Set<string>();
  for (let tries = 1;; tries++) {
    try {
      return await readSource(from);
    } catch (error) {
      if (tries === PLANS_MAX || !isNew(error, seen)) throw error;
    }
  }
}

/** Whether a listing lacks something that another one may have: twice the same is missing. */
function isNew(error: unknown, seen: Set<string>): boolean {
  if (!(error instanceof UnsettledError) || seen.has(error.message)) return false;
  seen.add(error.message);
  return true;
}

/**
 * Whether another plan may do better: log that vanished was merged, log that does not fit has another in its place, a head of
 * the target was touched by a pruning there.
 */
function isPlannable(error: unknown, avoid: Set<string>): boolean {
  if (error instanceof HeadTouchedError) return true;
  if (error instanceof MisfitError && !avoid.has(error.misfit)) {
    avoid.add(error.misfit);
    return true;
  }
  if (!(error instanceof NotFoundError) || error.path?.startsWith(PART.log) !== true || avoid.has(error.path)) {
    return false;
  }
  // The same name twice: it is no merge, it is missing.
  avoid.add(error.path);
  return true;
}
