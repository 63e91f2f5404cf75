/**
 * Continuous backup: the log of an open database, shipped as it grows.
 *
 * ```
 *            commit          interval over        idle for `heartbeat`
 * waiting ─────────► dirty ───────────► shipping ─────────► waiting
 *                                          │ failed: again after a growing pause
 *                                          └ overtaken by another writer: stopped for good
 * ```
 *
 * What is lost when the machine is gone is at most what was committed in the last `interval`, and the time that shipping
 * takes. A base is made at first, after a gap, in a new lineage, when the last one was deleted, and when the log behind it has
 * grown to `baseBytes` or it is older than `baseEvery`; shipping goes on meanwhile.
 *
 * @module
 */
import { throwIfAborted, whenAborted } from "../../../base/abort.ts";
import {
  ClosedError,
  LineageError,
  PermissionError,
  RepositoryLockedError,
  StorageError,
} from "../../../base/errors.ts";
import { tell } from "../../../base/listeners.ts";
import type { Engine } from "../../../engine/types.ts";
import { basename } from "../../../files/paths.ts";
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import { backupInto } from "../making/backup.ts";
import { readBackups } from "../core/catalog.ts";
import { assertApart } from "../core/apart.ts";
import type { RepositoryContext } from "../core/context.ts";
import { backupKey } from "../core/layout.ts";
import { isBase } from "../restoring/coverage.ts";
import { mergeLog } from "../log/merge.ts";
import { MergeMemory } from "../log/merge_memory.ts";
import {
  BASE_OPTIONS,
  type CheckedReplication,
  LOOK_EVERY_MS,
  type ReplicationEvent,
  type ReplicationStatus,
} from "./replication_options.ts";
import type { Shipped } from "../log/shipment.ts";
import { Shipper } from "../log/shipper.ts";
import { ensureSlot } from "../log/slots.ts";

/** A failure is answered by pauses that double up to this. Not longer: a store that is back must be noticed. */
const PAUSE_MS_MAX = 60_000;

/** What a store may ask for on top: to be left alone. */
const ASKED_MS_MAX = 3_600_000;

/** Merging looks at the log this often. */
const MERGE_EVERY_MS = 60_000;

/** A running replication; made by `repo.replicate`. */
export class Replication implements AsyncDisposable {
  readonly #context: RepositoryContext;
  readonly #engine: Engine;
  readonly #options: CheckedReplication;
  readonly #shipper: Shipper;
  readonly #stopListening: () => void;
  /** For merging; undefined: whoever may not read or delete what they have written leaves that to `prune`. */
  #memory: MergeMemory | undefined = new MergeMemory();
  readonly #abort = new AbortController();
  #cancel: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #dirty = true;
  #failures = 0;
  #failure: unknown;
  #fenced: LineageError | undefined;
  /** Whether it has ended: stopped, overtaken, or with its database. */
  #over = false;
  /** When it shipped last, and where its own archive stood then: while the store is away nothing else is known. */
  #shipped: { at: number; head: HeadDocument | undefined } = { at: 0, head: undefined };
  #mergedAt = 0;
  #needsBase = true;
  /** Why the last base could not be made. */
  #baseless: unknown;
  #base: { id: string; version: number; lineage: string; at: number } | undefined;
  /** When the base was seen last. */
  #seenAt = 0;
  #logBytesSinceBase = 0;
  #totals = { bytes: 0, storedBytes: 0, shipments: 0, bases: 0 };
  /** When the oldest commit that is not archived was made. */
  #waitingSince: number | undefined;
  /** The same of what is being archived just now, which may take long, or fail. */
  #shippingSince: number | undefined;

  /** `onEnd`: it is over, and has nothing more to tell. @internal */
  constructor(context: RepositoryContext, engine: Engine, options: CheckedReplication, onEnd: () => void = () => {}) {
    this.#context = context;
    this.#engine = engine;
    this.#options = options;
    this.#shipper = Shipper.of(context, engine);
    const stopListening = engine.onCommit(({ timestamp }) => {
      this.#waitingSince ??= timestamp;
      if (this.#dirty) return;
      this.#dirty = true;
      this.#schedule();
    });
    const forget = options.signal && whenAborted(options.signal, () => void this.stop().catch(() => {}));
    this.#stopListening = () => {
      stopListening();
      forget?.();
      if (this.#fenced === undefined) onEnd(); // who was overtaken has a reason that must be heard
    };
  }

  /** Begins. The first shipment and the claim on the history are awaited, so that what can't work is told at once. @internal */
  async start(): Promise<this> {
    try {
      throwIfAborted(this.#options.signal); // one that has fired does not fire again
      assertApart("replicate", this.#context, this.#engine);
      await ensureSlot(this.#engine, this.#context, this.#shipper);
      await this.#shipper.claim();
      await this.#findBase();
      await this.#ship(false);
    } catch (error) {
      this.#fenced = undefined; // it is told here
      this.#end();
      throw error;
    }
    this.#schedule();
    return this;
  }

  /** How it stands. */
  status(): ReplicationStatus {
    const head = this.#shipper.head ?? this.#shipped.head;
    const { visibleVersion } = this.#engine;
    // A copy that was never written to stands in the history of another, which may have gone on.
    const archived = Math.min(head?.version ?? 0, visibleVersion);
    return {
      state: this.#over || this.#stopping !== undefined || this.#engine.closed
        ? "stopped"
        : this.#running !== undefined
        ? "shipping"
        : this.#failures > 0
        ? "failing"
        : "waiting",
      database: this.#engine.id,
      databaseName: basename(this.#engine.path),
      lineage: this.#engine.lineage,
      version: visibleVersion,
      archivedVersion: archived,
      coveredUntil: head?.coveredUntil ?? 0,
      lagVersions: Math.max(0, visibleVersion - archived),
      lagBytes: this.#engine.closed || visibleVersion <= archived ? 0 : this.#engine.unarchivedBytes(archived),
      lagMs: visibleVersion <= archived
        ? 0
        : Math.max(0, this.#context.clock() - (this.#shippingSince ?? this.#waitingSince ?? this.#context.clock())),
      shippedAt: this.#shipped.at,
      failures: this.#failures,
      error: this.#fenced ?? this.#failure,
      gaps: head?.gaps.length ?? 0,
      ...this.#totals,
    };
  }

  /**
   * Resolves once all that is committed at the call is archived and can be restored; rejects when that fails, or when it was
   * stopped.
   */
  async flush(): Promise<void> {
    if (this.#fenced !== undefined) throw this.#fenced;
    if (this.#stopping !== undefined) throw new ClosedError("Cannot flush a replication that was stopped (CLOSED)");
    const wanted = this.#engine.visibleVersion;
    while ((this.#shipper.head?.version ?? -1) < wanted) {
      await this.#running;
      if ((this.#shipper.head?.version ?? -1) >= wanted) break;
      await this.#ship(false);
      // A copy that was never written to has nothing to archive.
      if (this.#engine.forked) break;
    }
    // Log is worth nothing without a base. One that was under way may fail for what is over by now.
    await this.#shipper.basing;
    await this.#lookForBase(true);
    if (this.#needsBase) await this.#ship(false);
    await this.#shipper.basing;
    if (this.#needsBase && this.#baseless !== undefined) throw this.#baseless;
  }

  /** Whether `stop` was called, be it that it has not come to its end yet. @internal */
  get isStopped(): boolean {
    return this.#stopping !== undefined;
  }

  /**
   * Archives what there is, moves the slot on, and ends. What keeps that from succeeding is thrown; it has ended all the same.
   * With a database that was closed before, it has ended already: what was not archived waits in the log for the next one.
   */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  /** As `stop`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<void> {
    this.#cancel?.();
    await this.#running;
    this.#abort.abort(new ClosedError("The replication was stopped (CLOSED)"));
    await this.#shipper.basing;
    try {
      if (this.#fenced === undefined && !this.#engine.closed) {
        await this.#shipper.ship({ heartbeat: true, verify: this.#options.verify });
      }
    } finally {
      this.#end();
    }
  }

  #end(): void {
    this.#cancel?.();
    this.#stopListening();
    if (!this.#over) this.#report({ type: "stopped" });
    this.#over = true;
  }

  /** Sets the timer for what comes next. Only commits that wait to be archived keep the process alive. */
  #schedule(): void {
    if (this.#over || this.#stopping !== undefined || this.#running !== undefined) return;
    this.#cancel?.();
    const { interval, heartbeat } = this.#options;
    const now = this.#context.clock();
    const wait = this.#failures > 0 ? this.#pause() : this.#dirty ? interval : heartbeat;
    const due = this.#failures > 0 ? wait : Math.max(0, Math.min(wait, this.#shipped.at + wait - now));
    this.#cancel = this.#context.timers.set(due, () => this.#tick(), this.#dirty);
  }

  #pause(): number {
    const doubled = this.#options.interval * 2 ** Math.min(this.#failures, 16);
    const [jitter] = this.#context.randomBytes(1);
    const asked = this.#failure instanceof StorageError ? this.#failure.retryAfterMs ?? 0 : 0;
    return Math.min(ASKED_MS_MAX, asked) + Math.min(PAUSE_MS_MAX, doubled) * (0.75 + 0.5 * jitter! / 255);
  }

  #tick(): void {
    if (this.#running !== undefined || this.#stopping !== undefined) return;
    this.#running = this.#ship(!this.#dirty).catch(() => {}).finally(() => {
      this.#running = undefined;
      this.#schedule();
    });
  }

  /** Ships once; throws what went wrong, after it was noted. */
  async #ship(heartbeat: boolean): Promise<void> {
    const wasDirty = this.#dirty;
    const waitingSince = this.#waitingSince;
    this.#shippingSince ??= waitingSince;
    this.#dirty = false;
    this.#waitingSince = undefined;
    try {
      const { verify } = this.#options;
      const shipped = await this.#shipper.ship({ heartbeat, verify, signal: this.#abort.signal });
      this.#shipped = { at: this.#context.clock(), head: this.#engine.forked ? undefined : this.#shipper.head };
      this.#failures = 0;
      this.#failure = undefined;
      this.#note(shipped.bytes, shipped.storedBytes, shipped.head, shipped.gap);
      this.#memory?.shipped(shipped.objects);
      await this.#keepHouse(shipped);
    } catch (error) {
      this.#dirty ||= wasDirty;
      this.#waitingSince = waitingSince ?? this.#waitingSince;
      this.#failures++;
      this.#failure = error;
      if (error instanceof LineageError) this.#fenced = error;
      if (this.#fenced !== undefined || error instanceof ClosedError) this.#end();
      this.#report({ type: "failure", error, failures: this.#failures });
      throw error;
    } finally {
      this.#shippingSince = undefined;
    }
  }

  #note(bytes: number, storedBytes: number, head: HeadDocument, gap: Shipped["gap"]): void {
    this.#totals.bytes += bytes;
    this.#totals.storedBytes += storedBytes;
    this.#logBytesSinceBase += bytes;
    if (bytes > 0) {
      this.#totals.shipments++;
      this.#report({ type: "shipped", version: head.version, bytes, storedBytes });
    }
    if (gap !== undefined) {
      this.#needsBase = true;
      this.#report({ type: "gap", ...gap });
    }
  }

  /** What is done beside shipping: a base when one is due, while shipping goes on, and merging, which the next shipment waits for. */
  async #keepHouse({ head, bytes }: Shipped): Promise<void> {
    const now = this.#context.clock();
    await this.#lookForBase(bytes > 0 && Math.abs(now - this.#seenAt) >= LOOK_EVERY_MS);
    if (this.#baseIsDue(head, now)) {
      this.#shipper.basing ??= this.#makeBase().finally(() => this.#shipper.basing = undefined);
      void this.#shipper.basing.then((failure) => this.#baseless = failure);
    }
    if (this.#memory === undefined || now - this.#mergedAt < MERGE_EVERY_MS) return;
    this.#mergedAt = now;
    try {
      const { made, removed } = await mergeLog(this.#context, head, this.#memory, this.#abort.signal);
      if (removed > 0) this.#report({ type: "merged", made, removed });
    } catch (error) {
      if (!(error instanceof PermissionError)) throw error;
      this.#memory = undefined; // what it would keep from now on nobody would ask for
    }
  }

  #baseIsDue(head: HeadDocument, now: number): boolean {
    const base = this.#base;
    if (this.#needsBase || base === undefined || base.lineage !== head.lineage) return true;
    if (this.#hasAll(base, head)) return false;
    const { baseBytes, baseEvery } = this.#options;
    // Also one that a wrong clock dated far ahead: it would else be the last for years.
    return this.#logBytesSinceBase >= baseBytes || Math.abs(now - base.at) >= baseEvery;
  }

  /** Whether there is nothing behind a base: a copy that was never written to stands where it stands. */
  #hasAll({ version }: { version: number }, head: HeadDocument): boolean {
    return version >= Math.min(head.version, this.#engine.visibleVersion);
  }

  /** Looks for a base from which the archived log goes on. */
  async #findBase(): Promise<void> {
    const head = this.#shipper.head;
    const found = (await readBackups(this.#context)).findLast((backup) =>
      isBase(backup) && backup.database === this.#engine.id && backup.lineage === this.#engine.lineage &&
      head !== undefined && leadsOn(head, backup.version)
    );
    if (found === undefined) return;
    const { id, version, lineage, createdAt: at } = found;
    this.#base = { id, version, lineage, at };
    this.#seenAt = this.#context.clock();
    this.#needsBase = false;
  }

  /**
   * Where the base was deleted, or log behind it, or a gap was noted there, another has to do: one that is there, or one that
   * is to be made. `ask`: the store, too, whether it is there.
   */
  async #lookForBase(ask: boolean): Promise<void> {
    const [base, head] = [this.#base, this.#shipper.head];
    if (base === undefined || head === undefined || this.#needsBase) return;
    const leads = this.#hasAll(base, head) || leadsOn(head, base.version);
    if (leads && !ask) return;
    this.#seenAt = this.#context.clock();
    try {
      if (leads && await this.#context.store.head(backupKey(base.id)) !== undefined) return;
      this.#needsBase = true;
      await this.#findBase();
    } catch (error) {
      if (!(error instanceof PermissionError)) throw error;
    }
  }

  /** Makes a base; what kept it from being made, if something did. */
  async #makeBase(): Promise<unknown> {
    try {
      const how = { ...BASE_OPTIONS, verify: this.#options.verify, signal: this.#abort.signal };
      const info = await backupInto(this.#context, this.#engine, how);
      const { id, version, lineage, createdAt: at } = info;
      this.#base = { id, version, lineage, at };
      this.#seenAt = this.#context.clock();
      this.#needsBase = false;
      this.#logBytesSinceBase = 0;
      this.#totals.bases++;
      this.#report({ type: "base", backupId: info.id, version, addedBytes: info.addedBytes });
      return undefined;
    } catch (error) {
      // Another backup of this database runs: what it makes will do, or the next try.
      if (error instanceof RepositoryLockedError || this.#stopping !== undefined) return error;
      this.#failure = error;
      this.#report({ type: "failure", error, failures: this.#failures + 1 });
      return error;
    }
  }

  #report(event: ReplicationEvent): void {
    tell(this.#options.onEvent, event);
  }
}

/** Whether the log that a head counts goes on behind a version, with no gap, and nothing of it pruned. */
function leadsOn({ start, gaps, pruned = 0 }: HeadDocument, version: number): boolean {
  return version >= start - 1 && version >= pruned && !gaps.some(({ to }) => to > version);
}
