/**
 * Typed snapshots.
 *
 * @module
 */
import type { Key } from "../../db/data/keys.ts";
import type { Snapshot } from "../../db/reading/snapshot.ts";
import type { Shape } from "./shape.ts";
import { TypedReader } from "./typed_reader.ts";

/** One version of a typed space that stays readable until it is released. */
export class TypedSnapshot<K extends Key, In, Out> extends TypedReader<K, In, Out> implements Disposable {
  /** The snapshot beneath, for option `snapshot` of other reads. */
  readonly snapshot: Snapshot<K>;

  /** Made by `snapshot()`. @internal */
  constructor(snapshot: Snapshot<K>, shape: Shape<In, Out>) {
    super(snapshot, shape);
    this.snapshot = snapshot;
  }

  /** The version it shows. */
  get version(): number {
    return this.snapshot.version;
  }

  /** The time of that commit, ms since the Unix epoch. */
  get timestamp(): number {
    return this.snapshot.timestamp;
  }

  /** Lets go of it. Twice is fine. */
  release(): void {
    this.snapshot.release();
  }

  /** As `release`. */
  [Symbol.dispose](): void {
    this.snapshot.release();
  }
}
