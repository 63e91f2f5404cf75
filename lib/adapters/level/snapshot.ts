/**
 * Explicit snapshots.
 *
 * @module
 */
import type { Key } from "../../db/data/keys.ts";
import type { Snapshot } from "../../db/reading/snapshot.ts";
import { type AbstractSnapshot, SnapshotBase } from "./abstract_level.ts";

/** A snapshot as Level hands it around: a token that reads take as an option. */
export class LevelSnapshot extends SnapshotBase {
  /** What holds the version. */
  readonly held: Snapshot<Key>;

  /** Made by `snapshot()`; `options.owner` is the database or sublevel that closes it. */
  constructor(options: object, held: Snapshot<Key>) {
    super(options);
    this.held = held;
  }

  /** @internal */
  _close(): Promise<void> {
    this.held.release();
    return Promise.resolve();
  }
}

/** What the option `snapshot` of a read holds. */
export function heldBy(snapshot: AbstractSnapshot | null | undefined): Snapshot<Key> | undefined {
  if (snapshot === undefined || snapshot === null) return undefined;
  if (snapshot instanceof LevelSnapshot) return snapshot.held;
  throw new TypeError('option "snapshot" must be what snapshot() of this database returned');
}
