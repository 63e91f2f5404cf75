/**
 * Batches that are put together call by call.
 *
 * @module
 */
import type { Durability } from "../../engine/types.ts";
import { AbstractChainedBatch, type AbstractChainedBatchWriteOptions } from "./abstract_level.ts";
import type { Data } from "./data.ts";
import type { LevelWrite } from "./entries.ts";
import type { SyncOption } from "./options.ts";

/** Options of a chained batch's `write`. */
export interface LevelWriteOptions extends AbstractChainedBatchWriteOptions, SyncOption {}

/** Operations that `write` makes in one commit; each is checked and copied at the call. */
export class LevelChainedBatch<D, KDefault, VDefault> extends AbstractChainedBatch<D, KDefault, VDefault> {
  readonly #begin: () => LevelWrite;
  readonly #durability: (options: SyncOption) => Durability | undefined;
  #write: LevelWrite;

  /** Made by `batch()`. @internal */
  constructor(db: D, begin: () => LevelWrite, durability: (options: SyncOption) => Durability | undefined) {
    super(db);
    this.#begin = begin;
    this.#durability = durability;
    this.#write = begin();
  }

  /** Makes the operations in one commit, and closes the batch. */
  override write(): Promise<void>;
  /** As above, durable as the options say. */
  override write(options: LevelWriteOptions): Promise<void>;
  override write(options: LevelWriteOptions = {}): Promise<void> {
    return super.write(options);
  }

  /** @internal */
  _put(key: Data, value: Data): void {
    this.#write.put(key, value);
  }

  /** @internal */
  _del(key: Data): void {
    this.#write.del(key);
  }

  /** @internal */
  _clear(): void {
    this.#write = this.#begin();
  }

  /** @internal */
  async _write(options: SyncOption): Promise<void> {
    await this.#write.commit(this.#durability(options));
  }
}
