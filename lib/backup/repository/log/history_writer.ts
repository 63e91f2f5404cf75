/**
 * One writer of a database's history in a repository: the head that it goes on from, and the commits that come next.
 *
 * @module
 */
import { toHex } from "../../../base/bytes.ts";
import type { CommitEvent, Engine, LogFollower, LogStretch } from "../../../engine/types.ts";
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import type { RepositoryContext } from "../core/context.ts";
import { attach } from "./attach.ts";
import { type Head, overtaken, REPAIR_WRITER, switchHead } from "./heads.ts";
import { PIECE_BYTES, type Shipped } from "./shipment.ts";
import { slotOf } from "./slots.ts";

/** One writer of a history. */
export class HistoryWriter {
  /** The repository, by the handle whose turn it is. */
  context: RepositoryContext;
  /** The database. */
  readonly engine: Engine;
  /** Who writes, in heads. */
  readonly id: string;
  #head: Head | undefined;
  #earlier: HeadDocument | undefined;
  #follower: LogFollower | undefined;
  /** Whether the database stood in another's history, and had nothing to archive there, when it was last looked at. */
  stands = false;
  /** What of the log was left out when it was last looked at, until a shipment tells. */
  gap: Shipped["gap"];
  /** The history that this writer has claimed: another's epoch in its head means that it was overtaken. */
  #claimed: string | undefined;

  /** Nothing is read before `attach`. */
  constructor(context: RepositoryContext, engine: Engine) {
    this.context = context;
    this.engine = engine;
    this.id = toHex(context.randomBytes(16));
  }

  /** The head as last seen. That of its original says nothing of what a copy has written since. */
  get seen(): HeadDocument | undefined {
    return this.#isOfOriginal() ? undefined : this.#head?.body;
  }

  /** The head to go on from, once it is attached. */
  get head(): Head {
    return this.#head!;
  }

  /** Whether the head is that of the database's own history, and not of one that others may write on. */
  get owns(): boolean {
    return !this.engine.forked && this.#head!.body.lineage === this.engine.lineage;
  }

  /** Finds the head anew with the next `attach`. */
  letGo(): void {
    this.endFollowing();
    this.#earlier = this.#head?.body ?? this.#earlier;
    this.#head = undefined;
  }

  /** The head of its original is none to go on from, once a copy was written to, or where it is beyond the fork. */
  #isOfOriginal(): boolean {
    const { lineage, meta: { parents } } = this.engine;
    const head = this.#head?.body;
    if (head === undefined || head.lineage === lineage) return false;
    const fork = parents.find((parent) => parent.lineage === head.lineage);
    return this.stands || fork === undefined || head.version > fork.version;
  }

  /** Finds the head to go on from. */
  async attach(at?: number): Promise<void> {
    if (this.#isOfOriginal()) this.letGo();
    if (this.#head !== undefined) return;
    const slot = slotOf(this.engine, this.context);
    this.stands = this.engine.forked && (slot === undefined || slot.version >= this.engine.visibleVersion);
    const { body, etag, gap } = await attach(this.context, this.engine, this.id, at, this.#earlier);
    // Of a lower epoch than the one that was seen it has been put back, and overtakes nobody.
    const isOther = ![this.id, REPAIR_WRITER].includes(body.writer) && body.epoch >= (this.#earlier?.epoch ?? 0);
    if (isOther && this.#claimed === body.lineage) throw overtaken(this.context, body, body);
    this.#head = { body, etag };
    if (gap === undefined) return;
    if (this.owns) await this.claimNow(true);
    else this.stands = true;
    this.gap = gap;
  }

  /**
   * Makes this writer the one whose epoch the head has, and writes what is new in it. A history that another may be writing
   * on stays his: what is archived there is the same, whoever does it.
   */
  async claimNow(isNew = false): Promise<void> {
    const { body, etag } = this.#head!;
    if (!isNew && etag !== undefined && (body.writer === this.id || !this.owns)) return;
    await this.move({ ...body, epoch: body.epoch + (etag === undefined ? 0 : 1), writer: this.id });
    if (this.owns) this.#claimed = body.lineage;
  }

  /** Switches the head. */
  async move(to: HeadDocument): Promise<void> {
    this.#head = await switchHead(this.context, this.#head!, to);
  }

  /** Goes over into another history. */
  turnTo(head: Head): void {
    this.#head = head;
  }

  /** The next commits behind `version`. */
  async next(version: number, visit: (commit: CommitEvent) => void): Promise<LogStretch | undefined> {
    if (this.#follower !== undefined && this.#follower.version !== version) this.endFollowing();
    this.#follower ??= this.engine.follow(version);
    return await this.#follower.next(PIECE_BYTES, visit);
  }

  /** Begins reading anew with the next call. */
  endFollowing(): void {
    this.#follower?.close();
    this.#follower = undefined;
  }
}
