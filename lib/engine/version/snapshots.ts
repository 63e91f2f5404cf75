/**
 * The versions that must stay readable, and what they allow compaction to drop.
 *
 * Live snapshots cut the versions into stripes: a reader at snapshot s sees, of each key, the newest row at or below s,
 * so of two rows of one key between the same two snapshots nobody sees the older one.
 *
 * @module
 */
import type { EngineSnapshot } from "../types.ts";

interface Held {
  version: number;
  moment: number;
}

/** Snapshots in version order. */
export class SnapshotList {
  // A set keeps the order, and lets any of thousands go at once.
  readonly #held = new Set<Held>();

  /** How many are held. */
  get size(): number {
    return this.#held.size;
  }

  /** Holds the state after `version`; expiry is judged at `moment`. */
  take(version: number, timestamp: number, moment: number): EngineSnapshot {
    const held = { version, moment };
    // Versions never go down, so the list stays sorted.
    this.#held.add(held);
    const snapshot = {
      version,
      timestamp,
      moment,
      released: false,
      release: () => {
        snapshot.released = true;
        this.#held.delete(held);
      },
    };
    return snapshot;
  }

  /** The stripes as of now, for one flush or compaction; `now` judges expiry for those who hold nothing. */
  stripes(now: number): Stripes {
    const versions = new Set<number>();
    let moment = now;
    for (const held of this.#held) {
      versions.add(held.version);
      moment = Math.min(moment, held.moment);
    }
    return new Stripes([...versions], moment);
  }
}

/** Which rows nobody can tell apart. */
export class Stripes {
  readonly #versions: readonly number[];
  /** What has expired at or before this has expired for every reader. */
  readonly moment: number;

  /** `versions` ascending, without repeats. */
  constructor(versions: readonly number[], moment: number) {
    this.#versions = versions;
    this.moment = moment;
  }

  /** The stripe of a version: 0 is seen by the oldest snapshot, the last by the present. */
  of(version: number): number {
    const versions = this.#versions;
    let low = 0;
    let high = versions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (versions[middle]! < version) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The newest version that belongs to a stripe. */
  end(stripe: number): number {
    return this.#versions[stripe] ?? Number.MAX_SAFE_INTEGER;
  }

  /** How many stripes there are. */
  get count(): number {
    return this.#versions.length + 1;
  }
}
