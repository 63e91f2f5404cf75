/**
 * One pruning, from what there is to what stays.
 *
 * ```
 * decide ─► mark manifests ─► decide again ─► manifests go, children first
 *        ─► mark log       ─► needed by none of the manifests there are now ─► log goes, and what heads keep for it
 *        ─► mark objects   ─► referred to by none of the manifests and heads there are now ─► objects go
 *        ─► marks, and the pins and proofs of what is gone
 * ```
 *
 * (1) Nothing goes unless every listing it rests on was whole, and every manifest and head could be read.
 * (2) At every moment each listed backup restores: what needs something goes before what it needs.
 * (3) Log beyond its head may be on its way in, and is left alone.
 * (4) What was seen once is missed when a later listing lacks it: a store that shows a part is not believed. Nor is it when a
 *     later listing has what needs a manifest that went; that one is put back.
 *
 * @module
 */
import { throwIfAborted } from "../../../base/abort.ts";
import { HoldfastError } from "../../../base/errors.ts";
import { ProgressReporter } from "../../../base/progress.ts";
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import { parseObjectPath } from "../../../format/repository/object_name.ts";
import type { ObjectInfo } from "../../../storage/object_store.ts";
import type { RepositoryContext } from "../core/context.ts";
import { allKeys, writeDocument } from "../core/documents.ts";
import { giveUp } from "../core/given_up.ts";
import { historyOf } from "../restoring/facts.ts";
import { withCopies } from "./copies.ts";
import { cleanUpStore, Collector, type Marked } from "./gc.ts";
import { backupKey, objectKey, PART, pinKey } from "../core/layout.ts";
import type { Lease } from "../core/lease.ts";
import { logDuplicates } from "../log/log_duplicates.ts";
import { mergeLeftLog } from "../log/merge.ts";
import {
  assertAllThere,
  assertNotPinned,
  notListed,
  pinnedByKey,
  type PruneState,
  readPruneState,
  without,
  withoutLog,
} from "./prune_facts.ts";
import { type RecoveryRange, recoveryRanges } from "../restoring/recovery_points.ts";
import type { LogFact } from "./retention/facts.ts";
import type { PlannedBackup, PlannedLog } from "./retention.ts";
import { childrenFirst, keepParents, namedByOthers } from "./parents.ts";
import { neededLog, strandedLog } from "./retention/needed_log.ts";
import { unrestorable } from "./left_points.ts";
import { keepVouching, VOUCHES, withoutSpared } from "./spared_log.ts";
import { tellPruned, trimHead } from "../log/trim_head.ts";

/** What pruning kept and removed. */
export interface PruneReport {
  /** Every backup there was, whether it stays, and why. */
  backups: { id: string; keep: boolean; reasons: string[] }[];
  /** Every object of archived log there was, whether it stays, and why. */
  log: { key: string; keep: boolean; reasons: string[] }[];
  /** What can be restored before and after: every version inside a range restores exactly. */
  points: { before: RecoveryRange[]; after: RecoveryRange[] };
  /** Log objects that were removed. */
  logObjects: number;
  /** Objects that were removed. */
  objects: number;
  /** Bytes that became free. */
  freedBytes: number;
  /** Bytes of objects that are marked and go with a later pruning, because someone may still use them. */
  pendingBytes: number;
  /** Whether nothing was changed. */
  dryRun: boolean;
}

/** What is to go. */
export interface Decision {
  /** Every backup. */
  backups: PlannedBackup[];
  /** Every object of archived log. */
  log: PlannedLog[];
}

/** How a pruning runs. */
export interface PruningOptions {
  /** Writes nothing. */
  dryRun: boolean;
  /** Counts what is gone. */
  reporter?: ProgressReporter | undefined;
  /** Gives up. */
  signal?: AbortSignal | undefined;
  /** Called when a backup is being made of a database of which one was to go; without it that one stays. */
  onBusy?: ((holders: string[]) => never) | undefined;
}

/** One pruning; `decide` is asked again when the manifests may have changed. */
export class Pruning {
  readonly #context: RepositoryContext;
  readonly #lease: Lease;
  readonly #decide: (state: PruneState) => Decision;
  readonly #options: PruningOptions;
  readonly #reporter: ProgressReporter;
  readonly #pending = new Set<string>();
  readonly #copies = new Map<string, boolean>();
  readonly #report: PruneReport;
  #collector!: Collector;
  #first!: PruneState;

  /** Under the lease `prune`; a dry run without one. */
  constructor(
    context: RepositoryContext,
    lease: Lease,
    decide: (state: PruneState) => Decision,
    options: PruningOptions,
  ) {
    this.#context = context;
    this.#lease = lease;
    this.#decide = decide;
    this.#options = options;
    this.#reporter = options.reporter ?? new ProgressReporter(undefined);
    const counts = { logObjects: 0, objects: 0, freedBytes: 0, pendingBytes: 0 };
    this.#report = { backups: [], log: [], points: { before: [], after: [] }, ...counts, dryRun: options.dryRun };
  }

  /** Runs it. */
  async run(): Promise<PruneReport> {
    const collector = this.#collector = await Collector.begin(this.#context, this.#lease, this.#options.dryRun);
    this.#reporter.start("plan");
    try {
      throwIfAborted(this.#options.signal);
      const first = this.#first = await this.#withCopies(await readPruneState(this.#context));
      const duplicates = await logDuplicates(this.#context, first.facts, this.#options.signal);
      const gone = await this.#backups(first);
      await this.#log(gone, duplicates);
      await this.#objects(gone);
      await this.#leftovers(gone);
      await collector.finish(this.#pending);
      if (!this.#options.dryRun) {
        await mergeLeftLog(this.#context, first.facts, this.#options.signal);
        await collector.cleanUp();
        await cleanUpStore(this.#context, this.#options.signal);
      }
      this.#reporter.finish();
      return this.#report;
    } catch (error) {
      // Nothing was touched yet, so nothing needs to stay marked.
      if (!collector.deleting) await collector.withdraw().catch(() => {});
      throw error;
    }
  }

  /** What there is now; what was there at first and is not gone must be in it. */
  async #state(gone: ReadonlySet<string>): Promise<PruneState> {
    throwIfAborted(this.#options.signal);
    await this.#lease.touch();
    const state = await readPruneState(this.#context, this.#first);
    assertAllThere(this.#context, this.#first, state, gone);
    // A dry run only imagines that they are gone.
    return without(state, gone);
  }

  async #withCopies(state: PruneState): Promise<PruneState> {
    return await withCopies(this.#context, this.#copies, state, this.#decide);
  }

  /** Decides, marks, decides again, and deletes manifests; says which are gone. */
  async #backups(first: PruneState): Promise<Set<string>> {
    const going = goingBackups(this.#decide(first));
    let state = first;
    const freed = new Set<string>();
    let vouching: ReadonlySet<string> = new Set();
    if (going.size > 0) {
      const { leases } = await this.#collector.mark([...going].map(backupKey));
      const pinned = await pinnedByKey(this.#context, going);
      state = await this.#withCopies(await this.#state(freed));
      const decision = this.#decide(state);
      const still = goingBackups(decision);
      for (const { id, database } of state.plan.backups) {
        if (!going.has(id) || !still.has(id)) continue;
        const busy = leases.filter(({ name }) => name === BACKUP_LEASE + database);
        if (busy.length === 0) freed.add(id);
        else this.#options.onBusy?.(busy.map(({ body }) => body.holder));
      }
      keepParents(state, freed);
      // What is deleted by its id goes.
      if (this.#options.onBusy === undefined) vouching = keepVouching(state, decision.log, freed);
      await assertNotPinned(this.#context, [...freed].filter((id) => pinned.has(id)));
    }
    this.#tell(first, state, freed, vouching);
    const broken = unrestorable(state, without(state, freed))?.id;
    if (broken !== undefined) throw wouldBreak(this.#context, broken, "nothing was deleted");
    if (!this.#options.dryRun) await giveUp(this.#context, namedByOthers(state, freed).map(backupKey));
    await this.#lease.assertHeld(freed.size > 0);
    if (!this.#options.dryRun) this.#reporter.start("delete");
    for (const group of childrenFirst(state, freed)) {
      await this.#deleteAll(group.map((id) => ({ key: backupKey(id), size: state.sizes.get(backupKey(id)) ?? 0 })));
    }
    return freed;
  }

  /** What becomes of each backup, and whether all that stay restore as before. */
  #tell(first: PruneState, state: PruneState, freed: ReadonlySet<string>, vouching: ReadonlySet<string>): void {
    const decision = this.#decide(state);
    this.#report.backups = decision.backups.map((each) =>
      each.keep || freed.has(each.id) ? each : {
        ...each,
        keep: true,
        reasons: [
          ...each.reasons,
          vouching.has(each.id) ? VOUCHES : "stays this time: a backup that may build on it is being made",
        ],
      }
    );
    this.#report.log = decision.log;
    this.#report.points.before = recoveryRanges(first.facts);
  }

  /** Deletes archived log that nothing needs; `duplicates` as `logDuplicates` found them. */
  async #log(gone: ReadonlySet<string>, duplicates: ReadonlyMap<string, string>): Promise<void> {
    const told = new Map(this.#report.log.map((each) => [each.key, each]));
    for (const [key, larger] of duplicates) {
      const each = told.get(key);
      if (each?.keep !== true || told.get(larger)?.keep !== true) continue;
      each.keep = false;
      each.reasons = [`all of it is in ${larger}`];
    }
    for (const key of strandedLog((await this.#state(gone)).plan)) {
      const each = told.get(key);
      if (each?.keep !== true) continue;
      each.keep = false;
      each.reasons = ["its history has no base any more"];
    }
    const wanted = new Set(this.#report.log.filter(({ keep }) => !keep).map(({ key }) => key));
    const marked = wanted.size === 0 ? undefined : await this.#collector.mark(wanted);
    for (let tries = 1;; tries++) {
      const state = await this.#state(gone);
      const going = withoutSpared(state, goingLog(state, wanted, duplicates));
      const after = withoutLog(state, new Set(going.map(({ key }) => key)));
      const broken = unrestorable(this.#first, after)?.id;
      if (broken === undefined) {
        this.#report.points.after = recoveryRanges(after.facts);
        await this.#tellHeads(going.filter(({ key }) => marked?.free.has(key) === true && !duplicates.has(key)));
        await this.#deleteLog(going, marked, told);
        return;
      }
      // Merging moves log while it is listed; what was between two places then is seen by the next look.
      if (tries < LOOKS) continue;
      await this.#putBack(gone);
      const listed = this.#first.facts.backups.some(({ id }) => id === broken);
      if (!listed) throw notListed(this.#context, backupKey(broken));
      throw wouldBreak(this.#context, broken, "no log and no object was deleted");
    }
  }

  /** Writes the manifests again that went: by listings that lacked one that needs them, as it turned out. */
  async #putBack(gone: ReadonlySet<string>): Promise<void> {
    if (this.#options.dryRun) return;
    for (const body of this.#first.facts.backups) {
      if (!gone.has(body.id)) continue;
      await writeDocument(this.#context, "backup", backupKey(body.id), body, { ifAbsent: true });
    }
  }

  /** Notes in their heads up to where log goes: whoever finds it missing is to know that it is not lost. */
  async #tellHeads(going: readonly LogFact[]): Promise<void> {
    if (this.#options.dryRun) return;
    const pruned = new Map<string, LogFact>();
    for (const each of going) {
      const history = historyOf(each.database, each.lineage);
      if ((pruned.get(history)?.last ?? 0) < each.last) pruned.set(history, each);
    }
    for (const { database, lineage, last } of pruned.values()) await tellPruned(this.#context, database, lineage, last);
  }

  async #deleteLog(
    going: readonly LogFact[],
    marked: Marked | undefined,
    told: Map<string, PlannedLog>,
  ): Promise<void> {
    const keys = new Set(going.map(({ key }) => key));
    for (const each of told.values()) {
      if (each.keep || keys.has(each.key)) continue;
      each.keep = true;
      each.reasons = ["beyond its head, or needed by what stays"];
    }
    const free = going.filter(({ key }) => marked?.free.has(key) === true);
    if (going.length > 0) await this.#lease.assertHeld(free.length > 0);
    for (const { key, size } of going) {
      if (marked?.free.has(key) === true) continue;
      told.get(key)!.reasons.push("goes with a later pruning: someone may still use it");
      this.#postpone(key, size);
    }
    await this.#deleteAll(free);
    this.#report.logObjects += free.length;
  }

  /** Deletes objects that no manifest and no head refers to. */
  async #objects(gone: ReadonlySet<string>): Promise<void> {
    // Without a single manifest, and none deleted just now, these are rather lost than gone.
    if (gone.size === 0 && this.#first.facts.backups.length === 0) return;
    const before = await this.#references(gone);
    const listed = await allKeys(this.#context.store, PART.objects, this.#options.signal);
    const sizes = new Map<string, number>();
    for (const { key, size } of listed) {
      // Only what is named as an object is one of ours.
      const named = parseObjectPath(key.slice(PART.objects.length)) !== undefined;
      if (named && !before.has(key)) sizes.set(key, size);
    }
    if (sizes.size === 0) return;
    const { free, pending } = await this.#collector.mark(sizes.keys());
    const now = await this.#references(gone);
    await this.#lease.assertHeld(free.size > 0);
    const going: ObjectInfo[] = [];
    for (const [key, size] of sizes) {
      if (now.has(key)) continue;
      if (pending.has(key)) this.#postpone(key, size);
      if (free.has(key)) going.push({ key, size });
    }
    await this.#deleteAll(going);
    this.#report.objects += going.length;
  }

  /** The keys of objects that are referred to; heads let go of files whose log is gone. */
  async #references(gone: ReadonlySet<string>): Promise<Set<string>> {
    const state = await this.#state(gone);
    const keys = new Set<string>();
    for (const { base } of state.facts.backups) for (const { object } of base?.files ?? []) keys.add(objectKey(object));
    for (const head of state.facts.heads) {
      const trimmed = await this.#trim(state, head);
      for (const { files } of trimmed.ingests) for (const { object } of files) keys.add(objectKey(object));
    }
    return keys;
  }

  async #trim(state: PruneState, head: HeadDocument): Promise<HeadDocument> {
    const gone = this.#goneLog();
    const looks = [withoutLog(this.#first, gone), this.#options.dryRun ? withoutLog(state, gone) : state];
    const isBusy = (database: string): Promise<boolean> => this.#collector.isHeld(BACKUP_LEASE + database);
    return await trimHead(this.#context, looks.map(({ facts }) => facts), head, this.#options.dryRun, isBusy);
  }

  #goneLog(): Set<string> {
    return new Set(this.#report.log.filter(({ key, keep }) => !keep && !this.#pending.has(key)).map(({ key }) => key));
  }

  /** Pins and proofs of backups that are gone. */
  async #leftovers(gone: ReadonlySet<string>): Promise<void> {
    if (this.#options.dryRun) return;
    const { facts, pins, proofs } = await this.#state(gone);
    const there = new Set(facts.backups.map(({ id }) => id));
    const isGone = (id: string | null): boolean => id !== null && !there.has(id);
    const keys = proofs.filter(({ body }) => isGone(body.backupId)).map(({ key }) => key);
    for (const id of pins) if (isGone(id)) keys.push(pinKey(id));
    await this.#collector.deleteAll(keys, undefined);
  }

  /** Deletes what is of a kind, of which none needs another. */
  async #deleteAll(all: readonly ObjectInfo[]): Promise<void> {
    const sizes = new Map(all.map(({ key, size }) => [key, size]));
    await this.#collector.deleteAll([...sizes.keys()], this.#options.signal, (key) => {
      const size = sizes.get(key)!;
      this.#report.freedBytes += size;
      this.#reporter.add(size, 1);
    });
  }

  #postpone(key: string, size: number): void {
    this.#pending.add(key);
    this.#report.pendingBytes += size;
  }
}

/** How often log is looked at when it does not seem to fit together. */
const LOOKS = 3;

/** How the leases of backups are called, the database's id behind it. */
const BACKUP_LEASE = "backup-";

function goingBackups({ backups }: Decision): Set<string> {
  return new Set(backups.filter(({ keep }) => !keep).map(({ id }) => id));
}

/** Of the log that is to go, what no listed backup needs, and what is in its head (3). */
function goingLog(state: PruneState, wanted: ReadonlySet<string>, duplicates: ReadonlyMap<string, string>): LogFact[] {
  const needed = neededLog(state.plan);
  const there = new Set(state.plan.log.map(({ key }) => key));
  const heads = new Map(state.facts.heads.map((head) => [historyOf(head.database, head.lineage), head.version]));
  return state.plan.log.filter(({ key, database, lineage, last }) =>
    wanted.has(key) && last <= (heads.get(historyOf(database, lineage)) ?? -1) &&
    (!needed.has(key) || there.has(duplicates.get(key) ?? ""))
  );
}

function wouldBreak({ name }: RepositoryContext, id: string, done: string): HoldfastError {
  return new HoldfastError(
    "INTERNAL",
    `Cannot prune ${name}: backup ${id} would no longer restore; ${done}, run verify, and report it when that finds nothing ` +
      "(INTERNAL)",
  );
}
