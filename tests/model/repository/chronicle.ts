/**
 * What was: the contents at every version of every line of history. What a crash took, which nobody was promised, is
 * forgotten; nothing else ever is.
 */
import type { DB, Key, KeyEncoding } from "../../../mod.ts";
import { engineOf } from "../../../lib/engine/owner.ts";
import { type Contents, contentsOf } from "./contents.ts";

/** The contents at a version. */
export interface State {
  version: number;
  timestamp: number;
  contents: Contents;
}

/** A line of history. */
export interface Line {
  database: string;
  lineage: string;
  /** The lines it came from, the oldest first, each with the version at which it was left. */
  parents: readonly { lineage: string; version: number }[];
  states: Map<number, State>;
}

/** All of them. */
export class Chronicle {
  readonly lines: Map<string, Line> = new Map();
  readonly encodings: Map<string, KeyEncoding> = new Map();

  /** Notes what a database shows now. */
  note(db: DB<Key>): State {
    const { id: database, lineage, keyEncoding, meta: { parents } } = engineOf(db)!;
    this.encodings.set(database, keyEncoding);
    const line = this.lines.get(lineage) ?? { database, lineage, parents: [], states: new Map() };
    this.lines.set(lineage, line);
    if (line.database !== database) throw new Error(`lineage ${lineage} belongs to two databases`);
    // What a repair brings back without its manifest knows nothing of those before, nor does what is restored from that.
    if (parents.length >= line.parents.length) line.parents = parents;
    const state = { version: db.version, timestamp: db.timestamp, contents: contentsOf(db) };
    line.states.set(state.version, state);
    return state;
  }

  /** Adds a state to the line whose it is, seen from one that is there and may have left it since. */
  add(lineage: string, state: State): void {
    this.lineOf(lineage, state.version)!.states.set(state.version, state);
  }

  /** Whose a version is, seen from a line that may have come behind it. */
  lineOf(lineage: string, version: number): Line | undefined {
    const line = this.lines.get(lineage);
    if (line === undefined) return undefined;
    // The last fork first: a line that left its parent at 5 has nothing of what its parent did before it left its own at 10.
    let at = lineage;
    for (const parent of line.parents.toReversed()) {
      if (version > parent.version) break;
      at = parent.lineage;
    }
    return this.lines.get(at);
  }

  /** The contents at a version of a line or of those it came from. */
  state(lineage: string, version: number): State | undefined {
    return this.lineOf(lineage, version)?.states.get(version);
  }

  /** The newest version of a line. */
  last(lineage: string): number {
    return Math.max(
      ...this.lines.get(lineage)!.states.keys(),
      ...this.lines.get(lineage)!.parents.map((one) => one.version),
    );
  }

  /** The last state at or before a time; undefined: the line had none yet. */
  at(lineage: string, time: number): State | undefined {
    for (let version = this.last(lineage); version >= 0; version--) {
      const state = this.state(lineage, version);
      if (state !== undefined && state.timestamp <= time) return state;
    }
    return undefined;
  }

  /** Forgets what came behind a version. */
  truncate(lineage: string, version: number): void {
    const line = this.lines.get(lineage)!;
    for (const known of [...line.states.keys()]) if (known > version) line.states.delete(known);
  }
}
