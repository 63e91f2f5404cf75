/**
 * The model: what the database must hold, as plain sorted arrays with all their versions. It knows nothing of tables, logs
 * or files; every version there ever was can be asked for.
 */
import type { Commit } from "../../mod.ts";
import { type Found, Versioned } from "./versioned.ts";

/** An entry. */
export interface ModelEntry {
  /** See `plainOf`. */
  value: string;
  version: number;
  timestamp: number;
  tags: readonly string[];
  expiresAt: number | undefined;
}

/** A range of keys; without `end` up to the last. */
export interface ModelRange {
  start: string;
  end: string | undefined;
}

/** One operation of a commit. `space`: the names of the namespace, joined by "/"; "" for the root. */
export type ModelOperation =
  | ({ type: "set"; space: string; key: string } & Pick<ModelEntry, "value" | "tags" | "expiresAt">)
  | { type: "delete"; space: string; key: string }
  | ({ type: "deleteRange"; space: string } & ModelRange)
  | { type: "clear"; space: string };

/** What one commit did; `reset`: a restore. */
export interface ModelCommit extends Commit {
  operations: readonly ModelOperation[];
  reset: boolean;
}

/** What a restore brings: entries by key space, and the namespaces there are. */
export interface ModelContent {
  entries: Map<string, Found<ModelEntry>[]>;
  spaces: string[];
}

/** A version and the moment that decides what has expired. */
export interface ModelPoint {
  version: number;
  moment: number;
}

/** What can be asked for entries: a point in time, or what a transaction sees. */
export interface ModelView {
  get(space: string, key: string): ModelEntry | undefined;
  list(space: string, range: ModelRange, tags: readonly string[]): Found<ModelEntry>[];
}

interface Space {
  rows: Versioned<ModelEntry>;
  /** From which version on it was there or not. */
  existence: { version: number; exists: boolean }[];
}

/** All there is and ever was. */
export class Model {
  /** The newest version. */
  version = 0;
  /** Its time. */
  timestamp = 0;
  /** All commits, oldest first. */
  commits: ModelCommit[] = [];
  #earliest = 0;
  readonly #spaces = new Map<string, Space>();

  constructor() {
    this.#space("").existence.push({ version: 0, exists: true });
  }

  /** It was opened (again) with a newest commit of this time, which no later one gets. */
  opened(timestamp: number): void {
    this.#earliest = timestamp + 1;
  }

  /** Makes a commit and returns it. */
  commit(timestamp: number, operations: readonly ModelOperation[]): Commit {
    const version = ++this.version;
    this.timestamp = timestamp = Math.max(timestamp, this.timestamp, this.#earliest);
    // What is deleted in a namespace that isn't there is no change.
    const written = operations.map((one) => one.type === "set" ? one.space : "");
    const counted = operations.filter(({ type, space }) =>
      type === "set" || type === "clear" || this.existsAt(space, version) || written.includes(space)
    );
    for (const operation of counted) this.#apply(operation, version, timestamp);
    this.commits.push({ version, timestamp, operations: counted, reset: false });
    return { version, timestamp };
  }

  /** Takes in a restore: deletes what `deletes` says (by default nothing), then puts the content there. */
  restore(
    timestamp: number,
    content: ModelContent,
    deletes: { all: boolean; ranges: readonly ({ space: string } & ModelRange)[] },
  ): Commit {
    const version = ++this.version;
    this.timestamp = timestamp = Math.max(timestamp, this.timestamp, this.#earliest);
    if (deletes.all) {
      for (const [name, { rows }] of this.#spaces) {
        rows.deleteRange("", undefined, version);
        if (name !== "") this.#exist(name, version, false);
      }
    }
    for (const { space, start, end } of deletes.ranges) this.#space(space).rows.deleteRange(start, end, version);
    for (const name of content.spaces) this.#exist(name, version, true);
    for (const [name, entries] of content.entries) {
      if (entries.length > 0) this.#exist(name, version, true);
      for (const { key, item } of entries) this.#space(name).rows.put(key, version, { ...item, version, timestamp });
    }
    this.commits.push({ version, timestamp, operations: [], reset: true });
    return { version, timestamp };
  }

  /** What a view of a version and a moment shows. */
  at(point: ModelPoint): ModelView {
    return {
      get: (space, key) => visible(this.#space(space).rows.at(key, point.version), point.moment),
      list: (space, { start, end }, tags) =>
        this.#space(space).rows.list(start, end, point.version).filter(({ item }) =>
          visible(item, point.moment) !== undefined && tags.every((tag) => item.tags.includes(tag))
        ),
    };
  }

  /** All that is there at a point. */
  content(point: ModelPoint): ModelContent {
    const view = this.at(point);
    const spaces = this.namesAt(point.version);
    const entries = ["", ...spaces].map((name) =>
      [name, view.list(name, { start: "", end: undefined }, [])] as [string, Found<ModelEntry>[]]
    );
    return { entries: new Map(entries), spaces };
  }

  /** The namespaces that were there at a version, those inside others too. */
  namesAt(version: number): string[] {
    return [...this.#spaces.keys()].filter((name) => name !== "" && this.existsAt(name, version));
  }

  /** Whether a namespace was there at a version. */
  existsAt(name: string, version: number): boolean {
    const { existence } = this.#space(name);
    return existence.findLast((one) => one.version <= version)?.exists ?? false;
  }

  /** Commits after a version, oldest first. */
  since(version: number): ModelCommit[] {
    const first = this.commits[0]?.version ?? this.version + 1;
    return this.commits.slice(Math.max(0, version + 1 - first));
  }

  /** Forgets all that came after a version: it was lost. */
  truncate(version: number): void {
    for (const { rows, existence } of this.#spaces.values()) {
      rows.truncate(version);
      while (existence.length > 0 && existence[existence.length - 1]!.version > version) existence.pop();
    }
    while (this.commits.length > 0 && this.commits[this.commits.length - 1]!.version > version) this.commits.pop();
    this.version = version;
    this.timestamp = version === 0 ? 0 : this.commits[this.commits.length - 1]?.timestamp ?? this.timestamp;
  }

  /** Forgets what nobody sees any more, so that a long run takes no more memory than a short one. */
  forget(version: number): void {
    for (const { rows } of this.#spaces.values()) rows.forget(version);
    const first = this.commits.findIndex((commit) => commit.version > version);
    this.commits.splice(0, first === -1 ? this.commits.length : first);
  }

  /** Whether anything a commit did lies in a range. */
  touches(commit: ModelCommit, space: string, { start, end }: ModelRange): boolean {
    if (end !== undefined && start >= end) return false;
    return commit.reset || commit.operations.some((operation) => {
      if (operation.type === "clear") return isInside(space, operation.space) && this.existsAt(space, commit.version);
      if (operation.space !== space) return false;
      if (operation.type !== "deleteRange") {
        return operation.key >= start && (end === undefined || operation.key < end);
      }
      return (end === undefined || operation.start < end) && (operation.end === undefined || operation.end > start);
    });
  }

  #apply(operation: ModelOperation, version: number, timestamp: number): void {
    if (operation.type === "clear") {
      for (const [name, { rows }] of this.#spaces) {
        if (isInside(name, operation.space)) rows.deleteRange("", undefined, version);
      }
      return;
    }
    const { rows } = this.#space(operation.space);
    if (operation.type === "delete") rows.put(operation.key, version, undefined);
    else if (operation.type === "deleteRange") rows.deleteRange(operation.start, operation.end, version);
    else {
      const { value, tags, expiresAt } = operation;
      this.#exist(operation.space, version, true);
      rows.put(operation.key, version, { value, version, timestamp, tags, expiresAt });
    }
  }

  /** A namespace that is there has all those around it. */
  #exist(name: string, version: number, exists: boolean): void {
    const { existence } = this.#space(name);
    if (existence[existence.length - 1]?.exists !== exists) {
      if (existence.length > 0 || exists) existence.push({ version, exists });
    }
    const slash = name.lastIndexOf("/");
    if (exists && slash > 0) this.#exist(name.slice(0, slash), version, true);
  }

  #space(name: string): Space {
    let space = this.#spaces.get(name);
    if (space === undefined) this.#spaces.set(name, space = { rows: new Versioned(), existence: [] });
    return space;
  }
}

/** Whether a key space is `outer` or inside it. */
export function isInside(name: string, outer: string): boolean {
  return outer === "" || name === outer || name.startsWith(`${outer}/`);
}

function visible(entry: ModelEntry | undefined, moment: number): ModelEntry | undefined {
  return entry?.expiresAt !== undefined && entry.expiresAt <= moment ? undefined : entry;
}
