/**
 * What the planner of a prune knows of a repository: numbers and names, no store. Whoever calls it reads the documents.
 *
 * @module
 */
import type { BackupType } from "../../../info.ts";

/** Where a history branched off: it holds that lineage's versions up to and with `version`. */
export interface ParentFact {
  /** The history it came from. */
  lineage: string;
  /** The last version they share. */
  version: number;
}

/** A stored object. */
export interface ObjectFact {
  /** Its key in the store. */
  key: string;
  /** Its stored bytes. */
  size: number;
}

/** A listed backup. */
export interface BackupFact {
  /** Its id. */
  id: string;
  /** As it is, not as it was asked for. */
  type: BackupType;
  /** The backup that it builds on. */
  parentId: string | null;
  /** The database it is of. */
  database: string;
  /** The history it belongs to. */
  lineage: string;
  /** The histories before that one, the oldest first. */
  parents: readonly ParentFact[];
  /** The version it shows. */
  version: number;
  /** The time of that version's commit, ms. */
  timestamp: number;
  /** When it was made, ms, by a clock that may have been wrong. */
  createdAt: number;
  /** Whether a person said that it stays. */
  pinned: boolean;
  /** Whether it leaves something out. */
  selective: boolean;
  /** What it leaves in, as any text: selective backups with the same text take each other's place. */
  selection?: string | undefined;
  /** Whether it is of a copy that went its own way: the archived log does not lead on from it. */
  apart?: boolean | undefined;
  /** Whether a proof says that it was whole when last looked at. */
  verified: boolean;
  /** The version of its files, for one that has a base; its tail then goes from there to `version`. */
  baseVersion: number | null;
  /** The archived log that it needs, both ends included. */
  log: { from: number; to: number } | null;
  /** The objects it names, its own document too. */
  objects: readonly ObjectFact[];
}

/** An object of archived log. */
export interface LogFact {
  /** Its key in the store. */
  key: string;
  /** The database it is of. */
  database: string;
  /** The history it belongs to. */
  lineage: string;
  /** Its first version. */
  first: number;
  /** Its last version. */
  last: number;
  /** The time of its last commit, ms, where it was read. */
  maxTimestamp?: number | undefined;
  /** Its stored bytes. */
  size: number;
  /** Objects that its commits name: files that came into the database whole. They stay and go with it. */
  objects?: readonly ObjectFact[] | undefined;
}

/** A history that the repository knows of; needed where it has log and no backup, or no longer one. */
export interface LineageFact {
  /** The database it is of. */
  database: string;
  /** The history. */
  lineage: string;
  /** The histories before that one, the oldest first. */
  parents: readonly ParentFact[];
}

/** All that a plan is made from. */
export interface RepositoryFacts {
  /** Every listed backup. */
  backups: readonly BackupFact[];
  /** Every object of archived log. */
  log: readonly LogFact[];
  /** All heads. */
  lineages?: readonly LineageFact[] | undefined;
}
