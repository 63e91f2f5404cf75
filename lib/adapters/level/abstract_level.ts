/**
 * The one place where `abstract-level` is imported. Its declarations leave out what is meant for implementations; the bases
 * of our own classes are given here with the constructors that they really have.
 *
 * @module
 */
import {
  AbstractChainedBatch,
  AbstractIterator,
  AbstractKeyIterator,
  AbstractLevel,
  AbstractSnapshot,
  AbstractValueIterator,
  type Transcoder,
} from "abstract-level";

export { AbstractChainedBatch, AbstractIterator, AbstractKeyIterator, AbstractLevel, AbstractValueIterator };
export type {
  AbstractBatchOperation,
  AbstractBatchOptions,
  AbstractChainedBatchWriteOptions,
  AbstractDatabaseOptions,
  AbstractDelOptions,
  AbstractOpenOptions,
  AbstractPutOptions,
  AbstractSnapshot,
} from "abstract-level";

/** `AbstractSnapshot`, whose constructor is told by `owner` which database closes it. */
export const SnapshotBase = AbstractSnapshot as unknown as new (options: object) => AbstractSnapshot;

/** An encoding by itself, or what makes one. */
export type MixedEncoding<TIn, TFormat, TOut> = Transcoder.MixedEncoding<TIn, TFormat, TOut>;
