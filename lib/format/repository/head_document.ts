/**
 * `heads/<database>/<lineage>.json`: how far a line of history is archived. The only document that changes; whoever writes
 * it raises `epoch` and replaces only what it has read, so that of two writers one notices.
 *
 * @module
 */
import { choice, list, object, type Shape, where, whole } from "../manifest/json_shape.ts";
import type { LineageParent } from "../manifest/manifest_edit.ts";
import { objectPathShape } from "./object_name.ts";
import { id32, pattern, sha256 } from "./shapes.ts";

/** How far a line of history is archived. */
export interface HeadDocument {
  /** The database's id. */
  database: string;
  /** The line of history. */
  lineage: string;
  /** The lines of history it came from, the oldest first. */
  parents: LineageParent[];
  /** The last version archived. */
  version: number;
  /** The time of that commit, ms. */
  timestamp: number;
  /** The chain hash at `version`, 64 hexadecimal digits. */
  chain: string;
  /** The first version of this unbroken chain. */
  start: number;
  /** Up to when no other commit was made, ms. */
  coveredUntil: number;
  /** Raised whenever another writer takes over. */
  epoch: number;
  /** Who writes it: up to 64 hexadecimal digits. */
  writer: string;
  /** Versions that were never archived, the oldest first. */
  gaps: ArchiveGap[];
  /** Files that joined the database without passing through its log, by the version they came with. */
  ingests: ArchivedIngest[];
  /** Log up to this version was let go by prunings, or left out by a copy, here and there; absent when none was. */
  pruned?: number;
}

/** Versions that left the log before they were archived. */
export interface ArchiveGap {
  /** The first version lost. */
  from: number;
  /** The last version lost. */
  to: number;
  /** Up to when the log before the gap is complete, ms. */
  after: number;
  /** The time of the last commit lost, ms. */
  before: number;
  /** The chain hash at `from - 1`, 64 hexadecimal digits. */
  chain: string;
  /** The time of commit `from - 1`, ms; absent where it is not known. */
  timestamp?: number;
}

/** The files that one commit took in. */
export interface ArchivedIngest {
  /** The commit's version. */
  version: number;
  /** The files. */
  files: ArchivedIngestFile[];
}

/** One of them. */
export interface ArchivedIngestFile {
  /** What it is. */
  kind: "table" | "blob";
  /** Its number in the database. */
  number: number;
  /** Its length, bytes. */
  size: number;
  /** The key of its object below `objects/`. */
  object: string;
  /** The length of its object as stored, bytes. */
  stored: number;
}

/** The shape of `HeadDocument`. */
export const headDocument: Shape<HeadDocument> = where(
  object({
    database: id32,
    lineage: id32,
    parents: list(object({ lineage: id32, version: whole() })),
    version: whole(),
    timestamp: whole(),
    chain: sha256,
    start: whole(),
    coveredUntil: whole(),
    epoch: whole(),
    writer: pattern(/^[0-9a-f]{1,64}$/, "up to 64 hexadecimal digits"),
    gaps: list(where(
      object({ from: whole(), to: whole(), after: whole(), before: whole(), chain: sha256 }, { timestamp: whole() }),
      ({ from, to }) => from > to ? `from ${from} to ${to}` : undefined,
    )),
    ingests: list(object({
      version: whole(),
      files: list(object({
        kind: choice("table", "blob"),
        number: whole(),
        size: whole(),
        object: objectPathShape,
        stored: whole(),
      })),
    })),
  }, { pruned: whole() }),
  ({ start, version }) => start > version + 1 ? `a chain from ${start} that ends at ${version}` : undefined,
);
