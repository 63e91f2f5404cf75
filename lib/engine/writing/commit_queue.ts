/**
 * The commit queue: one writer that takes what has gathered, writes it as one piece, syncs once for all who want it, and
 * then shows it.
 *
 * (1) Commits take effect in the order of the calls; each gets the next version.
 * (2) Nothing is visible before it is in the log (`buffered`: in the log's buffer), nothing that asked for `commit`
 *     before it is synced; and what is visible at one version includes all lower ones.
 * (3) A write that finds the disk full is cut off the log again and its commits are refused: they never appear later.
 * (4) Syncs follow each other, and groups are shown in their order, also where the next one is written meanwhile.
 * (5) After a failed sync it is unknown what the disk holds, so nothing more is acknowledged: the store fails for good.
 *     A sync that no commit waits for goes on beside the queue; one that a commit does wait for comes after it.
 * (6) Tasks (pin, rotate, ingest, flush) run between groups, when all that was written is visible.
 *
 * @module
 */
import { ClosedError, NoSpaceError } from "../../base/errors.ts";
import { Fifo } from "../../base/fifo.ts";
import { Slicer } from "../../base/yield.ts";
import type { Batch } from "../../format/log/batch.ts";
import { applySliced } from "./apply.ts";
import { Checks } from "./checks.ts";
import { GroupSync } from "./group_sync.ts";
import { LaterSync } from "./later_sync.ts";
import type { Background } from "../background/background.ts";
import type { Log } from "../log/log.ts";
import { LogBuffer } from "../log/log_buffer.ts";
import type { Reserve } from "../log/reserve.ts";
import type { Store } from "../store.ts";
import { Throttle } from "./throttle.ts";
import type { Commit, CommitEvent, CommitOptions, Durability } from "../types.ts";

/** A group stops growing here: more would keep its first commit waiting, less would sync more often. */
const GROUP_BYTES_MAX = 1024 * 1024;

interface Waiting {
  kind: "commit";
  batch: Batch;
  durability: Durability;
  check: CommitOptions["check"];
  resolve: (commit: Commit | undefined) => void;
  reject: (error: unknown) => void;
}

interface Task {
  kind: "task";
  run: () => Promise<void>;
  reject: (error: unknown) => void;
}

/** A commit that has its version and is in the log, waiting to be shown. */
interface Written extends Commit {
  waiting: Waiting;
}

/** The writer. */
export class CommitQueue {
  readonly #store: Store;
  readonly #log: Log;
  readonly #background: Background;
  readonly #throttle: Throttle;
  readonly #reserve: Reserve;
  /** Lives as long as the queue: one writer that awaits each write makes a pump for each, and still must yield. */
  readonly #slicer: Slicer;
  readonly #checks: Checks;
  readonly #buffer: LogBuffer;
  readonly #later: LaterSync;
  readonly #syncs: GroupSync;
  readonly #listeners = new Set<(event: CommitEvent | { reset: true } & Commit) => void>();
  #queue = new Fifo<Waiting | Task>();
  #running: Promise<void> | undefined;
  #lastVersion: number;
  #lastTimestamp: number;
  #mustRotate = false;
  #closed = false;

  constructor(store: Store, log: Log, background: Background, reserve: Reserve) {
    this.#store = store;
    this.#log = log;
    this.#background = background;
    this.#throttle = new Throttle(store, background);
    this.#slicer = new Slicer(store.settings.monotonic);
    this.#reserve = reserve;
    this.#checks = new Checks(store);
    this.#syncs = new GroupSync(store, log);
    this.#buffer = new LogBuffer(store, log, reserve);
    this.#later = new LaterSync(store, log, this.#buffer, (run) => this.exclusive(run));
    this.#lastVersion = store.visibleVersion;
    // As behind `endTime`, which a process before this one may have promised, and whose clock may have been ahead.
    this.#lastTimestamp = store.visibleVersion === 0 ? 0 : store.visibleTimestamp + 1;
  }

  /** Calls back after each visible commit. */
  listen(listener: (event: CommitEvent | { reset: true } & Commit) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Queues one commit. */
  commit(batch: Batch, options: CommitOptions = {}): Promise<Commit | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new ClosedError(`Cannot write to ${this.#store.path}: it was closed (CLOSED)`);
      this.#store.assertWritable("write");
      const durability = options.durability ?? this.#store.settings.durability;
      this.#queue.push({ kind: "commit", batch, durability, check: options.check, resolve, reject });
      this.#start();
    });
  }

  /** Queues a task that runs alone, after everything queued before it is visible. */
  exclusive<T>(run: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ kind: "task", run: () => run().then(resolve), reject });
      this.#start();
    });
  }

  #start(): void {
    this.#running ??= this.#pump().finally(() => {
      this.#running = undefined;
      if (this.#queue.length > 0) this.#start();
    });
  }

  async #pump(): Promise<void> {
    // Calls of the same turn join the first group.
    await undefined;
    while (this.#queue.length > 0) {
      const first = this.#queue.first!;
      if (first.kind === "task") {
        this.#queue.shift();
        await this.#syncs.settle();
        await first.run().catch(first.reject);
      } else {
        await this.#group().catch((error) => this.#refuseAll(error));
      }
      await this.#slicer.tick();
    }
  }

  /** Refuses every commit in the queue; tasks stay. */
  #refuseAll(error: unknown): void {
    const queue = this.#queue;
    this.#queue = new Fifo();
    for (const item of queue) {
      if (item.kind === "task") this.#queue.push(item);
      else item.reject(error);
    }
  }

  /** Takes commits off the queue, writes, syncs and shows them. */
  async #group(): Promise<void> {
    const first = this.#queue.first;
    const waits = first?.kind === "commit" && first.durability === "commit";
    const { most, underWay } = await this.#syncs.turn(waits, () => this.#queue.length);
    this.#store.assertWritable("write");
    await this.#makeRoom();
    if (this.#mustRotate || this.#log.segment?.wasCut) await this.#rotateAfterFull();
    await this.#openLog();
    const written: Written[] = [];
    let sync = false;
    let handOver = false;
    let left = most;
    let bytes = 0;
    while (bytes < GROUP_BYTES_MAX && left > 0) {
      const next = this.#queue.first;
      if (next === undefined || next.kind === "task") break;
      const chunk: Waiting[] = [];
      while (bytes < GROUP_BYTES_MAX && left > 0) {
        const item = this.#queue.first;
        if (item === undefined || item.kind === "task") break;
        // A check reads the state just before its commit, so what comes earlier must be applied first. On a full disk each
        // stands for itself: a delete fits where the write before it doesn't.
        if (chunk.length > 0 && (item.check !== undefined || this.#store.full)) break;
        this.#queue.shift();
        if (!this.#checks.pass(item, this.#lastVersion)) continue;
        chunk.push(item);
        left--;
        bytes += item.batch.bytes;
        sync ||= item.durability === "commit";
        handOver ||= item.durability !== "buffered";
        // How much it adds to the memtable depends on what was deleted before, and is known once it is there.
        if (item.batch.ranges > 0) break;
      }
      // One by one: there may be more than a call takes arguments.
      if (chunk.length > 0) { for (const each of await this.#write(chunk, { handOver, sync })) written.push(each); }
      // Behind a write that failed for good the segment may hold anything.
      if (this.#store.failure !== undefined || this.#store.isMemtableFull) break;
    }
    if (written.length === 0) return;
    const shown = this.#conclude(written, sync);
    if (sync && underWay) this.#syncs.leave(shown, written.length);
    else await shown;
  }

  /** Makes sure that there is a segment to write to; on a full disk deletes get what can be freed for it. */
  async #openLog(): Promise<void> {
    if (this.#queueFrees()) await this.#reserve.help(() => this.#log.open());
    else await this.#log.open();
  }

  /** Whether the next commit only deletes: then it is let in on a full disk too. */
  #queueFrees(): boolean {
    const first = this.#queue.first;
    return first?.kind === "commit" && first.batch.puts === 0;
  }

  #queuedBytes(): number {
    let bytes = 0;
    for (const item of this.#queue) {
      if (item.kind === "task" || bytes >= GROUP_BYTES_MAX) break;
      bytes += item.batch.bytes;
    }
    return bytes;
  }

  /** Gives versions to a chunk, puts it into the log (or its buffer) and the memtable. */
  async #write(
    chunk: readonly Waiting[],
    { handOver, sync }: { handOver: boolean; sync: boolean },
  ): Promise<Written[]> {
    const store = this.#store;
    const segment = this.#log.segment!;
    const start = { cut: this.#buffer.mark(), version: this.#lastVersion };
    const written: Written[] = [];
    try {
      for (const waiting of chunk) {
        const version = ++this.#lastVersion;
        const timestamp = this.#lastTimestamp = Math.max(this.#lastTimestamp, store.now());
        this.#buffer.add(version, timestamp, waiting.batch);
        written.push({ version, timestamp, waiting });
      }
      if (handOver || this.#buffer.length >= store.settings.bufferBytes) {
        if (sync) segment.fillAhead(this.#buffer.length);
        await this.#buffer.handOver();
      }
    } catch (error) {
      // Memory may have run out too: the versions are given to others, or the log would have a gap.
      start.cut();
      this.#lastVersion = start.version;
      for (const waiting of chunk) waiting.reject(error);
      // Earlier chunks of this group are in the log and go on; later commits will try again.
      return [];
    }
    try {
      for (const { version, timestamp, waiting } of written) {
        segment.note(version, timestamp);
        const applied = applySliced(store, waiting.batch.ops.view(), version, timestamp, this.#slicer, true);
        if (applied !== undefined) await applied;
        store.counters.commits++;
        store.counters.userBytes += waiting.batch.bytes;
      }
    } catch (error) {
      // In the log and not, or in part, in memory: whatever is read from now on an open would contradict.
      store.fail(error);
      for (const waiting of chunk) waiting.reject(error);
      return [];
    }
    return written;
  }

  /** After a full disk the log goes on in a new segment once there is space for one; until then small writes may fit. */
  async #rotateAfterFull(): Promise<void> {
    if (this.#buffer.length > 0) return;
    if (await this.#tryRotateLog()) this.#mustRotate = false;
  }

  /** Begins a new segment; false when the disk is full, and then nothing has changed. */
  async #tryRotateLog(): Promise<boolean> {
    // What a memtable holds when it is sealed is visible, or the store has failed.
    await this.#syncs.settle();
    try {
      await this.#log.rotate();
      return true;
    } catch (error) {
      if (error instanceof NoSpaceError && this.#store.failure === undefined) return false;
      this.#store.fail(error);
      throw error;
    }
  }

  /** Syncs a group, or leaves that for later, and shows it. */
  async #conclude(written: readonly Written[], sync: boolean): Promise<void> {
    try {
      if (sync) await this.#syncs.sync(written.length, this.#queue.length === 0);
      else {
        // Groups before it may be under way, where the commit that waited for a sync did not pass its check.
        await this.#syncs.settle();
        // A sync of earlier commits may have failed meanwhile.
        this.#store.assertWritable("write");
      }
    } catch (error) {
      this.#checks.fail(error);
      for (const { waiting } of written) waiting.reject(error);
      throw error;
    }
    // Earlier writes that waited for their sync have it now: nothing keeps the process. Unless what asked for the sync was
    // refused by a full disk, and what it would have taken along still waits.
    if (sync && this.#buffer.length === 0) this.#later.cancel();
    else this.#later.note();
    this.#show(written);
  }

  #show(written: readonly Written[]): void {
    const last = written[written.length - 1]!;
    this.#store.visibleVersion = last.version;
    this.#store.visibleTimestamp = last.timestamp;
    this.#checks.shown();
    for (const { version, timestamp, waiting } of written) {
      waiting.resolve({ version, timestamp });
      if (this.#listeners.size > 0) this.tell({ version, timestamp, ops: waiting.batch.ops.view() });
    }
  }

  /** Tells those who watch. */
  tell(event: CommitEvent | { reset: true } & Commit): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** The next commit begins a new segment: the history changed its lineage. */
  rotateNext(): void {
    this.#mustRotate = true;
  }

  /** The next version and time, for a task that commits by itself (see `shown`). */
  nextCommit(): Commit {
    return { version: this.#lastVersion + 1, timestamp: Math.max(this.#lastTimestamp, this.#store.now()) };
  }

  /**
   * Lets no later commit have the time of the newest one; answers the earliest that it may have. Not by moving the clock:
   * that may be behind the newest commit, and then what it would skip is the time that entries still have. Only in a task.
   */
  endTime(): number {
    this.#lastTimestamp = Math.max(this.#lastTimestamp, this.#store.visibleTimestamp + 1);
    return Math.max(this.#lastTimestamp, this.#store.now());
  }

  /** Moves on to a commit that a task made by itself. */
  shown(commit: Commit): void {
    this.#lastVersion = this.#store.visibleVersion = commit.version;
    this.#lastTimestamp = this.#store.visibleTimestamp = commit.timestamp;
  }

  /** Waits while flush and compaction are behind, and seals a full memtable. */
  async #makeRoom(): Promise<void> {
    await this.#throttle.wait(this.#queuedBytes(), this.#queueFrees());
    if (this.#store.isMemtableFull) await this.rotate();
  }

  /**
   * Hands over what is buffered, begins a new log segment and a new memtable; the old one goes to tables. False on a full
   * disk, where nothing changes: the memtable grows on, and what is written fits or is refused.
   */
  async rotate(): Promise<boolean> {
    const store = this.#store;
    // Also when the memtable is empty: commits that changed nothing have their records too, and must not come later.
    await this.#buffer.handOver();
    if (store.memtable.isEmpty) return true;
    if (!await this.#tryRotateLog()) return false;
    store.seal();
    this.#background.wake();
    return true;
  }

  /** Hands over and syncs all that was written so far. Only within a task. */
  async settle(): Promise<void> {
    this.#later.cancel();
    this.#store.assertWritable("flush");
    const segment = this.#log.segment;
    if (segment === undefined) return;
    await this.#buffer.handOver();
    const isSynced = segment.synced === segment.end;
    try {
      if (!isSynced) await segment.sync();
      // Also where a sync beside the queue has just ended, and who began it has not looked yet.
      this.#store.manifest.marker.assertOurs();
    } catch (error) {
      this.#store.fail(error);
      throw error;
    }
    if (!isSynced) this.#store.counters.syncs++;
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Refuses further commits; the tasks and commits already queued still run. */
  close(): void {
    this.#closed = true;
    this.#later.cancel();
  }
}
