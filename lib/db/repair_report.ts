/**
 * What a repair found, in the users' terms.
 *
 * @module
 */
import { ByteReader, copyBytes, decodeText, isText } from "../base/bytes.ts";
import type { EngineRepairReport } from "../engine/recovery/repair.ts";
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
  /** What may be lost. Keys of namespaces are given without saying of which. */
  lost: LostKeys[];
  /** The original files that lie in `damaged-<time>/` now; none when nothing was damaged. */
  setAside: string[];
}

/** Turns internal keys into users' keys. */
export function repairReport(report: EngineRepairReport): RepairReport {
  const lost = report.lost.map(({ start, end, detail }) => {
    const keys: LostKeys = { detail };
    const [first, last] = [userKey(start), userKey(end)];
    if (first !== undefined) keys.start = first;
    if (last !== undefined) keys.end = last;
    return keys;
  });
  return { kept: report.kept, lost, setAside: report.setAside };
}

function userKey(internal: Uint8Array | undefined): Key | undefined {
  if (internal === undefined || internal.length === 0) return undefined;
  const reader = new ByteReader(internal);
  reader.varint();
  const key = internal.subarray(reader.at);
  return isText(key) ? decodeText(key) : copyBytes(key);
}
