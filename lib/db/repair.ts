/**
 * Repair: its options, and what it found in the users' terms.
 *
 * @module
 */
import { ByteReader, copyBytes, decodeText, isText } from "../base/bytes.ts";
import { booleanOption, functionOption, pathOf } from "../base/options.ts";
import { type OnProgress, ProgressReporter } from "../base/progress.ts";
import type { EngineRepairReport } from "../engine/recovery/repair.ts";
import type { LostRange } from "../engine/recovery/salvage.ts";
import type { KeyEncoding } from "../engine/types.ts";
import { fixedPath } from "../files/paths.ts";
import { CATALOG_SPACE, isTagSpace } from "../format/space.ts";
import type { Key } from "./data/keys.ts";
import { fileSystemIn, openOptions, type PathOptions, type WorkOptions } from "./options.ts";
import { repairWork } from "./rest.ts";

/** Options of `DB.repair`. */
export interface RepairOptions extends PathOptions, WorkOptions {
  /** Only says what would be done. Default: false. */
  dryRun?: boolean | undefined;
  /** What keys are, for when nothing is left of the manifest, which says so. Default: `"utf8"`. */
  keyEncoding?: KeyEncoding | undefined;
  /** ms since the Unix epoch, as of `DB.open`: for the name of `damaged-<time>/`, and the time of the repair. Default: `Date.now`. */
  clock?: (() => number) | undefined;
}

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

/** See `DB.repair`. */
export async function repairAt(path: string | URL, options: RepairOptions | undefined): Promise<RepairReport> {
  const call = "DB.repair";
  const names = ["dryRun", "keyEncoding", "clock", "signal", "onProgress"];
  const { fileSystem, checked } = fileSystemIn(call, options, names);
  const dryRun = booleanOption(call, checked, "dryRun", false);
  const { keyEncoding, clock, signal } = checked;
  const { settings } = openOptions(call, { keyEncoding, clock, signal });
  const progress = new ProgressReporter(functionOption<OnProgress>(call, checked, "onProgress"));
  const place = fixedPath(fileSystem, pathOf(call, path));
  progress.start("repair");
  const { repairDatabase } = await repairWork();
  const report = await repairDatabase(fileSystem, place, settings, {
    dryRun,
    onRows: (rows) => progress.add(0, rows),
  });
  progress.finish();
  return repairReport(report);
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
