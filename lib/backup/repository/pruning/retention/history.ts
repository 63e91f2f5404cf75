/**
 * Histories and the archived log along them.
 *
 * ```
 * parents of C: [{A, 40}, {B, 70}]
 *
 * versions   1 .... 40 | 41 .... 70 | 71 ....
 * read from      A     |     B      |    C          three stretches
 * ```
 *
 * @module
 */
import type { LogFact, ParentFact } from "./facts.ts";

/** A part of a history: the versions after `after`, up to and with `upTo`, are those of `lineage`. */
export interface Stretch {
  /** Whose versions they are. */
  lineage: string;
  /** The last version before them. */
  after: number;
  /** Their last version. */
  upTo: number;
}

/** The stretches of a history, the oldest first. */
export function historyOf(lineage: string, parents: readonly ParentFact[]): Stretch[] {
  const stretches: Stretch[] = [];
  let upTo = Infinity;
  for (let i = parents.length; i >= 0; i--) {
    // A history that went back to before its parent began holds nothing of that parent.
    const after = i === 0 ? -1 : Math.min(upTo, parents[i - 1]!.version);
    stretches.push({ lineage: i === parents.length ? lineage : parents[i]!.lineage, after, upTo });
    upTo = after;
  }
  return stretches.reverse();
}

/** The archived log of one database. */
export class ArchivedLog {
  readonly #lineages: ReadonlyMap<string, LineageLog>;

  /** Takes the log of one database. */
  constructor(log: readonly LogFact[]) {
    const lineages = new Set(log.map(({ lineage }) => lineage));
    this.#lineages = new Map(
      [...lineages].map((lineage) => [lineage, new LineageLog(log.filter((each) => each.lineage === lineage))]),
    );
  }

  /** The last version that the log leads to without a hole, from `version` on; `version` when it has nothing for it. */
  reach(history: readonly Stretch[], version: number): number {
    let at = version;
    for (const { lineage, upTo } of history) {
      if (upTo <= at) continue;
      at = Math.max(at, Math.min(this.#lineages.get(lineage)?.endOf(at + 1) ?? at, upTo));
      if (at < upTo) break;
    }
    return at;
  }

  /** All objects that hold any of the versions `from` to `to`. */
  holding(history: readonly Stretch[], from: number, to: number): LogFact[] {
    return history.flatMap(({ lineage, after, upTo }) => {
      const [low, high] = [Math.max(from, after + 1), Math.min(to, upTo)];
      return low > high ? [] : this.#lineages.get(lineage)?.holding(low, high) ?? [];
    });
  }
}

/** The log of one lineage; objects may overlap, for merged ones stand beside what they were merged from. */
class LineageLog {
  /** By their first version. */
  readonly #sorted: readonly LogFact[];
  /** For each, the greatest last version up to it: ends a search backwards. */
  readonly #lastSoFar: number[] = [];

  constructor(log: readonly LogFact[]) {
    this.#sorted = [...log].sort((a, b) => a.first - b.first || a.last - b.last);
    let last = -1;
    for (const each of this.#sorted) this.#lastSoFar.push(last = Math.max(last, each.last));
  }

  /** The last version of the unbroken run that holds `version`, if one does. */
  endOf(version: number): number | undefined {
    let end: number | undefined;
    for (let i = this.#begunBy(version) - 1; i < this.#sorted.length; i++) {
      if (i < 0) continue;
      if (this.#sorted[i]!.first > (end ?? version - 1) + 1) break;
      if (this.#lastSoFar[i]! >= version) end = this.#lastSoFar[i]!;
    }
    return end;
  }

  holding(from: number, to: number): LogFact[] {
    const found: LogFact[] = [];
    for (let i = this.#begunBy(to) - 1; i >= 0 && this.#lastSoFar[i]! >= from; i--) {
      if (this.#sorted[i]!.last >= from) found.push(this.#sorted[i]!);
    }
    return found.reverse();
  }

  /** How many objects begin at or before `version`. */
  #begunBy(version: number): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]!.first <= version) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
