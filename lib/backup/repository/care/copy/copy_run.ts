/**
 * One run of a copy: from what is wanted to the documents of the target.
 *
 * @module
 */
import { throwIfAborted } from "../../../../base/abort.ts";
import type { ProgressReporter } from "../../../../base/progress.ts";
import type { BackupDocument, BackupLog } from "../../../../format/repository/backup_document.ts";
import type { ArchivedIngest, ArchiveGap, HeadDocument } from "../../../../format/repository/head_document.ts";
import { indexBackups, knownObjects, readBackup, readMarks, readPins } from "../../core/catalog.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { writeDocument } from "../../core/documents.ts";
import { historyOf, readFacts, type RepositoryFacts } from "../../restoring/facts.ts";
import { countedIngests, type Head, newHead, readHead, REPAIR_WRITER, switchHead } from "../../log/heads.ts";
import { backupKey, headKey, pinKey } from "../../core/layout.ts";
import { keepFound } from "../../core/objects.ts";
import type { Lease } from "../../core/lease.ts";
import { forkEnds } from "../../log/fork_ends.ts";
import { LogIndex, type LogObject } from "../../log/log_chain.ts";
import type { KnownObjects } from "../../making/place.ts";
import { runPool, SMALL_REQUESTS } from "../../core/pool.ts";
import { giveUp } from "../../core/given_up.ts";
import { again } from "../../core/again.ts";
import { copyBases } from "./copy_bases.ts";
import { CopyLeases } from "./copy_leases.ts";
import type { CopyReport } from "./copy_report.ts";
import {
  type BackupPair,
  chainsOf,
  type CopyWish,
  headEnds,
  type HistoryWish,
  idTaken,
  isSameBackup,
  partBackups,
  walksOf,
  withCounted,
} from "./copy_plan.ts";
import {
  countsNothing,
  diverged,
  headBeforeLog,
  type HeadRelation,
  holes,
  type LogStretchInfo,
  mergeHeads,
  relateHeads,
} from "./head_relation.ts";
import { beingDeleted, copyLog, logHeadOf, type LogPart } from "./log_copier.ts";
import { logIndexes, partsOf } from "./log_parts.ts";
import { ObjectCopier, pairFiles } from "./object_copier.ts";
import { gapAround } from "./stray_log.ts";

/** What a run is given. */
export interface CopyRunOptions {
  /** What is wanted. */
  wish: CopyWish;
  /** Counts bytes and objects. */
  reporter: ProgressReporter;
  /** Of both sides, renewed as work goes on. */
  leases: readonly Lease[];
  /** Added to. */
  report: CopyReport;
  /** Gives up. */
  signal: AbortSignal | undefined;
}

/** A history to be copied, held against the target's. */
interface HistoryCopy {
  wish: HistoryWish;
  target: Head | undefined;
  /** That head, unless an earlier copy was cut off before it counted anything. */
  counted: HeadDocument | undefined;
  relation: HeadRelation | undefined;
  parts: LogPart[];
  /** The target's log before; also what leads to a backup that the source has lost: that is no gap there. */
  held: (ReturnType<typeof walksOf>[number] & { maxTimestamp?: number })[];
  /** Log that lies in the target, and that neither its documents nor the source know. */
  strays: LogObject[];
  /** What of its log will lie there. */
  beside: LogObject[];
  /** What joined it without its log, with the target's objects. */
  ingests: ArchivedIngest[];
}

/** One run. */
export class CopyRun {
  readonly #from: RepositoryContext;
  readonly #to: RepositoryContext;
  readonly #options: CopyRunOptions;
  readonly #leases: CopyLeases;
  #copier!: ObjectCopier;
  #marked: ReadonlySet<string> = new Set();

  /** Nothing is read before `run`. */
  constructor(from: RepositoryContext, to: RepositoryContext, options: CopyRunOptions) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
    this.#leases = new CopyLeases(options.leases, to);
  }

  /** Copies. */
  async run(): Promise<void> {
    const { wish, reporter, report, signal } = this.#options;
    // A second plan meets what the first one brought.
    report.reused = 0;
    // Before the manifests are listed: one that was marked and is gone by then is not listed either.
    const going = new Set((await readMarks(this.#to)).flatMap(({ keys }) => keys));
    const target = await readFacts(this.#to);
    const comparable = this.#from.ring === undefined && this.#to.ring === undefined;
    const { fresh, there } = partBackups(
      { name: this.#from.name, backups: wish.backups },
      { name: this.#to.name, backups: target.backups },
      comparable,
    );
    const known = await knownObjects(this.#to, target.backups, false);
    const { marked } = known;
    this.#marked = marked;
    // What builds on others needs those that are there already.
    const needed = fresh.some(({ base }) => base === null) ? [...fresh, ...there.map((pair) => pair.target)] : fresh;
    for (const { id } of needed) if (going.has(backupKey(id))) throw beingDeleted(this.#to, backupKey(id));
    const histories: HistoryCopy[] = [];
    for (const history of wish.histories) histories.push(await this.#compare(history, target, there));
    const pins = await this.#missingPins();
    this.#prepareObjects(known, target, there);
    const bases = fresh.filter(({ base }) => base !== null);
    const files = bases.flatMap(({ base }) => base!.files);
    const ingested = histories.flatMap(({ wish: { head } }) => head?.ingests.flatMap((each) => each.files) ?? []);
    const log = histories.flatMap(({ parts }) => parts);
    reporter.start("copy", {
      totalBytes: [...files, ...ingested].reduce((sum, { size }) => sum + size, 0) +
        log.reduce((sum, { object }) => sum + object.size, 0),
      totalItems: files.length + ingested.length + log.length,
    });
    try {
      const done = async (): Promise<void> => {
        reporter.add(0, 1);
        await this.#touch();
      };
      await copyBases(this.#to, bases, {
        copier: this.#copier,
        done,
        publish: (backup, copied) => this.#publish(backup, this.#sealed(backup, copied), pins),
      });
      for (const history of histories) {
        history.ingests = await this.#copier.copyIngests(history.wish.head?.ingests ?? [], done);
        history.target = await this.#announce(history);
      }
      await this.#copyLogs(log);
      for (const history of histories) await this.#copyHead(history);
      // Gone in the source, where another base leads to what was built on them.
      const ids = new Set([null, ...[...wish.backups, ...target.backups].map(({ id }) => id)]);
      await giveUp(this.#to, fresh.filter((one) => !ids.has(one.parentId)).map((one) => backupKey(one.parentId!)));
      const indexOf = logIndexes(this.#to);
      await runPool(chainsOf(fresh.filter(({ base }) => base === null)), SMALL_REQUESTS, async (chain) => {
        for (const backup of chain) await this.#publish(backup, await this.#withoutBase(backup, indexOf), pins);
      });
      for (const { source } of there) await this.#pin(source.id, pins);
      await this.#leases.assertHeld();
      // In a directory one stands for all that lie beside it.
      const last = there.at(-1)?.target.id;
      if (last !== undefined) await keepFound(this.#to, backupKey(last), signal);
      // All is there: without an index its readers only ask more often.
      await indexBackups(this.#to, report.backups.length).catch(() => {});
      reporter.finish();
    } catch (error) {
      await this.#leases.end();
      throw error;
    } finally {
      report.objects += this.#copier.made;
      report.reused += this.#copier.reused;
      report.storedBytes += this.#copier.storedBytes;
    }
  }

  /** Holds a history against the target's. Histories that went apart are an error before anything is written. */
  async #compare(wish: HistoryWish, target: RepositoryFacts, there: readonly BackupPair[]): Promise<HistoryCopy> {
    const { database, lineage } = wish;
    const found = await readHead(this.#to, database, lineage);
    const index = target.logs.get(historyOf(database, lineage));
    const counted = found === undefined || countsNothing(found.body) ? undefined : found.body;
    const head = wish.head && withCounted(wish.head, counted);
    let relation: HeadRelation | undefined;
    if (head !== undefined && counted !== undefined) {
      const source = { context: this.#from, head, index: new LogIndex(wish.log) };
      const other = { context: this.#to, head: counted, index };
      relation = await relateHeads(source, other, this.#options.signal);
      if (relation === "diverged") throw diverged(source, other);
    }
    const own = [...(counted === undefined ? [] : headEnds(counted)), ...forkEnds(target, database, lineage)];
    const heldBy = (backups: readonly BackupDocument[]): ReturnType<typeof walksOf> => {
      const mine = backups.filter((backup) => backup.database === database && backup.lineage === lineage);
      const ends = mine.flatMap(({ log }) => log === null ? [] : [{ version: log.to, chain: log.chain }]);
      return walksOf(index, [...own, ...ends], this.#marked);
    };
    const same = heldBy(there.map((pair) => pair.target));
    const lying = index?.objects.filter(({ key }) => !this.#marked.has(key)) ?? [];
    const sides = { from: this.#from, to: this.#to, signal: this.#options.signal };
    const parts: LogPart[] = [];
    for (const [i, object] of wish.log.entries()) {
      const lacking = await partsOf(sides, object, wish.log[i - 1], same, lying);
      if (lacking.length === 0) this.#options.report.reused++;
      parts.push(...lacking);
    }
    const held = heldBy(target.backups);
    const strays = this.#strays(wish, index, held);
    const beside = [...index?.objects ?? [], ...wish.log];
    return { wish: { ...wish, head }, target: found, counted, relation, parts, held, strays, beside, ingests: [] };
  }

  /** An earlier copy was cut off behind these, and the source has let go of them since. */
  #strays({ head, log }: HistoryWish, index: LogIndex | undefined, held: HistoryCopy["held"]): LogObject[] {
    const known = [...held, ...log.map(({ first, last }) => ({ from: first, to: last }))];
    return (index?.objects ?? []).filter(({ key, first, last }) =>
      last <= (head?.version ?? 0) && !this.#marked.has(key) && holes(first, last, known).length > 0
    );
  }

  /** Pins of the source that the target lacks. */
  async #missingPins(): Promise<Set<string>> {
    const theirs = await readPins(this.#to);
    const pins = await readPins(this.#from);
    return new Set([...pins].filter((id) => !theirs.has(id)));
  }

  #prepareObjects(known: KnownObjects, target: RepositoryFacts, there: readonly BackupPair[]): void {
    const { reporter, signal, wish } = this.#options;
    // Who shares with a full backup in the source does so in the target. Nobody else, however often a copy is cut off.
    const fulls = new Set(
      target.backups.flatMap(({ type, base }) => type === "full" ? base?.files.map(({ object }) => object) ?? [] : []),
    );
    const shareable = new Map([...known.shareable].filter(([, { object }]) => !fulls.has(object)));
    const copier = this.#copier = new ObjectCopier(this.#from, this.#to, { ...known, shareable }, {
      onBytes: (count) => reporter.add(count),
      signal,
    });
    for (const { source, target } of there) pairFiles(copier, source.base, target.base);
    for (const { database, lineage, head } of wish.histories) {
      const theirs = target.heads.find((each) => each.database === database && each.lineage === lineage);
      const listed = theirs === undefined ? [] : countedIngests(theirs);
      for (const { version, files } of head?.ingests ?? []) {
        const ingest = listed.find((each) => each.version === version);
        for (const { kind, number, object } of files) {
          const same = ingest?.files.find((file) => file.kind === kind && file.number === number);
          if (same !== undefined) copier.same(object, same.object, same.stored);
        }
      }
    }
  }

  async #touch(): Promise<void> {
    await this.#leases.touch();
    throwIfAborted(this.#options.signal);
  }

  #sealed(backup: BackupDocument, changes: Partial<BackupDocument>): BackupDocument {
    const compression = this.#to.compression ?? backup.compression;
    return { ...backup, compression, encrypted: this.#to.ring !== undefined, ...changes };
  }

  /** An incremental backup: its log is there, and takes what it takes there. */
  async #withoutBase(backup: BackupDocument, indexOf: ReturnType<typeof logIndexes>): Promise<BackupDocument> {
    if (backup.log === null) return this.#sealed(backup, {});
    const { from, to, chain } = backup.log;
    const bytes = (await indexOf(backup)).walkBack({ version: to, chain }, from).objects.reduce(
      (sum, { size }) => sum + size,
      0,
    );
    const log: BackupLog = { ...backup.log, bytes };
    return this.#sealed(backup, { log, storedBytes: bytes, addedBytes: bytes });
  }

  /** Writes a manifest: from here on the target has the backup. */
  async #publish(source: BackupDocument, body: BackupDocument, pins: ReadonlySet<string>): Promise<void> {
    await this.#leases.beforeBackup();
    throwIfAborted(this.#options.signal);
    const put = await writeDocument(this.#to, "backup", backupKey(body.id), body, { ifAbsent: true });
    if (put !== undefined) this.#leases.published(body.id);
    else {
      // Ours, when only the answer was lost, or when a list lacked what an earlier plan of this copy has put.
      const found = await readBackup(this.#to, body.id);
      if (found === undefined) throw beingDeleted(this.#to, backupKey(body.id));
      if (!isSameBackup(found, body)) throw idTaken(body.id, this.#from.name, this.#to.name);
    }
    this.#options.report.backups.push(body.id);
    await this.#pin(source.id, pins);
  }

  async #pin(id: string, pins: ReadonlySet<string>): Promise<void> {
    if (!pins.has(id)) return;
    await this.#to.store.put(pinKey(id), new Uint8Array(0), { ifAbsent: true });
    this.#leases.pinned(id);
  }

  /**
   * A head is there before the log that it will count, and nobody's while that comes: log that a copy leaves which is cut off
   * does not look as if a head were lost, or an older one had been put back. And it lists what joined without log before it
   * counts that, and before log brings commits again that it counts and has let go.
   */
  async #announce(
    { wish: { head, log: [first] }, target, parts, held, ingests }: HistoryCopy,
  ): Promise<Head | undefined> {
    if (head === undefined || first === undefined) return target;
    const { database, lineage, parents } = head;
    const body = target === undefined
      ? {
        ...newHead({ database, lineage, parents, writer: REPAIR_WRITER }, first.first - 1, 0),
        chain: (await this.#logHead(this.#from, first)).previous,
        ingests,
      }
      : headBeforeLog(target.body, parts.map(({ object }) => object), ingests, head.gaps, held);
    if (body === target?.body) return target;
    await this.#leases.assertHeld();
    return await switchHead(this.#to, target ?? { body, etag: undefined }, body);
  }

  async #copyLogs(parts: readonly LogPart[]): Promise<void> {
    const { reporter, report, signal } = this.#options;
    await runPool(parts, this.#to.concurrency, async (part) => {
      throwIfAborted(signal);
      const { made, storedBytes } = await copyLog(this.#from, this.#to, part, this.#marked, signal);
      report.storedBytes += storedBytes;
      if (made) report.logObjects++;
      else report.reused++;
      reporter.add(part.object.size, 1);
      await this.#touch();
    });
  }

  async #copyHead({ wish, target, counted, relation, held, strays, beside, ingests }: HistoryCopy): Promise<void> {
    if (wish.head === undefined) return;
    const source: HeadDocument = { ...wish.head, ingests };
    const stretches = await this.#stretches(wish, counted?.version);
    for (const one of held) {
      const last = one.objects.at(-1)!;
      const isInGap = source.gaps.some(({ from, to }) => from <= one.to && one.to < to);
      if (isInGap && last.last === one.to) {
        one.maxTimestamp = (await this.#logHead(this.#to, last)).maxTimestamp;
      }
    }
    const known = new Set([...ingests, ...(counted?.ingests ?? [])].map(({ version }) => version));
    const lost: ArchiveGap[] = [];
    for (const stray of strays) lost.push(...await gapAround(this.#to, stray, known, beside, this.#options.signal));
    const merged = mergeHeads({ source, target: counted, relation, stretches, held, strays: lost });
    const isSame = target !== undefined && JSON.stringify(merged) === JSON.stringify(target.body);
    if (isSame && target.body === counted) {
      if (await keepFound(this.#to, headKey(merged.database, merged.lineage), this.#options.signal)) return;
    }
    await this.#leases.assertHeld();
    // What was announced alone is written as another: a pruning that looked for log before that came is to change nothing now.
    const body = isSame ? { ...merged, epoch: merged.epoch + 1 } : merged;
    await switchHead(this.#to, target ?? { body, etag: undefined }, body);
  }

  #logHead(context: RepositoryContext, object: LogObject): ReturnType<typeof logHeadOf> {
    const { signal } = this.#options;
    return again(this.#to, signal, () => logHeadOf(context, object, signal));
  }

  /** The unbroken stretches of a history's log; times are read beside holes that the head must note. */
  async #stretches({ log, head }: HistoryWish, behind: number | undefined): Promise<LogStretchInfo[]> {
    const stretches: (LogStretchInfo & { first: LogObject; last: LogObject })[] = [];
    for (const object of log) {
      const open = stretches.at(-1);
      if (open === undefined || object.first > open.to + 1) {
        stretches.push({
          from: object.first,
          to: object.last,
          chain: object.chain,
          minTimestamp: 0,
          first: object,
          last: object,
        });
      } else if (object.last > open.to) {
        Object.assign(open, { to: object.last, chain: object.chain, last: object });
      }
    }
    if (behind === undefined) return stretches;
    const timesOf = (object: LogObject): ReturnType<typeof logHeadOf> => this.#logHead(this.#from, object);
    for (const stretch of stretches) {
      if (stretch.from > behind + 1) stretch.minTimestamp = (await timesOf(stretch.first)).minTimestamp;
      const isNewest = stretch.to === head?.version;
      stretch.maxTimestamp = isNewest ? head.timestamp : (await timesOf(stretch.last)).maxTimestamp;
    }
    return stretches;
  }
}
