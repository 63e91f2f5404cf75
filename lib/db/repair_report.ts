/**
 * What a repair found, in the users' terms.
 *
 * @module
 */
import { ByteReader, copyBytes, decodeText, isText } from "../base/bytes.ts";
import type { EngineRepairReport } from "../engine/recovery/repair.ts";
import type { LostRange } from "../engine/recovery/salvage.ts";
import { CATALOG_SPACE, isTagSpace } from "../format/space.ts";
import type { Key } from "./data/keys.ts";

/** A range of keys of which entries may be lost. */
export interface LostKeys {
  /** The first key, a string where it is text; absent: from the first key on. */
  start?: Key;
  /** The last key; absent: up to the last key. */
  end?: Key;
  /** The file, and what is wrong with it. */
  detail: string;
}

/** What `DB.repair` did. */
export interface RepairReport {
  /** Entries that the database has afterwards. */
  kept: number;
  /**
   * What may be lost. Keys of namespaces are given without saying of which; a range over several of them has no bounds.
   */
  lost: LostKeys[];
  /** The original files that lie in `damaged-<time>/` now; none when nothing was damaged. */
  setAside: string[];
}

/** Turns internal keys into users' keys. */
export function repairReport(report: EngineRepairReport): RepairReport {
  return { kept: report.kept, lost: report.lost.map(lostKeys), setAside: report.setAside };
}

/** A range that isn't within the entries of one key space may concern any key. */
function lostKeys({ start, end, detail }: LostRange): LostKeys {
  const [first, last] = [placeOf(start), placeOf(end)];
  if (first === undefined || last === undefined || first.space !== last.space) return { detail };
  return { start: userKey(first.key), end: userKey(last.key), detail };
}

/** The users' key of a row, and its key space; undefined where it is none of theirs. */
function placeOf(internal: Uint8Array | undefined): { space: number; key: Uint8Array } | undefined {
  if (internal === undefined || internal.length === 0) return undefined;
  const reader = new ByteReader(internal);
  const space = reader.varint();
  if (space === CATALOG_SPACE || isTagSpace(space)) return undefined;
  return { space, key: internal.subarray(reader.at) };
}

function userKey(key: Uint8Array): Key {
  return isText(key) ? decodeText(key) : copyBytes(key);
}
