/**
 * Which objects of an archived log make one unbroken history. Pure: it decides over names.
 *
 * A name says which versions an object holds and the chain's hash at the last of them. Objects may overlap (merged ranges
 * beside what they were merged from), and one may stand there that no head ever counted (a writer that was overtaken). So
 * the walk begins at a place that is vouched for, a head or a backup's manifest, and goes back from there: at each version
 * it takes, of the objects that end there, the one that reaches back furthest.
 *
 * @module
 */
import { type LogName, parseLogName } from "../../../format/repository/archived_log.ts";

/** An object of the log. */
export interface LogObject extends LogName {
  /** Its whole key. */
  key: string;
  /** Its stored bytes. */
  size: number;
  /** Where it is left for another history: what it holds behind this version is not meant. */
  until?: number;
}

/** A version whose chain is vouched for; `chain` undefined: whatever ends or lies there. */
export interface LogAnchor {
  /** The version. */
  version: number;
  /** The chain's hash there. */
  chain: string | undefined;
}

/** The objects of a listing; what is not named like one is left out. */
export function logObjects(listed: Iterable<{ key: string; size: number }>): LogObject[] {
  const objects: LogObject[] = [];
  for (const { key, size } of listed) {
    const name = parseLogName(key.slice(key.lastIndexOf("/") + 1));
    if (name !== undefined) objects.push({ ...name, key, size });
  }
  return objects;
}

/** What a walk found. */
export interface LogWalk {
  /** The objects in order of their versions; together they hold `from` to the anchor without a hole. */
  objects: LogObject[];
  /** The first version they hold; the anchor's version + 1 when there is none. */
  from: number;
}

/** Objects by where they end, the ones that reach back furthest first. */
export class LogIndex {
  readonly #byLast = new Map<number, LogObject[]>();
  readonly #all: LogObject[];

  /** Over all objects of one history. */
  constructor(objects: readonly LogObject[]) {
    this.#all = [...objects].sort((a, b) => a.first - b.first || b.last - a.last);
    for (const object of this.#all) {
      const same = this.#byLast.get(object.last);
      if (same === undefined) this.#byLast.set(object.last, [object]);
      else same.push(object);
    }
  }

  /** All objects, by their first version. */
  get objects(): readonly LogObject[] {
    return this.#all;
  }

  /**
   * Walks back from an anchor until it has version `downTo`, or there is nothing before. `avoid`: objects known not to fit
   * (damaged, or of another chain).
   */
  walkBack(anchor: LogAnchor, downTo: number, avoid?: ReadonlySet<string>): LogWalk {
    const objects: LogObject[] = [];
    let at = anchor.version;
    let chain = anchor.chain;
    while (at >= downTo) {
      const found = this.#endingAt(at, chain, avoid) ?? this.#holding(at, avoid);
      if (found === undefined) break;
      objects.push(found);
      at = found.first - 1;
      chain = undefined;
    }
    return { objects: objects.reverse(), from: at + 1 };
  }

  #endingAt(version: number, chain: string | undefined, avoid?: ReadonlySet<string>): LogObject | undefined {
    return this.#byLast.get(version)?.find((object) =>
      (chain === undefined || object.chain === chain) && avoid?.has(object.key) !== true
    );
  }

  /** A merged range that goes on beyond the version: the shortest, so that least is read for nothing. */
  #holding(version: number, avoid?: ReadonlySet<string>): LogObject | undefined {
    let best: LogObject | undefined;
    for (const object of this.#all) {
      if (object.first > version) break;
      if (object.last <= version || avoid?.has(object.key) === true) continue;
      if (best === undefined || object.last - object.first < best.last - best.first) best = object;
    }
    return best;
  }
}
