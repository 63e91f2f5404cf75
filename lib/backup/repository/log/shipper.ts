/**
 * Takes the log of an open database into a repository: what backups and replication do in common. All handles of a process on
 * one repository are one writer and take turns, so that they don't overtake each other.
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
import { LineageError } from "../../../base/errors.ts";
import { Turns } from "../../../base/turns.ts";
import type { Engine } from "../../../engine/types.ts";
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import type { RepositoryContext } from "../core/context.ts";
import { HeadTouchedError, TOUCHES } from "./heads.ts";
import { HistoryWriter } from "./history_writer.ts";
import { Shipment } from "./log_shipment.ts";
import type { ShipOptions, Shipped } from "./shipment.ts";

/** What all handles of a process share of one database and one repository. */
interface Shared {
  readonly writer: HistoryWriter;
  readonly turns: Turns;
  /** The base that a replication is just making; resolves with what kept it from being made. */
  basing: Promise<unknown> | undefined;
  /** A writer that was overtaken stays so. */
  overtaken: LineageError | undefined;
}

const byEngine = new WeakMap<Engine, Map<string, Shared>>();

/** Takes a database's log into a repository, through one handle. */
export class Shipper {
  readonly #context: RepositoryContext;
  readonly #shared: Shared;

  private constructor(context: RepositoryContext, shared: Shared) {
    this.#context = context;
    this.#shared = shared;
  }

  /** For this database, through this handle. */
  static of(context: RepositoryContext, engine: Engine): Shipper {
    const byRepository = byEngine.get(engine) ?? new Map<string, Shared>();
    byEngine.set(engine, byRepository);
    const shared = byRepository.get(context.id) ??
      { writer: new HistoryWriter(context, engine), turns: new Turns(), basing: undefined, overtaken: undefined };
    byRepository.set(context.id, shared);
    return new Shipper(context, shared);
  }

  /** The base that a replication in this program is just making; resolves with what kept it from being made. */
  get basing(): Promise<unknown> | undefined {
    return this.#shared.basing;
  }

  set basing(base: Promise<unknown> | undefined) {
    this.#shared.basing = base;
  }

  /** The head as last seen; undefined when it says nothing of what this database has written. */
  get head(): HeadDocument | undefined {
    return this.#shared.writer.seen;
  }

  /** Takes in all that is committed by now. Calls take turns. */
  ship(options: ShipOptions = {}): Promise<Shipped> {
    return this.inTurn((writer) => new Shipment(writer, options).run());
  }

  /**
   * Claims the history for this writer, so that an earlier one stops even before there is anything to take in, and says where
   * archiving goes on; behind version `at`, if it is to begin without a slot.
   */
  claim(at?: number): Promise<number> {
    return this.inTurn(async (writer) => {
      await writer.attach(at);
      // Who stands in another's history would take it from there.
      if (writer.owns) await writer.claimNow();
      return writer.head.body.version;
    });
  }

  /** Lets go of the log; the next call begins anew. */
  detach(): Promise<void> {
    return this.inTurn((writer) => Promise.resolve(writer.letGo()));
  }

  /** Runs `work` while no other call runs; again, where housekeeping touched the head meanwhile. */
  inTurn<T>(work: (writer: HistoryWriter) => Promise<T>): Promise<T> {
    const shared = this.#shared;
    const { writer } = shared;
    return shared.turns.take(async () => {
      if (shared.overtaken !== undefined) throw shared.overtaken;
      // Each handle by its own keys and store: another's may be closed by now, or not be allowed to do this.
      writer.context = this.#context;
      for (let tries = 1;; tries++) {
        try {
          return await work(writer);
        } catch (error) {
          writer.letGo();
          if (error instanceof HeadTouchedError && tries < TOUCHES) continue;
          if (error instanceof LineageError) shared.overtaken = error;
          throw error;
        }
      }
    });
  }
}
