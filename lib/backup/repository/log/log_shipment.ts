/**
 * One call of a shipper: from the head to what is committed now.
 *
 * (1) Files that joined the database without passing through the log are put before the record that names them.
 * (2) The head lists them before it counts their commit, and the lease is asked in between: a pruning that broke it before that
 *     is noticed, and one that breaks it later finds them referred to.
 *
 * @module
 */
import { HistoryGoneError, IntegrityError } from "../../../base/errors.ts";
import { throwIfAborted } from "../../../base/abort.ts";
import type { SettledPoint } from "../../../engine/types.ts";
import type { IngestInfo } from "../../../format/log/batch.ts";
import { type LogPiece } from "../../../format/repository/archived_log.ts";
import { PieceWriter } from "../../../format/repository/piece_writer.ts";
import type { ArchivedIngest, HeadDocument } from "../../../format/repository/head_document.ts";
import { headAfterFork } from "./attach.ts";
import { knownObjects, readBackups } from "../core/catalog.ts";
import { headKey } from "../core/layout.ts";
import { countedIngests, headBehindGap, HeadTouchedError } from "./heads.ts";
import type { HistoryWriter } from "./history_writer.ts";
import { ingestOfCommit, shipIngest } from "./ingests.ts";
import { LogOutbox } from "./log_outbox.ts";
import { type Lease, takeLease } from "../core/lease.ts";
import type { KnownObjects } from "../making/place.ts";
import { MOVE_BYTES, OBJECT_BYTES, PIECE_BYTES } from "./shipment.ts";
import type { LogObjectSent, ShipOptions, Shipped } from "./shipment.ts";
import { rememberSlot } from "./slots.ts";

/** One call. */
export class Shipment {
  readonly #writer: HistoryWriter;
  readonly #options: ShipOptions;
  readonly #outbox: LogOutbox;
  #pieces: LogPiece[] = [];
  #bytes = 0;
  #ingests: ArchivedIngest[] = [];
  #settled: SettledPoint | undefined;
  #shipped = { bytes: 0, storedBytes: 0, objects: [] as LogObjectSent[], gap: undefined as Shipped["gap"] };
  #lease: Lease | undefined;
  #known: KnownObjects | undefined;

  /** Under the turn of the writer. */
  constructor(writer: HistoryWriter, options: ShipOptions) {
    this.#writer = writer;
    this.#options = options;
    this.#outbox = new LogOutbox(writer.context, options);
  }

  /** Takes in all that is committed by now. */
  async run(): Promise<Shipped> {
    const { engine, context } = this.#writer;
    const resume = engine.deferCompaction();
    try {
      const settled = this.#settled = await engine.settled();
      await this.#writer.attach();
      this.#shipped.gap = this.#writer.gap;
      // A copy that was never written to has nothing of its own to take in.
      if (!this.#writer.stands) {
        await this.#follow(settled);
        const { heartbeat = false, slot } = this.#options;
        if (heartbeat) await this.#cover();
        const version = Math.min(this.#head.version, settled.version);
        const moved = rememberSlot(engine, context, version, heartbeat, slot?.until);
        if (slot === undefined) await moved;
        else slot.onMoving(moved);
      }
      this.#writer.gap = undefined;
      return { ...this.#shipped, head: this.#head };
    } catch (error) {
      await this.#outbox.abandon();
      throw error;
    } finally {
      resume();
      await this.#lease?.release();
    }
  }

  get #head(): HeadDocument {
    return this.#writer.head.body;
  }

  async #follow(settled: SettledPoint): Promise<void> {
    try {
      for (;;) {
        throwIfAborted(this.#options.signal);
        const at = (this.#pieces.at(-1) ?? this.#outbox.newest)?.last ?? this.#head.version;
        if (at >= settled.version) break;
        const writer = new PieceWriter(this.#memory());
        const joined: { version: number; info: IngestInfo }[] = [];
        const stretch = await this.#writer.next(at, ({ version, timestamp, ops }) => {
          const info = ingestOfCommit(ops);
          if (info !== undefined) joined.push({ version, info });
          writer.add(version, timestamp, ops);
        });
        if (stretch === undefined) break;
        if (stretch.lineage !== this.#head.lineage) await this.#turnTo(stretch.lineage, at);
        for (const { version, info } of joined) await this.#ship(version, info);
        this.#take(writer.take(), stretch.bytes);
        if (this.#bytes >= OBJECT_BYTES) await this.#put();
      }
    } catch (error) {
      if (!(error instanceof HistoryGoneError)) throw error;
      await this.#finish();
      await this.#gap(settled);
    }
    await this.#finish();
  }

  /** Archives the files that joined with a commit. (1) */
  async #ship(version: number, info: IngestInfo): Promise<void> {
    const { context, engine } = this.#writer;
    this.#ingests.push(await shipIngest(context, engine, version, info, await this.#objects(), this.#options));
  }

  /** Behind a whole piece there is mostly another. */
  #memory(): Uint8Array | undefined {
    const isLong = this.#pieces.length > 0 || this.#shipped.bytes > 0;
    return this.#outbox.spare() ?? (isLong ? new Uint8Array(1.5 * PIECE_BYTES) : undefined);
  }

  #take(piece: LogPiece, bytes: number): void {
    this.#pieces.push(piece);
    this.#bytes += piece.bytes.length;
    this.#shipped.bytes += bytes;
    this.#options.onBytes?.(bytes);
  }

  /** The objects there are, under a lease that lasts until the head refers to those that are added. */
  async #objects(): Promise<KnownObjects> {
    const { context, engine } = this.#writer;
    this.#lease ??= await takeLease(context, { kind: "replicate", holder: engine.path });
    return this.#known ??= await knownObjects(context, await readBackups(context), false);
  }

  async #turnTo(lineage: string, version: number): Promise<void> {
    await this.#finish();
    const { context, engine, id } = this.#writer;
    const head = await headAfterFork(context, engine, lineage, this.#head, id);
    // A copy of this database archives the same history just now: looked at anew, and gone on from there.
    if (head.body.version > version) throw new HeadTouchedError(headKey(engine.id, lineage));
    // What is taken in next begins behind `version`, and must not be put behind anything else.
    if (head.body.version !== version) {
      throw new IntegrityError(
        `Cannot archive the log of ${engine.path} in ${context.name}: its history ${lineage} is there up to version ` +
          `${head.body.version}, and not to ${version}; run verify, then repair`,
      );
    }
    this.#writer.turnTo(head);
  }

  /** Begins to write what has gathered as one object; now and then moves the head behind what arrived. */
  async #put(): Promise<void> {
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    const claimed = this.#writer.claimNow();
    claimed.catch(() => {}); // It is awaited below.
    // Log without a head can't be told from log whose head is lost.
    if (this.#writer.head.etag === undefined) await claimed;
    try {
      await this.#outbox.begin(this.#head, pieces);
    } finally {
      await claimed;
    }
    this.#pieces = [];
    this.#bytes = 0;
    if (this.#outbox.arrivedBytes >= MOVE_BYTES) await this.#move();
  }

  /** Writes all that has gathered, and moves the head behind it. */
  async #finish(): Promise<void> {
    await this.#put();
    await this.#outbox.finish();
    await this.#move();
  }

  async #move(): Promise<void> {
    const { arrived, arrivedBytes } = this.#outbox;
    const newest = arrived.at(-1);
    if (newest === undefined) return;
    this.#shipped.storedBytes += arrivedBytes;
    const { last, maxTimestamp, chain } = newest;
    const { version, moment } = this.#settled!;
    // Of the last commit's time there may be more, unless it is the last one of all.
    const covered = last === version && this.#writer.owns ? moment - 1 : maxTimestamp - 1;
    const counts = (ingest: ArchivedIngest): boolean => ingest.version <= last;
    const joined = this.#ingests.filter(counts);
    const ingests = [...countedIngests(this.#head), ...joined];
    if (joined.length > 0) {
      await this.#writer.move({ ...this.#head, ingests });
      await this.#lease?.assertHeld(); // (2)
    }
    await this.#writer.move({
      ...this.#head,
      version: last,
      timestamp: maxTimestamp,
      chain,
      coveredUntil: Math.max(this.#head.coveredUntil, covered),
      ingests,
    });
    this.#ingests = this.#ingests.filter((ingest) => !counts(ingest));
    this.#shipped.objects.push(...arrived);
    this.#outbox.counted();
  }

  /** Says that nothing was committed up to now; of another's history nobody knows that. */
  async #cover(): Promise<void> {
    const { version, moment } = this.#settled!;
    const head = this.#head;
    if (head.version !== version || !this.#writer.owns) return;
    await this.#writer.claimNow();
    if (moment - 1 > head.coveredUntil) await this.#writer.move({ ...this.#head, coveredUntil: moment - 1 });
  }

  /** The log up to now is gone: a new chain begins behind it, and the gap stays noted. */
  async #gap(settled: SettledPoint): Promise<void> {
    this.#writer.endFollowing();
    const { engine, context, id } = this.#writer;
    const old = this.#head;
    this.#shipped.gap = { from: old.version + 1, to: settled.version };
    // What a history lacks that another may be writing on is for him to say. One's own is over, and the next begins here.
    if (engine.forked) {
      await rememberSlot(engine, context, settled.version, true);
      this.#writer.stands = true;
      return;
    }
    if (old.lineage !== engine.lineage) {
      this.#writer.turnTo(await headAfterFork(context, engine, engine.lineage, old, id));
    }
    await this.#writer.claimNow();
    await this.#writer.move(headBehindGap(this.#head, old, settled));
  }
}
