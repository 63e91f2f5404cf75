/**
 * Log objects on their way into the store, several at a time, and those that arrived but that no head counts yet.
 *
 * ```
 * begin ─► under way (up to 2) ─► arrived ─► counted: the head is moved behind them
 * ```
 *
 * (1) They are handed out in the order of their commits, so that a head never counts one before those that lead up to it.
 * (2) After a failure `abandon` waits for the others: nothing goes on behind a call that has ended.
 *
 * @module
 */
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import { logName, type LogPiece, nextChain, writeLogHead } from "../../../format/repository/archived_log.ts";
import type { RepositoryContext } from "../core/context.ts";
import { logPrefix } from "../core/layout.ts";
import { putLogObject, rawLog } from "./log_object.ts";
import type { LogObjectSent, ShipOptions } from "./shipment.ts";

/** Objects under way at a time: one is compressed, synced and read back while the next is gathered and begun. */
const UNDER_WAY_MAX = 2;

/** Larger memory is not kept for the next piece: a single commit may take half a gigabyte. */
const SPARE_BYTES_MAX = 8 * 2 ** 20;

interface UnderWay {
  sent: Omit<LogObjectSent, "storedBytes">;
  pieces: readonly LogPiece[];
  put: Promise<{ storedBytes: number }>;
}

/** The objects of one shipment. */
export class LogOutbox {
  readonly #context: RepositoryContext;
  readonly #options: ShipOptions;
  readonly #underWay: UnderWay[] = [];
  #arrived: LogObjectSent[] = [];
  /** Memory of pieces that are stored. */
  readonly #spare: Uint8Array[] = [];

  constructor(context: RepositoryContext, options: ShipOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** Memory that pieces had which are stored by now. */
  spare(): Uint8Array | undefined {
    return this.#spare.pop();
  }

  /** What was begun last, unless a head counts it. */
  get newest(): Pick<LogObjectSent, "last" | "chain"> | undefined {
    return this.#underWay.at(-1)?.sent ?? this.#arrived.at(-1);
  }

  /** Bytes as stored that the head could be moved over. */
  get arrivedBytes(): number {
    return this.#arrived.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  }

  /** Writes pieces as one object, behind all that were begun and, before them, `head`. Waits while too many are under way. */
  async begin(head: HeadDocument, pieces: readonly LogPiece[]): Promise<void> {
    const first = pieces[0]!;
    const { last, maxTimestamp } = pieces.at(-1)!;
    const previous = this.newest?.chain ?? head.chain;
    const chain = pieces.reduce((before, piece) => nextChain(before, piece.bytes), previous);
    const { database, lineage } = head;
    const key = logPrefix(database, lineage) + logName(first.first, last, chain);
    const { minTimestamp } = first;
    const start = writeLogHead({ database, lineage, previous, first: first.first, last, minTimestamp, maxTimestamp });
    const put = putLogObject(this.#context, key, () => rawLog(start, pieces), this.#options);
    put.catch(() => {}); // It is awaited in its turn, or by `abandon`.
    const sent = { key, first: first.first, last, minTimestamp, maxTimestamp, previous, chain };
    this.#underWay.push({ sent, pieces, put });
    while (this.#underWay.length >= UNDER_WAY_MAX) await this.#next();
  }

  /** Waits for all that were begun. */
  async finish(): Promise<void> {
    while (this.#underWay.length > 0) await this.#next();
  }

  /** What arrived since the last time, for a head to be moved over; `counted` says that it was. (1) */
  get arrived(): readonly LogObjectSent[] {
    return this.#arrived;
  }

  /** A head counts what arrived. */
  counted(): void {
    this.#arrived = [];
  }

  /**
   * Gives up. (2) What arrived stays: what another archives of the same commits has the same names, and he may have found it
   * there. Readers never look beyond heads.
   */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.#underWay.map(({ put }) => put));
  }

  async #next(): Promise<void> {
    const { sent, pieces, put } = this.#underWay[0]!;
    const { storedBytes } = await put;
    this.#underWay.shift();
    this.#arrived.push({ ...sent, storedBytes });
    for (const { bytes } of pieces) {
      if (bytes.buffer.byteLength <= SPARE_BYTES_MAX) this.#spare.push(new Uint8Array(bytes.buffer));
    }
  }
}
