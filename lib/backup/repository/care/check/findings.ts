/**
 * What a check of a repository has found so far: one finding for each object, the first thing that was wrong with it.
 *
 * @module
 */
import { UnsupportedFormatError } from "../../../../base/errors.ts";
import { logName } from "../../../../format/repository/archived_log.ts";
import { logPrefix, PART } from "../../core/layout.ts";

/** Versions of one history. */
export interface LogRange {
  /** The database. */
  database: string;
  /** Its lineage. */
  lineage: string;
  /** The first version. */
  from: number;
  /** The last version. */
  to: number;
}

/**
 * What is wrong: the object is gone, is not what was written, is of a newer format, is older than others say (a head), is
 * a stretch of log that no object holds, or is there though it should not be.
 */
export type FindingKind = "missing" | "damaged" | "newer" | "stale" | "hole" | "stray";

/** One thing that does not hold. */
export interface Finding {
  /** The object; of a hole the name that an object with this log would begin with. */
  key: string;
  /** What is wrong. */
  kind: FindingKind;
  /** For people. */
  detail: string;
  /** Of a hole. */
  range?: LogRange | undefined;
  /** The key under which this very content would be right, where that is known. */
  holds?: string | undefined;
}

/** All findings, by key. */
export class Findings {
  readonly #byKey = new Map<string, Finding>();
  #inOrder: readonly Finding[] | undefined;

  /** Takes one up, unless the object has one already. */
  add(finding: Finding): void {
    if (this.#byKey.has(finding.key)) return;
    this.#byKey.set(finding.key, finding);
    this.#inOrder = undefined;
  }

  /** Takes up what reading an object failed with. */
  addError(key: string, error: unknown, holds?: string): void {
    const kind = error instanceof UnsupportedFormatError ? "newer" : "damaged";
    this.add({ key, kind, detail: error instanceof Error ? error.message : String(error), holds });
  }

  /** Takes up a stretch of log that is not there. */
  addHole(range: LogRange, detail: string): void {
    const name = logName(range.from, range.to, "").slice(0, -1);
    this.add({ key: logPrefix(range.database, range.lineage) + name, kind: "hole", detail, range });
  }

  /** What was found of an object. */
  of(key: string): Finding | undefined {
    return this.#byKey.get(key);
  }

  /** All, in the order of their keys. */
  get all(): readonly Finding[] {
    return this.#inOrder ??= [...this.#byKey.values()].sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
  }

  /** The keys of data objects that no restore can use. */
  get avoid(): Set<string> {
    return new Set(
      this.all.filter(({ key }) => key.startsWith(PART.objects) || key.startsWith(PART.log)).map(({ key }) => key),
    );
  }
}
