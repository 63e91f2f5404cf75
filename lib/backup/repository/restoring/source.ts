/**
 * A repository as the source of a restore: from what is wanted to a database directory, or to entries.
 *
 * An object that is damaged or has gone is no reason to give up while another way leads to the same state: another copy of
 * the log beside a merged one, an older base with more log. So the plan is made again without it, as long as there is one. What
 * is damaged is asked for twice before: bytes may be spoiled on their way here.
 *
 * @module
 */
import {
  HoldfastError,
  IntegrityError,
  NoSpaceError,
  NotFoundError,
  PermissionError,
  StorageError,
} from "../../../base/errors.ts";
import type { ProgressReporter } from "../../../base/progress.ts";
import type { EngineSettings } from "../../../engine/types.ts";
import type { FileSystem } from "../../../files/file_system.ts";
import { join } from "../../../files/paths.ts";
import type { CheckedPointOptions } from "../../restore_options.ts";
import type { RepositoryContext } from "../core/context.ts";
import { readFacts } from "./facts.ts";
import { objectKey, PART } from "../core/layout.ts";
import { type Lease, takeLease } from "../core/lease.ts";
import { OtherWriterError } from "../core/writer_claim.ts";
import { materialize, type Materialized } from "./materialize.ts";
import { objectPieces } from "../core/objects.ts";
import { planRestore, type RestorePlan } from "./restore_plan.ts";
import { type ResolvedPlan, resolvePlan } from "./resolve_time.ts";
import { Coverages } from "./coverage.ts";
import type { BaseDocument } from "./coverage.ts";

/** What a restore takes from a repository. */
export type WantedState =
  | { kind: "state"; plan: ResolvedPlan }
  | { kind: "entries"; backup: BaseDocument; pieces: () => AsyncIterable<Uint8Array> };

/**
 * Runs `work` under a lease; where nothing can be written (rights, a full disk, another program that is the only one that
 * may), also from some time on, without one: who may only read can still restore, from a repository that nobody prunes
 * meanwhile, or at the second try.
 */
export async function withReaderLease<T>(
  context: RepositoryContext,
  kind: string,
  holder: string,
  work: (lease: Lease) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  let lease: Lease;
  try {
    lease = await takeLease(context, { kind, holder, signal });
  } catch (error) {
    passRefused(error);
    lease = await takeLease({ ...context, readOnly: true }, { kind, holder });
  }
  try {
    return await work({
      name: lease.name,
      overtook: lease.overtook,
      touch: () => lease.touch().catch(passRefused),
      assertHeld: () => lease.assertHeld(),
      release: () => lease.release(),
    });
  } finally {
    await lease.release();
  }
}

/** Passes over that the store takes no writes, or not from this program. */
function passRefused(error: unknown): void {
  const isRefused = error instanceof PermissionError || error instanceof NoSpaceError ||
    error instanceof OtherWriterError || (error instanceof StorageError && !error.retryable);
  if (!isRefused) throw error;
}

/** Finds out what is wanted. `avoid` takes up the keys of objects that turn out to be damaged or gone. */
export async function findState(
  call: string,
  context: RepositoryContext,
  wish: CheckedPointOptions,
  signal: AbortSignal | undefined,
  avoid: Set<string> = new Set(),
): Promise<WantedState> {
  let failure: unknown;
  let newest = 0;
  let wanted = wish;
  const doubt = new Doubt();
  for (;;) {
    let damage: unknown;
    const facts = await readFacts(context, { onDamage: (_key, error) => damage ??= error });
    if (damage !== undefined && doubt.isFirst(damage, "")) continue;
    // What can't be read may be the very state that is meant, or belong to the history that is; never another for it.
    if (damage !== undefined && !isNamed(wish)) throw damage;
    let plan;
    try {
      plan = planRestore(call, context.name, new Coverages(facts, avoid), wanted);
    } catch (error) {
      throw failure ?? damage ?? error;
    }
    if ("entries" in plan) return entriesOf(context, plan.entries, signal);
    wanted = withinHistory(wish, plan);
    // The newest state is the one there was before anything had to be avoided; an earlier one must never pass for it.
    if (plan.time === undefined && plan.end < newest && !wish.allowEarlier) throw failure;
    newest = plan.end;
    try {
      return { kind: "state", plan: await resolvePlan(context, plan, signal) };
    } catch (error) {
      const key = avoid.size < WAYS_MAX ? avoidable(error) : undefined;
      if (key === undefined || avoid.has(key)) throw error;
      if (doubt.isFirst(error, key)) continue;
      avoid.add(key);
      failure ??= error;
    }
  }
}

/** The wish for one history: one that begins meanwhile has other commits, of the same versions too. */
function withinHistory(wish: CheckedPointOptions, { history }: RestorePlan): CheckedPointOptions {
  return { ...wish, database: history.database, lineage: history.lineage };
}

/** Whether a wish says so exactly what it means that documents which can't be read change nothing. */
function isNamed({ point, lineage, allowEarlier }: CheckedPointOptions): boolean {
  return point.backupId !== undefined || allowEarlier ||
    (lineage !== undefined && (point.time !== undefined || point.version !== undefined));
}

function entriesOf(context: RepositoryContext, backup: BaseDocument, signal: AbortSignal | undefined): WantedState {
  const [file] = backup.base.files;
  if (file === undefined) throw new IntegrityError(`Backup ${backup.id} of ${context.name} has no entries; run verify`);
  return { kind: "entries", backup, pieces: () => objectPieces(context, objectKey(file.object), { signal }) };
}

/** How a state is made. */
export interface MakeStateOptions {
  /** Where files lie. */
  fs: FileSystem;
  /** An existing directory, in which one is made for the database. */
  scratch: string;
  /** For the engine that replays. */
  settings: EngineSettings;
  /** Directories in which files may lie that are the same. */
  reuse: readonly string[];
  /** Reads everything back. */
  verify: boolean;
  /** Counts bytes and files. */
  reporter: ProgressReporter;
  /** Renewed as work goes on. */
  lease: Lease;
  /** Gives up. */
  signal: AbortSignal | undefined;
}

/** A state that was made. */
export interface MadeState extends Materialized {
  /** Where the database is. */
  directory: string;
  /** By which plan. */
  plan: ResolvedPlan;
}

/** How often another way is tried. */
const WAYS_MAX = 20;

/** Makes the database that is wanted, in a directory of its own inside `scratch`. */
export async function makeState(
  call: string,
  context: RepositoryContext,
  wish: CheckedPointOptions,
  first: ResolvedPlan,
  options: MakeStateOptions,
): Promise<MadeState> {
  const avoid = new Set<string>();
  const reuse = [...options.reuse];
  const wanted = withinHistory(wish, first);
  const doubt = new Doubt();
  let plan = first;
  for (let way = 0;; way++) {
    const directory = join(options.scratch, `database-${way}`);
    await options.fs.makeDirectory(directory);
    try {
      const { concurrency, bytesPerSecond } = wish;
      const made = await materialize(context, plan, {
        ...options,
        reuse,
        directory,
        concurrency: concurrency ?? context.concurrency,
        bytesPerSecond,
      });
      return { ...made, directory, plan };
    } catch (error) {
      const key = way < WAYS_MAX ? avoidable(error) : undefined;
      const isOwn = error instanceof IntegrityError && error.path === directory;
      if (!isOwn && (key === undefined || avoid.has(key))) throw error;
      reuse.push(directory);
      if (doubt.isFirst(error, key ?? "")) continue;
      if (key === undefined) throw error;
      avoid.add(key);
      const other = await findState(call, context, wanted, options.signal, avoid).catch(() => undefined);
      // It may lead to a later state: merging takes log away while more of it is shipped.
      if (other?.kind !== "state" || other.plan.version < plan.version) throw error;
      plan = other.plan;
    }
  }
}

/** What was found damaged once. */
class Doubt {
  readonly #keys = new Set<string>();

  /** Whether it is the first time that a key was not what it should be: another read may find it whole. */
  isFirst(error: unknown, key: string): boolean {
    if (!(error instanceof IntegrityError) || this.#keys.has(key)) return false;
    this.#keys.add(key);
    return true;
  }
}

/** The object or the backup that is to blame for an error, if one is. */
function avoidable(error: unknown): string | undefined {
  if (!(error instanceof IntegrityError || error instanceof NotFoundError) || !(error instanceof HoldfastError)) {
    return undefined;
  }
  const key = error.path?.split(" in ", 1)[0];
  return [PART.log, PART.objects, PART.backups].some((part) => key?.startsWith(part)) ? key : undefined;
}
