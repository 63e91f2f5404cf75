/**
 * Takes the log of an open database into a repository: what backups and replication do in common. One for each database and
 * repository in a process, however many handles there are, so that they don't overtake each other.
 *
 * ```
 * follow the log ─► pieces ─► log objects ─► head (compare and swap) ─► slot (now and then)
 * ```
 *
 * (1) Only what is durable in the database is taken: it can't be lost there and stay here.
 * (2) Files that joined the database without passing through the log are archived before the record that names them.
 * (3) When the log no longer reaches back to the head, the gap is recorded and a new chain begins; a base must follow.
 *
 * @module
 */
import { HistoryGoneError, IntegrityError, LineageError } from "../../../base/errors.ts";
import { toHex } from "../../../base/bytes.ts";
import { throwIfAborted } from "../../../base/abort.ts";
import { Turns } from "../../../base/turns.ts";
import type { CommitEvent, Engine, LogFollower, LogStretch, SettledPoint } from "../../../engine/types.ts";
import type { IngestInfo } from "../../../format/log/batch.ts";
import { type LogPiece } from "../../../format/repository/archived_log.ts";
import { PieceWriter } from "../../../format/repository/piece_writer.ts";
import type { ArchivedIngest, HeadDocument } from "../../../format/repository/head_document.ts";
import { attach, headAfterFork } from "./attach.ts";
import { knownObjects, readBackups } from "../core/catalog.ts";
import type { RepositoryContext } from "../core/context.ts";
import { headKey } from "../core/layout.ts";
import { type Head, headBehindGap, HeadTouchedError, overtaken, REPAIR_WRITER, switchHead, TOUCHES } from "./heads.ts";
import { ingestOfCommit, shipIngest } from "./ingests.ts";
import { LogOutbox } from "./log_outbox.ts";
import { type Lease, takeLease } from "../core/lease.ts";
import type { KnownObjects } from "../making/place.ts";
import { MOVE_BYTES, OBJECT_BYTES, PIECE_BYTES } from "./shipment.ts";
import type { LogObjectSent, ShipOptions, Shipped } from "./shipment.ts";
import { rememberSlot, slotOf } from "./slots.ts";

const shippers = new WeakMap<Engine, Map<string, Shipper>>();

/** Takes a database's log into a repository. */
export class Shipper {
  readonly #engine: Engine;
  #context: RepositoryContext;
  readonly #writer: string;
  #head: Head | undefined;
  #seen: HeadDocument | undefined;
  #follower: LogFollower | undefined;
  readonly #turns = new Turns();
  /** Whether the database stood in another's history, and had nothing to archive there, when it was last looked at. @internal */
  stands = false;
  /** What of the log was left out when it was last looked at, until a shipment tells. @internal */
  gap: Shipped["gap"];
  /** The base that a replication in this program is just making; resolves with what kept it from being made. */
  basing: Promise<unknown> | undefined;
  /** A writer that was overtaken stays so. */
  #overtaken: LineageError | undefined;
  /** The history that this writer has claimed: another's epoch in its head means that it was overtaken. */
  #claimed: string | undefined;

  private constructor(context: RepositoryContext, engine: Engine) {
    this.#context = context;
    this.#engine = engine;
    this.#writer = toHex(context.randomBytes(16));
  }

  /** The one for this database and repository. */
  static of(context: RepositoryContext, engine: Engine): Shipper {
    let byRepository = shippers.get(engine);
    if (byRepository === undefined) shippers.set(engine, byRepository = new Map());
    let shipper = byRepository.get(context.id);
    if (shipper === undefined) byRepository.set(context.id, shipper = new Shipper(context, engine));
    // The handle used last has the keys and the store that surely work.
    shipper.#context = context;
    return shipper;
  }

  /** The head as last seen. That of its original says nothing of what a copy has written since. */
  get head(): HeadDocument | undefined {
    return this.#isOfOriginal() ? undefined : this.#head?.body;
  }

  /** Takes in all that is committed by now. Calls take turns. */
  ship(options: ShipOptions = {}): Promise<Shipped> {
    return this.inTurn(() => new Shipment(this, options).run());
  }

  /**
   * Claims the history for this writer, so that an earlier one stops even before there is anything to take in, and says where
   * archiving goes on; behind version `at`, if it is to begin without a slot.
   */
  claim(at?: number): Promise<number> {
    return this.inTurn(async () => {
      await this.attach(at);
      // Who stands in another's history would take it from there.
      if (this.owns) await this.claimNow();
      return this.#head!.body.version;
    });
  }

  /** Lets go of the log; the next call begins anew. */
  detach(): Promise<void> {
    return this.inTurn(() => Promise.resolve(this.#letGo()));
  }

  /** Runs `work` while no other call runs; again, where housekeeping touched the head meanwhile. @internal */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.take(async () => {
      if (this.#overtaken !== undefined) throw this.#overtaken;
      for (let tries = 1;; tries++) {
        try {
          return await work();
        } catch (error) {
          this.#letGo();
          if (error instanceof HeadTouchedError && tries < TOUCHES) continue;
          if (error instanceof LineageError) this.#overtaken = error;
          throw error;
        }
      }
    });
  }

  #letGo(): void {
    this.endFollowing();
    this.#seen = this.#head?.body ?? this.#seen;
    this.#head = undefined;
  }

  /** What the shipment under way works with. @internal */
  get parts(): { engine: Engine; context: RepositoryContext; writer: string } {
    return { engine: this.#engine, context: this.#context, writer: this.#writer };
  }

  /** The head that is being moved on. @internal */
  get current(): Head {
    return this.#head!;
  }

  /** Whether the head is that of the database's own history, and not of one that others may write on. @internal */
  get owns(): boolean {
    return !this.#engine.forked && this.#head!.body.lineage === this.#engine.lineage;
  }

  /** The head of its original is none to go on from, once a copy was written to, or where it is beyond the fork. */
  #isOfOriginal(): boolean {
    const { lineage, meta: { parents } } = this.#engine;
    const head = this.#head?.body;
    if (head === undefined || head.lineage === lineage) return false;
    const fork = parents.find((parent) => parent.lineage === head.lineage);
    return this.stands || fork === undefined || head.version > fork.version;
  }

  /** Finds the head to go on from. @internal */
  async attach(at?: number): Promise<void> {
    if (this.#isOfOriginal()) this.#letGo();
    if (this.#head !== undefined) return;
    const slot = slotOf(this.#engine, this.#context);
    this.stands = this.#engine.forked && (slot === undefined || slot.version >= this.#engine.visibleVersion);
    const { body, etag, gap } = await attach(this.#context, this.#engine, this.#writer, at, this.#seen);
    // Of a lower epoch than the one that was seen it has been put back, and overtakes nobody.
    const isOther = ![this.#writer, REPAIR_WRITER].includes(body.writer) && body.epoch >= (this.#seen?.epoch ?? 0);
    if (isOther && this.#claimed === body.lineage) throw overtaken(this.#context, body, body);
    this.#head = { body, etag };
    if (gap === undefined) return;
    if (this.owns) await this.claimNow(true);
    else this.stands = true;
    this.gap = gap;
  }

  /**
   * Makes this writer the one whose epoch the head has, and writes what is new in it. A history that another may be writing
   * on stays his: what is archived there is the same, whoever does it. @internal
   */
  async claimNow(isNew = false): Promise<void> {
    const { body, etag } = this.#head!;
    if (!isNew && etag !== undefined && (body.writer === this.#writer || !this.owns)) return;
    await this.move({ ...body, epoch: body.epoch + (etag === undefined ? 0 : 1), writer: this.#writer });
    if (this.owns) this.#claimed = body.lineage;
  }

  /** Switches the head. @internal */
  async move(to: HeadDocument): Promise<void> {
    this.#head = await switchHead(this.#context, this.#head!, to);
  }

  /** Goes over into another history. @internal */
  turnTo(head: Head): void {
    this.#head = head;
  }

  /** The next commits behind `version`. @internal */
  async next(version: number, visit: (commit: CommitEvent) => void): Promise<LogStretch | undefined> {
    if (this.#follower !== undefined && this.#follower.version !== version) this.endFollowing();
    this.#follower ??= this.#engine.follow(version);
    return await this.#follower.next(PIECE_BYTES, visit);
  }

  /** Begins reading anew with the next call. @internal */
  endFollowing(): void {
    this.#follower?.close();
    this.#follower = undefined;
  }
}

/** One call: from the head to what is committed now. */
class Shipment {
  readonly #shipper: Shipper;
  readonly #options: ShipOptions;
  readonly #outbox: LogOutbox;
  #pieces: LogPiece[] = [];
  #bytes = 0;
  #ingests: ArchivedIngest[] = [];
  #settled: SettledPoint | undefined;
  #shipped = { bytes: 0, storedBytes: 0, objects: [] as LogObjectSent[], gap: undefined as Shipped["gap"] };
  #lease: Lease | undefined;
  #known: KnownObjects | undefined;

  constructor(shipper: Shipper, options: ShipOptions) {
    this.#shipper = shipper;
    this.#options = options;
    this.#outbox = new LogOutbox(shipper.parts.context, options);
  }

  async run(): Promise<Shipped> {
    const { engine, context } = this.#shipper.parts;
    const resume = engine.deferCompaction();
    try {
      const settled = this.#settled = await engine.settled();
      await this.#shipper.attach();
      this.#shipped.gap = this.#shipper.gap;
      // A copy that was never written to has nothing of its own to take in.
      if (!this.#shipper.stands) {
        await this.#follow(settled);
        const { heartbeat = false, slot } = this.#options;
        if (heartbeat) await this.#cover();
        const version = Math.min(this.#head.version, settled.version);
        const moved = rememberSlot(engine, context, version, heartbeat, slot?.until);
        if (slot === undefined) await moved;
        else slot.onMoving(moved);
      }
      this.#shipper.gap = undefined;
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
    return this.#shipper.current.body;
  }

  async #follow(settled: SettledPoint): Promise<void> {
    try {
      for (;;) {
        throwIfAborted(this.#options.signal);
        const at = (this.#pieces.at(-1) ?? this.#outbox.newest)?.last ?? this.#head.version;
        if (at >= settled.version) break;
        const writer = new PieceWriter(this.#memory());
        const joined: { version: number; info: IngestInfo }[] = [];
        const stretch = await this.#shipper.next(at, ({ version, timestamp, ops }) => {
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

  /** Archives the files that joined with a commit. (2) */
  async #ship(version: number, info: IngestInfo): Promise<void> {
    const { context, engine } = this.#shipper.parts;
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
    const { context, engine } = this.#shipper.parts;
    this.#lease ??= await takeLease(context, { kind: "replicate", holder: engine.path });
    return this.#known ??= await knownObjects(context, await readBackups(context), false);
  }

  async #turnTo(lineage: string, version: number): Promise<void> {
    await this.#finish();
    const { context, engine, writer } = this.#shipper.parts;
    const head = await headAfterFork(context, engine, lineage, this.#head, writer);
    // A copy of this database archives the same history just now: looked at anew, and gone on from there.
    if (head.body.version > version) throw new HeadTouchedError(headKey(engine.id, lineage));
    // What is taken in next begins behind `version`, and must not be put behind anything else.
    if (head.body.version !== version) {
      throw new IntegrityError(
        `Cannot archive the log of ${engine.path} in ${context.name}: its history ${lineage} is there up to version ` +
          `${head.body.version}, and not to ${version}; run verify, then repair`,
      );
    }
    this.#shipper.turnTo(head);
  }

  /** Begins to write what has gathered as one object; now and then moves the head behind what arrived. */
  async #put(): Promise<void> {
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    const claimed = this.#shipper.claimNow();
    claimed.catch(() => {}); // It is awaited below.
    // Log without a head can't be told from log whose head is lost.
    if (this.#shipper.current.etag === undefined) await claimed;
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
    const covered = last === version && this.#shipper.owns ? moment - 1 : maxTimestamp - 1;
    const counts = (ingest: ArchivedIngest): boolean => ingest.version <= last;
    const head = this.#head;
    await this.#lease?.assertHeld();
    await this.#shipper.move({
      ...head,
      version: last,
      timestamp: maxTimestamp,
      chain,
      coveredUntil: Math.max(head.coveredUntil, covered),
      ingests: [...head.ingests, ...this.#ingests.filter(counts)],
    });
    this.#ingests = this.#ingests.filter((ingest) => !counts(ingest));
    this.#shipped.objects.push(...arrived);
    this.#outbox.counted();
  }

  /** Says that nothing was committed up to now; of another's history nobody knows that. */
  async #cover(): Promise<void> {
    const { version, moment } = this.#settled!;
    const head = this.#head;
    if (head.version !== version || !this.#shipper.owns) return;
    await this.#shipper.claimNow();
    if (moment - 1 > head.coveredUntil) await this.#shipper.move({ ...this.#head, coveredUntil: moment - 1 });
  }

  /** The log up to now is gone: a new chain begins behind it, and the gap stays noted. */
  async #gap(settled: SettledPoint): Promise<void> {
    this.#shipper.endFollowing();
    const { engine, context, writer } = this.#shipper.parts;
    const old = this.#head;
    this.#shipped.gap = { from: old.version + 1, to: settled.version };
    // What a history lacks that another may be writing on is for him to say. One's own is over, and the next begins here.
    if (engine.forked) {
      await rememberSlot(engine, context, settled.version, true);
      this.#shipper.stands = true;
      return;
    }
    if (old.lineage !== engine.lineage) {
      this.#shipper.turnTo(await headAfterFork(context, engine, engine.lineage, old, writer));
    }
    await this.#shipper.claimNow();
    await this.#shipper.move(headBehindGap(this.#head, old, settled));
  }
}
