/**
 * What the files of a database directory are called. Numbers come from one counter and are never reused.
 *
 * ```
 * CURRENT            the marker: names the manifest; a directory without it is not a database
 * MANIFEST-000007    log of version edits
 * 000012.log         log segment
 * 000010.sst         sorted table
 * 000011.blob        large values
 * LOCK LOCK.owner    the lock, and who holds it
 * RESERVE            space kept for deletes and close on a full disk
 * ```
 *
 * @module
 */
import { join } from "../files/paths.ts";

/** The marker that makes a directory a database. */
export const MARKER_NAME = "CURRENT";
/** A copy of the marker of a database that is being replaced; in the stage of what replaces it. */
export const REPLACED_NAME = "CURRENT.replaced";
/** The file the kernel lock is on. */
export const LOCK_NAME = "LOCK";
/** Who holds the lock, for messages. */
export const LOCK_OWNER_NAME = "LOCK.owner";
/** The space reserve. */
export const RESERVE_NAME = "RESERVE";

/** What the name of a directory begins with in which an export or restore makes its files before they count. */
export const STAGE_PREFIX = ".stage-";

/** How the name of a stage ends in which the files of a database wait that is being replaced. */
export const FORMER_SUFFIX = "-old";

/** What the name of a directory begins with in which a repair keeps the originals. */
export const DAMAGED_PREFIX = "damaged-";

/** The kinds of numbered files. */
export type FileKind = "table" | "blob" | "log" | "manifest";

const EXTENSIONS = { table: "sst", blob: "blob", log: "log" } as const;

/** The name of a numbered file. */
export function fileName(kind: FileKind, number: number): string {
  const digits = String(number).padStart(6, "0");
  return kind === "manifest" ? `MANIFEST-${digits}` : `${digits}.${EXTENSIONS[kind]}`;
}

/** The path of a numbered file. */
export function filePath(directory: string, kind: FileKind, number: number): string {
  return join(directory, fileName(kind, number));
}

/** Kind and number of a name; undefined when it is none of ours or not numbered. */
export function parseFileName(name: string): { kind: FileKind; number: number } | undefined {
  const match = /^(?:MANIFEST-(\d{6,16})|(\d{6,16})\.(log|sst|blob))$/.exec(name);
  if (match === null) return undefined;
  const number = Number(match[1] ?? match[2]);
  // Beyond, two names would be the same number.
  if (!Number.isSafeInteger(number)) return undefined;
  if (match[1] !== undefined) return { kind: "manifest", number };
  return { kind: match[3] === "sst" ? "table" : match[3] as "log" | "blob", number };
}

/** Whether a name is one that Holdfast gives. */
export function isOurs(name: string): boolean {
  return parseFileName(name) !== undefined || name === MARKER_NAME || name === LOCK_NAME ||
    name === LOCK_OWNER_NAME || name === RESERVE_NAME || name.startsWith(`${MARKER_NAME}.`) ||
    name.startsWith(STAGE_PREFIX) || name.startsWith(DAMAGED_PREFIX) || name.startsWith(`${LOCK_NAME}-`);
}
