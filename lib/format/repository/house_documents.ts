/**
 * The small documents by which programs that share a repository get along: leases (`locks/<name>.json`), marks of the
 * garbage collector (`gc/<id>.json`) and proofs (`proofs/`).
 *
 * @module
 */
import { choice, flag, list, nullable, object, type Shape, text, where, whole } from "../manifest/json_shape.ts";
import { id32, keyPart, pattern } from "./shapes.ts";

/** Somebody works here, until a time. */
export interface LeaseDocument {
  /** The lease's id. */
  id: string;
  /** What for: `"backup"`, `"restore"`, `"replicate"`, `"prune"` and the like. */
  kind: string;
  /** Who, for messages. */
  holder: string;
  /** Since when, ms. */
  takenAt: number;
  /** Until when, unless it is extended, ms. */
  expiresAt: number;
}

/** Objects that are to be deleted once nobody can need them. */
export interface GcMark {
  /** The mark's id. */
  id: string;
  /** When they were found to be needed by nothing, ms. */
  markedAt: number;
  /** Their keys. */
  keys: string[];
  /** The leases that were out then. */
  leases: string[];
}

/** A check that was made, and how it came out. */
export interface Proof {
  /** Reading and checking, or restoring for real. */
  kind: "verify" | "drill";
  /** When, ms. */
  at: number;
  /** Of which backup; null: of a point in time. */
  backupId: string | null;
  /** The database's id. */
  database: string;
  /** The line of history. */
  lineage: string;
  /** The version that was checked. */
  version: number;
  /** The time of that version, ms. */
  timestamp: number;
  /** Whether it can be restored. */
  ok: boolean;
  /** How many problems were found. */
  problems: number;
  /** How many entries were read; null when they were not. */
  entries: number | null;
  /** Of the entries that were read; null when they were not. */
  contentChecksum: string | null;
  /** How long it took, ms. */
  durationMs: number;
}

/** The shape of `LeaseDocument`. */
export const leaseDocument: Shape<LeaseDocument> = object({
  id: keyPart,
  kind: pattern(/^[a-z-]{1,32}$/, "a kind of work"),
  holder: text,
  takenAt: whole(),
  expiresAt: whole(),
});

/** A key of an object in the store. */
const key: Shape<string> = where(
  pattern(/^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/, "the key of an object"),
  (value) => value.length > 512 || value.split("/").some((part) => /^\.{1,2}$/.test(part)) ? "no key" : undefined,
);

/** The shape of `GcMark`. */
export const gcMark: Shape<GcMark> = object({ id: keyPart, markedAt: whole(), keys: list(key), leases: list(keyPart) });

/** The shape of `Proof`. */
export const proof: Shape<Proof> = object({
  kind: choice("verify", "drill"),
  at: whole(),
  backupId: nullable(keyPart),
  database: id32,
  lineage: id32,
  version: whole(),
  timestamp: whole(),
  ok: flag,
  problems: whole(),
  entries: nullable(whole()),
  contentChecksum: nullable(text),
  durationMs: whole(),
});
