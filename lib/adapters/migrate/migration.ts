/**
 * Bringing the entries of a source into a database.
 *
 * (1) Entries and the mark that says how far it has come are of one commit.
 * (2) Nothing is passed over in silence: what can't be kept ends the migration, or is counted and told with its key.
 * (3) A commit ends at a position of the source where that is possible; where one had to be made before, the mark stays
 *     behind, and what lies between is written once more by the next run, with the same result.
 *
 * @module
 */
import { throwIfAborted, untilAborted } from "../../base/abort.ts";
import {
  booleanOption,
  checkOptions,
  choiceOption,
  describeValue,
  functionOption,
  signalOption,
} from "../../base/options.ts";
import { type OnProgress, ProgressReporter } from "../../base/progress.ts";
import { Slicer } from "../../base/yield.ts";
import { DB } from "../../db/db.ts";
import type { Key } from "../../db/data/keys.ts";
import { Namespace } from "../../db/namespace.ts";
import type { AtomicOperation } from "../../db/writing/atomic.ts";
import { MigrationError } from "./errors.ts";
import { LEFT_OUT_MAX, type LeftOut, type Mark, markKey, marksOf, markValue } from "./marks.ts";
import {
  type MigrationSource,
  type OpenSource,
  reasonOf,
  showKey,
  type SourceEntry,
  type SourceItem,
} from "./source.ts";

/** Options of `migrate`. */
export interface MigrateOptions {
  /** The namespace that entries go to. Default: the database itself. */
  into?: Namespace<Key> | Namespace | Namespace<Uint8Array> | undefined;
  /** Reads all of the source and tells what would come of it; nothing is written. Default: false. */
  dryRun?: boolean | undefined;
  /** Begins anew, also when an earlier run has come to its end or part of the way. Default: false. */
  again?: boolean | undefined;
  /**
   * What becomes of entries that can't be kept: `"stop"` ends with `MigrationError` at the first one, what came before it
   * being in; `"report"` leaves them out, counts them and tells them with their keys. Default: `"stop"`.
   */
  unsupported?: "stop" | "report" | undefined;
  /** Told of each that is left out, also of those beyond the hundred that the report names. */
  onUnsupported?: ((item: LeftOut) => void) | undefined;
  /** Told how far it has come: `doneItems` entries of the source, `totalItems` where it knows. */
  onProgress?: OnProgress | undefined;
  /** Ends it with the signal's reason, on which `committed` is the count of this run's entries; the next run goes on there. */
  signal?: AbortSignal | undefined;
  /** By which entries have expired, ms since the Unix epoch. Default: `Date.now`. */
  clock?: (() => number) | undefined;
}

/** What came of a migration. Counts are those of all runs. */
export interface MigrationReport {
  /** The source's id. */
  source: string;
  /** Entries written. */
  entries: number;
  /** Of these, by earlier runs. */
  earlier: number;
  /** Bytes of keys and values, about. */
  bytes: number;
  /** Entries of the source that had expired already. */
  expired: number;
  /** Things that could not be kept and were left out. */
  unsupported: number;
  /** The first hundred of them. */
  leftOut: LeftOut[];
  /** When an earlier run had come to the end, so that this one did nothing: that time, ms since the Unix epoch. */
  doneBefore?: number;
  /** With `doneBefore`: whether the source says that it is another one than then. */
  changed?: boolean;
  /** Whether nothing was written. */
  dryRun: boolean;
  /** How long it took. */
  durationMs: number;
}

/** A commit is made once it has as many entries or bytes: enough to share its costs. */
const COMMIT_ENTRIES = 1000;
const COMMIT_BYTES = 2 ** 20;

/** Beyond this a commit is made where the source can't be gone on with, too: memory is bounded. */
const COMMIT_BYTES_MAX = 32 * 2 ** 20;
const COMMIT_ENTRIES_MAX = 20_000;

const NAMES = ["into", "dryRun", "again", "unsupported", "onUnsupported", "onProgress", "signal", "clock"];

/**
 * Brings the entries of a source into a database. What is there under the same key is replaced, all else stays.
 *
 * It may be interrupted at any time, by a kill as well: how far it came is kept in the database (namespace
 * `holdfast:migrations`) in the commits of the entries themselves, and calling it again goes on from there. Once all is in,
 * a further call does nothing, unless `again` is given. Nobody should write to the source meanwhile.
 *
 * @example
 * ```ts ignore
 * import { DB } from "@holdfast/db";
 * import { fromLevel, migrate } from "@holdfast/db/migrate";
 *
 * await using db = await DB.open("./data");
 * const { entries, earlier } = await migrate(db, fromLevel("./level-data"));
 * console.log(`${entries} entries are in, ${earlier} of them from an earlier run`);
 * ```
 */
export async function migrate(
  db: DB | DB<Uint8Array> | DB<Key>,
  source: MigrationSource,
  options?: MigrateOptions,
): Promise<MigrationReport> {
  const migration = new Migration(db as DB<Key>, source, options);
  return await migration.run();
}

class Migration {
  readonly #db: DB<Key>;
  readonly #source: MigrationSource;
  readonly #into: DB<Key> | Namespace<Key>;
  readonly #key: string;
  readonly #dryRun: boolean;
  readonly #again: boolean;
  readonly #stops: boolean;
  readonly #onUnsupported: ((item: LeftOut) => void) | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #progress: ProgressReporter;
  readonly #now: () => number;
  readonly #slicer = new Slicer(() => performance.now());
  readonly #started = performance.now();
  #mark: Mark;
  /** Whether the mark's counts are those of its position. */
  #atPosition = true;
  #operation: AtomicOperation<Key>;
  #writes: { target: AtomicOperation<Key>; entries: number; bytes: number };
  /** Entries that this run has brought in. */
  #committed = 0;

  constructor(db: DB<Key>, source: MigrationSource, options: MigrateOptions | undefined) {
    if (!(db instanceof DB)) throw new TypeError(`migrate: expected a database, not ${describeValue(db)}`);
    if (typeof source?.id !== "string" || typeof source.open !== "function") {
      throw new TypeError(`migrate: expected a source, such as fromLevel(path), not ${describeValue(source)}`);
    }
    const checked = checkOptions("migrate", options, NAMES);
    const into = checked["into"] ?? db;
    if (into !== db && !(into instanceof Namespace)) {
      throw new TypeError(`migrate: option "into" must be a namespace of the database, not ${describeValue(into)}`);
    }
    this.#db = db;
    this.#source = source;
    this.#into = into as DB<Key> | Namespace<Key>;
    this.#dryRun = booleanOption("migrate", checked, "dryRun", false);
    this.#again = booleanOption("migrate", checked, "again", false);
    this.#stops = choiceOption("migrate", checked, "unsupported", "stop", ["stop", "report"] as const) === "stop";
    this.#onUnsupported = functionOption("migrate", checked, "onUnsupported");
    this.#signal = signalOption("migrate", checked);
    this.#now = functionOption<() => number>("migrate", checked, "clock") ?? Date.now;
    this.#progress = new ProgressReporter(functionOption<OnProgress>("migrate", checked, "onProgress"));
    const path = into instanceof Namespace ? into.path : [];
    this.#key = markKey(source.id, path);
    this.#mark = this.#freshMark(path);
    // A namespace of another database is refused here, before anything is read.
    this.#operation = db.atomic();
    this.#writes = { target: this.#operation.in(this.#into), entries: 0, bytes: 0 };
  }

  async run(): Promise<MigrationReport> {
    try {
      return await this.#run();
    } catch (error) {
      // As `setMany` says it.
      if (typeof error === "object" && error !== null) Reflect.set(error, "committed", this.#committed);
      throw error;
    }
  }

  async #run(): Promise<MigrationReport> {
    throwIfAborted(this.#signal);
    const found = this.#again ? undefined : await marksOf(this.#db).get<Mark>(this.#key);
    if (found !== undefined) this.#mark = { ...found, leftOut: [...found.leftOut] };
    this.#checkPlan();
    if (found?.finishedAt !== undefined) {
      const { stamp, entries, finishedAt } = found;
      const changed = stamp !== undefined && (await this.#source.stamp?.() ?? stamp) !== stamp;
      return this.#report(entries, { doneBefore: finishedAt, changed });
    }
    // This is waited for in any case: what is still being opened would keep the next run out.
    const source = await this.#source.open();
    let earlier: number;
    try {
      const { position, into, plan } = this.#mark;
      // What came in before is given once more, and is to count once.
      if (position !== undefined && source.goesOn?.(position) === false) {
        this.#mark = { ...this.#freshMark(into), ...(plan === undefined ? {} : { plan }) };
      }
      earlier = this.#mark.entries;
      // From here on it is not done any more, also when this run ends before it has a mark of its own.
      if (this.#again && !this.#dryRun) await marksOf(this.#db).delete(this.#key);
      await this.#read(source);
    } finally {
      await source.close();
    }
    if (!this.#dryRun) {
      const stamp = await this.#source.stamp?.();
      if (stamp !== undefined) this.#mark.stamp = stamp;
      this.#mark.finishedAt = this.#now();
      this.#atPosition = true;
      await this.#commit();
      await this.#db.flush();
    }
    this.#progress.finish();
    return this.#report(earlier, {});
  }

  #freshMark(into: string[]): Mark {
    const counts = { entries: 0, bytes: 0, expired: 0, unsupported: 0, leftOut: [] };
    return { source: this.#source.id, into, ...counts, startedAt: this.#now() };
  }

  /** Refuses to read the rest in another way than what is in. */
  #checkPlan(): void {
    const { plan } = this.#source;
    const { plan: before = plan, position, finishedAt, entries } = this.#mark;
    if (before !== plan && (position !== undefined || finishedAt !== undefined)) {
      const source = this.#source.id;
      throw new MigrationError(
        `Cannot go on with ${source}: it was read with ${before ?? "nothing said"}, by which ${entries} ${
          entries === 1 ? "entry" : "entries"
        } came in, ` +
          `and is to be read with ${
            plan ?? "nothing said"
          } now; say the same as then, or begin anew (again, or --again ` +
          "on the command line) (MIGRATION)",
        { source },
      );
    }
    if (plan === undefined) delete this.#mark.plan;
    else this.#mark.plan = plan;
  }

  async #read(source: OpenSource): Promise<void> {
    this.#progress.start("import", { totalItems: source.total });
    this.#progress.add(this.#mark.bytes, this.#mark.entries + this.#mark.expired + this.#mark.unsupported);
    const items = source.entries(this.#into.keyEncoding, this.#mark.position);
    for await (const item of untilAborted(items, this.#signal)) {
      const before = this.#mark.bytes;
      const refused = this.#take(item);
      if (refused !== undefined && this.#stops && !this.#dryRun) {
        await this.#commit();
        throw this.#refusal(refused);
      }
      if (refused !== undefined) this.#leaveOut(refused);
      this.#atPosition = item.position !== undefined;
      if (item.position !== undefined) this.#mark.position = item.position;
      this.#progress.add(this.#mark.bytes - before, 1);
      const { entries, bytes } = this.#writes;
      if (
        (this.#atPosition && (entries >= COMMIT_ENTRIES || bytes >= COMMIT_BYTES)) || bytes >= COMMIT_BYTES_MAX ||
        entries >= COMMIT_ENTRIES_MAX
      ) await this.#commit();
      else await this.#slicer.tick();
    }
  }

  /** Adds an item to the commit that is being put together, or says why it can't be. */
  #take(item: SourceItem): LeftOut | undefined {
    if ("unsupported" in item) return { key: item.shown, reason: item.unsupported };
    const { key, value, expiresAt, tags } = item;
    if (expiresAt !== undefined && expiresAt <= this.#now()) {
      this.#mark.expired++;
      return undefined;
    }
    try {
      this.#writes.target.set(key, value, { expiresAt, tags });
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === undefined) throw error;
      return { key: showKey(key), reason: reason.replace(/^atomic\.set: /, "") };
    }
    const bytes = item.bytes ?? key.length + sizeOf(value);
    this.#writes.entries++;
    this.#writes.bytes += bytes;
    this.#mark.entries++;
    this.#mark.bytes += bytes;
    return undefined;
  }

  #leaveOut(item: LeftOut): void {
    this.#mark.unsupported++;
    // Messages of parsers show half of a surrogate pair, which the mark could not hold.
    const told = { key: item.key.toWellFormed(), reason: item.reason.toWellFormed() };
    if (this.#mark.leftOut.length < LEFT_OUT_MAX) this.#mark.leftOut.push(told);
    this.#onUnsupported?.(told);
  }

  async #commit(): Promise<void> {
    const operation = this.#operation;
    const { entries } = this.#writes;
    this.#operation = this.#db.atomic();
    this.#writes = { target: this.#operation.in(this.#into), entries: 0, bytes: 0 };
    if (this.#dryRun) return;
    if (this.#atPosition) operation.in(marksOf(this.#db)).set(this.#key, markValue(this.#mark));
    // One sync at the end is enough: what a power cut takes, it takes with its mark.
    await operation.commit({ durability: "interval" });
    this.#committed += entries;
  }

  #refusal({ key, reason }: LeftOut): MigrationError {
    const source = this.#source.id;
    const { entries } = this.#mark;
    const before = entries === 1 ? "1 entry before it is" : `${entries} entries before it are`;
    return new MigrationError(
      `Cannot keep ${key} of ${source}: ${reason}; ${before} in; what can't be ` +
        'kept can be left out and told (unsupported: "report", or --leave-out on the command line) (MIGRATION)',
      { source, key },
    );
  }

  #report(earlier: number, before: Pick<MigrationReport, "doneBefore" | "changed">): MigrationReport {
    const { source, entries, bytes, expired, unsupported, leftOut } = this.#mark;
    return {
      ...{ source, entries, earlier, bytes, expired, unsupported, leftOut: [...leftOut] },
      ...before,
      dryRun: this.#dryRun,
      durationMs: performance.now() - this.#started,
    };
  }
}

function sizeOf(value: SourceEntry["value"]): number {
  if (typeof value === "string" || value instanceof Uint8Array) return value.length;
  return JSON.stringify(value)?.length ?? 0;
}
